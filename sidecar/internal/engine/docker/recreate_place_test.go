package docker_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/test/dockertest"
)

// nameless shows inspects as 28.5.2 does: the volume of the bind /bare has no name, and its path begins with a prefix if there is one.
type nameless struct {
	next   http.RoundTripper
	prefix string
}

func (n nameless) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := n.next.RoundTrip(r)
	if err != nil || !strings.Contains(r.URL.Path, "/containers/") || !strings.HasSuffix(r.URL.Path, "/json") {
		return answer, err
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if json.Unmarshal(text, &tree) == nil { // neither a list nor an error
		n.hide(tree)
		text, _ = json.Marshal(tree)
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return answer, nil
}

func (n nameless) hide(inspect map[string]any) {
	host, _ := inspect["HostConfig"].(map[string]any)
	binds, _ := host["Binds"].([]any)
	mounts, _ := inspect["Mounts"].([]any)
	for _, one := range mounts {
		m, ok := one.(map[string]any)
		if ok && m["Destination"] == "/bare" && slices.Contains(binds, any("/bare")) {
			source, _ := m["Source"].(string)
			m["Name"], m["Source"] = "", n.prefix+source
		}
	}
}

// A volume that the engine does not name is found by its path, if that is the path of the volume (R12).
func TestVolumeByPlace(t *testing.T) {
	for prefix, want := range map[string]recreate.Ending{"": recreate.Done, "/elsewhere": recreate.Refused} {
		t.Run(string(want), func(t *testing.T) {
			inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
				over := nameless{next: b.server.Transport(dockertest.ByStoker), prefix: prefix}
				c, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: over}), client.WithAPIVersionNegotiation())
				require.NoError(t, err)
				_, raw, err := c.ContainerInspectWithRaw(t.Context(), workerName, false)
				require.NoError(t, err)
				require.Empty(t, mountsOf(t, raw)["/bare"])

				result := b.recreatorOver(over, "a").Do(t.Context(), b.request())

				require.Equal(t, want, result.Ending, "%v", result.Err)
				if want == recreate.Refused {
					require.ErrorContains(t, result.Err, "Mounts")
					require.True(t, result.Untouched)
				}
				b.running() // with the same volumes
			})
		})
	}
}
