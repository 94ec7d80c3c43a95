package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func eventJSON(nano int64, action, attributes string) string {
	return fmt.Sprintf(`{"Type":"container","Action":%q,"Actor":{"ID":%q,"Attributes":{"name":"w","image":"i","stoker.enable":"true"%s}},"timeNano":%d}`+"\n",
		action, testID, attributes, nano)
}

func TestEventTranslation(t *testing.T) {
	labels := map[string]string{"stoker.enable": "true"}
	cases := []struct {
		action, attributes string
		want               worker.Observation
	}{
		{"create", "", worker.Observation{Kind: worker.Created}},
		{"start", "", worker.Observation{Kind: worker.Started}},
		{"die", `,"exitCode":"137","execDuration":"3"`, worker.Observation{Kind: worker.Exited, Exit: worker.Exit{ExitCode: 137}}},
		{"die", `,"exitCode":"0","restarting":"true"`, worker.Observation{Kind: worker.Exited, Exit: worker.Exit{Restarting: true}}},
		{"die", `,"exitCode":"0","restarting":"false"`, worker.Observation{Kind: worker.Exited}},
		{"stop", `,"restarting":"true"`, worker.Observation{Kind: worker.Stopped}},
		{"kill", `,"signal":"15"`, worker.Observation{Kind: worker.Signalled, Signal: syscall.SIGTERM}},
		{"stop", "", worker.Observation{Kind: worker.Stopped}},
		{"oom", "", worker.Observation{Kind: worker.OutOfMemory}},
		{"pause", "", worker.Observation{Kind: worker.Paused}},
		{"unpause", "", worker.Observation{Kind: worker.Resumed}},
		{"update", "", worker.Observation{Kind: worker.Updated}},
		{"rename", `,"oldName":"/v"`, worker.Observation{Kind: worker.Renamed, OldKey: "v"}},
		{"destroy", "", worker.Observation{Kind: worker.Gone}},
		{"health_status: healthy", "", worker.Observation{Kind: worker.Healthy}},
		{"health_status: unhealthy", "", worker.Observation{Kind: worker.Unhealthy}},
		{"health_status: running", "", worker.Observation{}},
		{"exec_die", `,"exitCode":"1"`, worker.Observation{}},
		{"exec_start: sh -c die", "", worker.Observation{}},
		{"restart", "", worker.Observation{}},
	}
	for _, tc := range cases {
		t.Run(tc.action, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := newFake(t, replies(200, eventJSON(5_000_000_001, tc.action, tc.attributes)))
				got, err := c.History(t.Context(), time.Unix(1, 0), time.Unix(9, 0))
				require.NoError(t, err)
				if tc.want.Kind == 0 {
					require.Empty(t, got)
					return
				}
				tc.want.At, tc.want.ID, tc.want.Key, tc.want.Labels = time.Unix(5, 1).UTC(), testID, "w", labels
				require.Equal(t, []worker.Observation{tc.want}, got)
			})
		})
	}
}

func TestEventsQuery(t *testing.T) {
	for name, tc := range map[string]struct {
		since time.Time
		want  string
	}{
		"all that there is": {time.Time{}, "0"},
		"nanoseconds":       {time.Unix(1700000000, 42), "1700000000.000000042"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var query url.Values
				c, _ := newFake(t, func(r *http.Request) (*http.Response, error) {
					query = r.URL.Query()
					return reply(200, ""), nil
				})
				out, end := c.Events(t.Context(), tc.since)
				_, open := <-out
				require.False(t, open)
				require.ErrorIs(t, <-end, io.EOF)
				require.Equal(t, tc.want, query.Get("since"))
				require.Empty(t, query.Get("until"))
				var filters map[string]map[string]bool
				require.NoError(t, json.Unmarshal([]byte(query.Get("filters")), &filters))
				require.Equal(t, map[string]map[string]bool{
					"type": {"container": true},
					"event": {"create": true, "start": true, "die": true, "kill": true, "stop": true, "oom": true, "health_status": true,
						"pause": true, "unpause": true, "update": true, "rename": true, "destroy": true},
				}, filters)
			})
		})
	}
}

// read reads a stream to its end.
func read(out <-chan worker.Observation, end <-chan error) ([]worker.Observation, error) {
	var all []worker.Observation
	for o := range out {
		all = append(all, o)
	}
	return all, <-end
}

func TestEventsEnd(t *testing.T) {
	whole := eventJSON(1, "die", "") + eventJSON(2, "start", "")
	cases := map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		read   int
		is     error
	}{
		"the engine goes":   {replies(200, whole), 2, io.EOF},
		"cut in the middle": {replies(200, whole+`{"Type":"conta`), 2, io.ErrUnexpectedEOF},
		"no engine":         {fails(errRefused), 0, syscall.ECONNREFUSED},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := newFake(t, tc.answer)
				all, err := read(c.Events(t.Context(), time.Time{}))
				require.ErrorIs(t, err, tc.is)
				require.Len(t, all, tc.read)
			})
		})
	}
}

func TestEventsArriveHoursLaterAndStopOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		c, _ := newFake(t, func(req *http.Request) (*http.Response, error) {
			context.AfterFunc(req.Context(), func() { _ = r.CloseWithError(req.Context().Err()) })
			return stream(r), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		out, end := c.Events(ctx, time.Time{})
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Hour)
			_, _ = io.WriteString(w, eventJSON(7, "die", `,"exitCode":"3"`))
		}()
		o := <-out
		require.Equal(t, 3, o.ExitCode)
		require.Equal(t, 3*time.Hour, time.Since(began))
		cancel()
		_, open := <-out
		require.False(t, open)
		require.NoError(t, <-end)
	})
}

// A blocked consumer loses nothing until the buffer is full, and then gets an error.
func TestEventsOverflow(t *testing.T) {
	for name, tc := range map[string]struct {
		sent int
		is   error
	}{
		"just fits": {bufferSize, io.EOF},
		"too many":  {bufferSize + 1, ErrOverflow},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				c, _ := newFake(t, func(*http.Request) (*http.Response, error) { return stream(r), nil })
				out, end := c.Events(t.Context(), time.Time{})
				go func() {
					for i := range tc.sent {
						_, _ = io.WriteString(w, eventJSON(int64(i+1), "die", ""))
					}
					_ = w.Close()
				}()
				synctest.Wait() // the consumer has received nothing yet
				all, err := read(out, end)
				require.ErrorIs(t, err, tc.is)
				require.Len(t, all, bufferSize)
				for i, o := range all {
					require.EqualValues(t, i+1, o.At.UnixNano())
				}
				_ = r.Close()
			})
		})
	}
}

func TestHistoryBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := newFake(t, replies(200, ""))
		got, err := c.History(t.Context(), time.Time{}, time.Unix(8, 9))
		require.NoError(t, err)
		require.Empty(t, got)
		require.Contains(t, f.seen()[0], "since=0&until=8.000000009")

		c, _ = newFake(t, replies(200, eventJSON(1, "die", "")+`{"Ty`))
		got, err = c.History(t.Context(), time.Time{}, time.Unix(8, 9))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Empty(t, got, "a history with a hole is none")
	})
}
