package docker

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// The list of calls in the documentation has exactly the calls that a recreate and the heal of a dependent send.
func TestCallsAreDocumented(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.world(func(w *dockertest.World) {
			w.AddNetwork("front")
			w.AddNetwork("rear")
		})
		p := b.run("p", container.Config{Labels: map[string]string{composeProject: "x"}}, container.HostConfig{NetworkMode: "front", Binds: []string{"/bare"}})
		b.world(func(w *dockertest.World) { w.WriteFile("p", "/run/secrets/token", "secret") })
		require.NoError(t, b.api().NetworkConnect(t.Context(), "rear", "p", &network.EndpointSettings{}))
		b.run("g", container.Config{}, in(p))
		time.Sleep(time.Second)
		b.sent("")
		p = b.fresh("p")
		require.Equal(t, worker.Done, b.listDependents().Result)
		require.Equal(t, worker.Done, b.c.Do(t.Context(), restartOf(b.snapshot("g"))).Result)
		b.recreated(p)
		sent := map[string]bool{}
		for _, call := range b.sent("") {
			if !strings.HasPrefix(call, http.MethodHead) { // a ping
				sent[pattern(call)] = true
			}
		}
		require.Equal(t, documented(t), sent)
	})
}

// pattern replaces the IDs and names in a call by placeholders.
func pattern(call string) string {
	method, path, _ := strings.Cut(call, " ")
	parts := strings.Split(path, "/")
	switch {
	case path == "containers/json" || path == "containers/create":
	case parts[0] == "containers" || parts[0] == "images":
		parts[1] = "<id>"
	case len(parts) > 1:
		parts[1] = "<name>"
	}
	return method + " /" + strings.Join(parts, "/")
}

func documented(t *testing.T) map[string]bool { return documentedIn(t, "recreate.md") }

func documentedIn(t *testing.T, page string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/" + page)
	require.NoError(t, err)
	_, list, found := strings.Cut(string(text), "<!-- calls: begin -->")
	require.True(t, found)
	list, _, found = strings.Cut(list, "<!-- calls: end -->")
	require.True(t, found)
	calls := map[string]bool{}
	for _, call := range regexp.MustCompile("`([A-Z]+ /[^`]+)`").FindAllStringSubmatch(list, -1) {
		calls[call[1]] = true
	}
	return calls
}
