package docker

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// podmanFake answers as Podman 5.4.2 does, with recorded bytes.
type podmanFake struct {
	version string
	cause   string // the field in its own inspect; empty means a refusal
	asked   []string
}

func (f *podmanFake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.asked = append(f.asked, r.URL.Path)
	body, status := "[]", http.StatusOK
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/info"):
		body = infoBody
	case strings.HasSuffix(path, "/events"):
		text, err := os.ReadFile("testdata/podman-events.json")
		if err != nil {
			return nil, err
		}
		body = string(text)
	case strings.HasPrefix(path, "/v"+f.version+"/libpod/") && f.cause != "":
		body = `{"State":{"StartedAt":"2026-11-25T21:45:26Z"` + f.cause + `}}`
	case strings.Contains(path, "/libpod/"):
		body, status = `{"cause":"","message":"forbidden","response":403}`, http.StatusForbidden
	case strings.HasSuffix(path, testID+"/json"):
		body = `{"Id":"` + testID + `","State":{"Status":"exited","ExitCode":137,"StartedAt":"2026-11-25T21:45:26Z"}}`
	case strings.HasSuffix(path, "/containers/json"):
		body = `[{"Id":"` + testID + `","Names":["/w"],"State":"stopping","Status":"Stopping"}]`
	}
	resp := reply(status, body)
	resp.Header.Set("Libpod-Api-Version", f.version)
	return resp, nil
}

func podmanClient(t *testing.T, f *podmanFake) (*Client, worker.Engine) {
	t.Helper()
	c, err := New(Options{Transport: f})
	require.NoError(t, err)
	engine, err := c.Engine(t.Context())
	require.NoError(t, err)
	return c, engine
}

func TestPodmanIsDetectedByItsPing(t *testing.T) {
	_, engine := podmanClient(t, &podmanFake{version: "5.4.2"})
	require.True(t, engine.Podman)
	require.True(t, engine.BootedAt.IsZero(), "its default network is older")
	require.Contains(t, engine.Caveat, "5.4.2")
	_, old := podmanClient(t, &podmanFake{version: "4.3.1"})
	require.Greater(t, len(old.Caveat), len(engine.Caveat))
	c, _ := newFake(t, upToDate("1.12", "1.41"))
	docker, err := c.Engine(t.Context())
	require.NoError(t, err)
	require.False(t, docker.Podman)
	require.Empty(t, docker.Caveat)
}

// The events are what Podman 5.4.2 sent of docker stop, podman stop, docker kill, a crash, docker restart, probes and rm -f.
func TestPodmanEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := podmanClient(t, &podmanFake{version: "5.4.2"})
		got, err := c.History(t.Context(), time.Unix(1, 0), time.Now())
		require.NoError(t, err)
		var story []string
		noNews := 0
		for _, o := range got {
			if o.Kind == 0 {
				require.False(t, o.At.IsZero(), "it shows how far the stream has come")
				noNews++
				continue
			}
			story = append(story, o.Kind.String())
			require.Equal(t, o.Kind == worker.Exited, o.NoStopEvents)
			require.NotContains(t, o.Labels, "podId")
			require.NotContains(t, o.Labels, "containerExitCode")
		}
		require.Equal(t, []string{
			"created", "started", "stopped", "exited", // docker stop
			"started", "unhealthy", "exited", // podman stop: no stop event
			"started", "signalled", "exited", // docker kill
			"started", "exited", // a crash
			"started", "exited", "started", // docker restart
			"paused", "resumed", "renamed", "unhealthy", "updated", // each later probe reported unhealthy as well
			"stopped", "exited", "gone", // docker rm -f
		}, story)
		require.Equal(t, 137, got[9].ExitCode)
		require.Equal(t, 6, noNews, "the later probes")
	})
}

func TestPodmanExitCause(t *testing.T) {
	cases := map[string]struct {
		version, cause string
		want           worker.ExitCause
	}{
		"stopped by an operator": {"5.4.2", `,"StoppedByUser":true`, worker.ExitCauseRequested},
		"by itself":              {"5.4.2", ` `, worker.ExitCauseOwn},
		"forbidden by a proxy":   {"5.4.2", ``, worker.ExitCauseHidden},
		"before it remembered":   {"4.6.2", ` `, worker.ExitCauseHidden},
		"as soon as it did":      {"4.7.0", ` `, worker.ExitCauseOwn},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, _ := podmanClient(t, &podmanFake{version: tc.version, cause: tc.cause})
			out := c.Do(t.Context(), worker.Action{Verb: worker.Inspect, Incarnation: worker.Incarnation{ID: testID}})
			require.Equal(t, worker.Done, out.Result, out.Err)
			require.Equal(t, tc.want, out.Snapshot.ExitCause)
		})
	}
}

func TestPodmanList(t *testing.T) {
	c, _ := podmanClient(t, &podmanFake{version: "5.4.2"})
	list, err := c.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, worker.StatusRunning, list[0].Status)
	require.Equal(t, worker.HealthUnknown, list[0].Health)
}

func TestPodmanSince(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	remembers, forgets := &podman{remembers: true}, &podman{}
	require.Equal(t, now.Add(-podmanHistory), remembers.since(time.Time{}, now))
	require.Equal(t, now.Add(-time.Second), remembers.since(now.Add(-time.Second), now))
	require.True(t, forgets.since(time.Time{}, now).IsZero())
}

func TestPodmanRefusal(t *testing.T) {
	c, _ := podmanClient(t, &podmanFake{version: "5.4.2"})
	_, err := c.get(t.Context(), "/v5.4.2/libpod/containers/x/json", nil)
	require.EqualError(t, err, "forbidden")
	body, err := c.get(t.Context(), "/v1.41/containers/json", nil)
	require.NoError(t, err)
	_, err = io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
}
