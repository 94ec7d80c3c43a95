package docker

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clocked is a client of an engine that shows its clock, as every Go server does, and has two events.
func clocked(t *testing.T, date string) (*Client, *fake) {
	t.Helper()
	f := &fake{date: date}
	f.answer = func(*http.Request) (*http.Response, error) {
		return reply(http.StatusOK, eventJSON(5_000_000_000, "kill", `,"signal":"15"`)+eventJSON(7_000_000_000, "die", "")), nil
	}
	c, err := New(Options{Transport: f})
	require.NoError(t, err)
	return c, f
}

func TestNewest(t *testing.T) {
	t.Parallel()
	c, f := clocked(t, "Thu, 01 Jan 1970 00:00:09 GMT")
	got, err := c.Newest(t.Context(), time.Unix(4, 5))
	require.NoError(t, err)
	require.Equal(t, time.Unix(7, 0).UTC(), got)
	require.Len(t, f.seen(), 1)
	require.Contains(t, f.seen()[0], "since=4.000000005")
	require.Contains(t, f.seen()[0], "until=10.000000000", "the date is cut to the second")
}

// No request is sent if the result cannot be known: an engine refuses a since after the until, and waits for an until in the future.
func TestNewestUnknown(t *testing.T) {
	t.Parallel()
	for name, date := range map[string]string{"the clock stepped back": "Thu, 01 Jan 1970 00:00:02 GMT", "no date": ""} {
		t.Run(name, func(t *testing.T) {
			c, f := clocked(t, date)
			got, err := c.Newest(t.Context(), time.Unix(4, 5))
			require.NoError(t, err)
			require.Zero(t, got)
			require.Empty(t, f.seen())
		})
	}
}

func TestNewestFails(t *testing.T) {
	t.Parallel()
	c, f := clocked(t, "Thu, 01 Jan 1970 00:00:09 GMT")
	f.answer = replies(http.StatusInternalServerError, `{"message":"no"}`)
	_, err := c.Newest(t.Context(), time.Unix(4, 5))
	require.Error(t, err)
	require.True(t, strings.HasPrefix(err.Error(), "follow the events"), err)
}
