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

// stoppingWords has other words for what runs once somebody has begun to stop it, as a Podman's inspect does.
type stoppingWords struct {
	next      http.RoundTripper
	said, say string
	begun     atomic.Bool
}

func (w *stoppingWords) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil || !w.begun.Load() || !strings.HasSuffix(r.URL.Path, "/json") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	body = bytes.ReplaceAll(body, []byte(w.said), []byte(w.say))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

// A Podman tells of a stop when it is over, and refuses to remove what is stopping: no word of the caller's stands beside this one.
func TestStoppingIsAStop(t *testing.T) {
	for version, words := range map[string]struct{ said, say string }{
		"5.4": {`"Status":"running"`, `"Status":"stopping"`},
		"5.8": {`"Running":true`, `"Running":false`},
	} {
		for _, takes := range []time.Duration{300 * time.Millisecond, 3 * time.Second} {
			t.Run(version+" "+takes.String(), func(t *testing.T) {
				k := kinds()["old engine"]
				k.env = []string{dockertest.BehaviourEnv(dockertest.Behaviour{TermDelay: takes})}
				inBubble(t, k, func(t *testing.T, b *bench) {
					podman := &stoppingWords{said: words.said, say: words.say}
					w := &wire{}
					w.spoil = at(http.MethodPost, "/start", func() {
						go func() {
							time.Sleep(400 * time.Millisecond)
							podman.begun.Store(true)
							b.world(func(world *dockertest.World) { world.Operator().Stop(workerName, dockertest.OwnGrace) })
						}()
					})
					r := b.recreator(w, "a")
					podman.next, w.next = w.next, podman
					result := r.Do(t.Context(), b.request())
					require.ErrorContains(t, result.Err, "somebody stopped the worker")
					b.requireLeftDown(result)
				})
			})
		}
	}
}
