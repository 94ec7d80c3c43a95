package docker

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// newer makes the fake engine one of API 1.57: containers may have a Umask, which create accepts from 1.56 on and ignores below. Every
// inspect shows it, whatever the version, as moby does.
type newer struct {
	next http.RoundTripper
	has  map[string]any // by ID
}

var version = regexp.MustCompile(`^/v([0-9.]+)/`)

func (n *newer) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := version.FindStringSubmatch(r.URL.Path)
	r = r.Clone(r.Context())
	r.URL.Path = version.ReplaceAllString(r.URL.Path, "/v1.41/")
	var umask any
	if strings.HasSuffix(r.URL.Path, "/containers/create") {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		var body struct{ HostConfig map[string]any }
		if err := json.Unmarshal(text, &body); err != nil {
			return nil, err
		}
		if versions.GreaterThanOrEqualTo(asked[1], "1.56") {
			umask = body.HostConfig["Umask"]
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
	}
	resp, err := n.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Header.Set("Api-Version", "1.57")
	if strings.HasSuffix(r.URL.Path, "/events") {
		return resp, nil
	}
	text, err := io.ReadAll(resp.Body)
	var answer map[string]any
	if json.Unmarshal(text, &answer) == nil {
		id, _ := answer["Id"].(string)
		if host, ok := answer["HostConfig"].(map[string]any); ok && n.has[id] != nil {
			host["Umask"] = n.has[id]
			text, _ = json.Marshal(answer)
		}
		if umask != nil {
			n.has[id] = umask
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, err
}

// Fields of a newer engine that the Docker client does not have are kept by a recreate.
func TestRecreateCarriesWhatTheClientDoesNotKnow(t *testing.T) {
	for name, pinned := range map[string]string{"negotiated": "", "pinned": "1.41"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bench{t: t, server: dockertest.NewServer(dockertest.Config{Seed: 3, Timing: dockertest.RealTiming(), Version: "29.8.0", APIVersion: "1.41"})}
				defer b.server.Close()
				n := &newer{next: b, has: map[string]any{}}
				var err error
				b.c, err = New(Options{Transport: n, Self: stokerID, APIVersion: pinned})
				require.NoError(t, err)
				_, err = b.c.Engine(t.Context())
				require.NoError(t, err)
				w := b.run("w", container.Config{}, container.HostConfig{})
				n.has[w.ID] = 0.0 // zero is a value of its own
				out := b.c.Do(t.Context(), worker.Action{Verb: worker.Inspect, Incarnation: worker.Incarnation{ID: w.ID}})
				require.Equal(t, worker.Done, out.Result)
				require.Contains(t, string(out.Snapshot.Definition), "Umask")

				ended := recreateWith(t.Context(), b.c, recreateOf(*out.Snapshot), nil)
				if pinned != "" {
					require.NotEqual(t, worker.Done, ended.Result)
					require.Contains(t, ended.Err, "HostConfig.Umask")
					return
				}
				require.Equal(t, worker.Done, ended.Result, ended.Err)
				require.NotEqual(t, w.ID, ended.Snapshot.ID)
				require.InDelta(t, 0.0, n.has[ended.Snapshot.ID], 0)
			})
		})
	}
}
