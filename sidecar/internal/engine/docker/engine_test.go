package docker

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

const (
	infoBody   = `{"NCPU":2,"SystemTime":"2026-11-23T17:44:06.292936777Z","ServerVersion":"20.10.24"}`
	bridgeBody = `{"Name":"bridge","Created":"2026-11-23T17:43:05.379118989Z"}`
)

// upToDate is an engine that supports versions from oldest on. It compares versions as strings, so they need equal lengths.
func upToDate(oldest, newest string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		version, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
		switch {
		case version < oldest || version > newest:
			return reply(400, `{"message":"client version `+version+` is not supported"}`), nil
		case path == "info":
			return reply(200, infoBody), nil
		case path == "networks/bridge":
			return reply(200, bridgeBody), nil
		}
		return reply(200, `[]`), nil
	}
}

func TestEngine(t *testing.T) {
	cases := map[string]struct {
		oldest, newest, pinned string
		want                   string // the version used; empty is an error
	}{
		"an old engine":           {oldest: "1.12", newest: "1.41", want: "1.41"},
		"one that demands 1.44":   {oldest: "1.44", newest: "1.47", want: "1.47"},
		"newer than the client":   {oldest: "1.44", newest: "1.60", want: "1.51"},
		"much newer":              {oldest: "1.55", newest: "1.60"},
		"pinned":                  {oldest: "1.12", newest: "1.47", pinned: "1.40", want: "1.40"},
		"pinned too new":          {oldest: "1.12", newest: "1.41", pinned: "1.47"},
		"pinned too old":          {oldest: "1.44", newest: "1.47", pinned: "1.40"},
		"pinned with a leading v": {oldest: "1.12", newest: "1.47", pinned: "v1.40", want: "1.40"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{newest: tc.newest, answer: upToDate(tc.oldest, tc.newest)}
				c, err := New(Options{Transport: f, APIVersion: tc.pinned})
				require.NoError(t, err)
				got, err := c.Engine(t.Context())
				if tc.want == "" {
					require.ErrorAs(t, err, new(*versionError))
					return
				}
				require.NoError(t, err)
				require.Equal(t, worker.Engine{
					Now:        time.Date(2026, 11, 23, 17, 44, 6, 292936777, time.UTC),
					BootedAt:   time.Date(2026, 11, 23, 17, 43, 5, 379118989, time.UTC),
					Version:    "20.10.24",
					APIVersion: tc.want,
					CPUs:       2,
				}, got)
			})
		})
	}
}

// An engine that is upgraded while Stoker runs may no longer support the version negotiated before.
func TestEngineUpgrade(t *testing.T) {
	f := &fake{newest: "1.41", answer: upToDate("1.12", "1.41")}
	c, err := New(Options{Transport: f})
	require.NoError(t, err)
	_, err = c.Engine(t.Context())
	require.NoError(t, err)

	f.newest, f.answer = "1.47", upToDate("1.44", "1.47")
	_, err = c.List(t.Context())
	require.Error(t, err)
	got, err := c.Engine(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1.47", got.APIVersion)
	_, err = c.List(t.Context())
	require.NoError(t, err)
}

func TestBootUnknown(t *testing.T) {
	for name, status := range map[string]int{"no bridge": 404, "forbidden": 403} {
		t.Run(name, func(t *testing.T) {
			c, _ := newFake(t, inTurn(t, answers{replies(200, infoBody), replies(status, `{"message":"no"}`)}))
			got, err := c.Engine(t.Context())
			require.NoError(t, err)
			require.True(t, got.BootedAt.IsZero())
			require.Equal(t, 2, got.CPUs)
		})
	}
}

func TestPing(t *testing.T) {
	c, _ := newFake(t, nil)
	require.NoError(t, c.Ping(t.Context()))
	c, err := New(Options{Host: "unix:///nowhere/docker.sock"})
	require.NoError(t, err)
	require.Error(t, c.Ping(t.Context()))
}
