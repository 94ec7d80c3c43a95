package docker_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/dockertest"
)

// stoppingStatus changes the status of a running container once a stop has begun, as Podman's inspect does.
type stoppingStatus struct {
	next     http.RoundTripper
	old, new string
	begun    atomic.Bool
}

func (w *stoppingStatus) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil || !w.begun.Load() || !strings.HasSuffix(r.URL.Path, "/json") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	body = bytes.ReplaceAll(body, []byte(w.old), []byte(w.new))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

// Podman emits the stop event when the stop is over, and refuses to remove a stopping container. So no event shows this stop in time.
func TestStoppingIsAStop(t *testing.T) {
	for version, status := range map[string]struct{ old, new string }{
		"5.4": {`"Status":"running"`, `"Status":"stopping"`},
		"5.8": {`"Running":true`, `"Running":false`},
	} {
		for _, takes := range []time.Duration{300 * time.Millisecond, 3 * time.Second} {
			t.Run(version+" "+takes.String(), func(t *testing.T) {
				k := kinds()["old engine"]
				k.env = []string{dockertest.BehaviourEnv(dockertest.Behaviour{TermDelay: takes})}
				inBubble(t, k, func(t *testing.T, b *bench) {
					podman := &stoppingStatus{old: status.old, new: status.new}
					w := &faultTransport{}
					w.inject = at(http.MethodPost, "/start", func() {
						go func() {
							time.Sleep(400 * time.Millisecond)
							podman.begun.Store(true)
							b.world(func(world *dockertest.World) { world.Operator().Stop(workerName, dockertest.OwnGrace) })
						}()
					})
					r := b.recreator(w, "a")
					podman.next, w.next = w.next, podman
					result := r.Do(t.Context(), b.request())
					require.ErrorContains(t, result.Err, "an operator stopped the worker")
					b.requireLeftDown(result)
				})
			})
		}
	}
}
