package docker_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/recreate"
)

func inBubble(t *testing.T, k kind, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, k)
		defer b.close()
		test(t, b)
	})
}

func TestDo(t *testing.T) {
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, k, func(t *testing.T, b *bench) {
				result := b.recreator(nil, "a").Do(t.Context(), b.request())
				require.NoError(t, result.Err)
				require.Equal(t, recreate.Done, result.Ending)
				require.Empty(t, result.Leftover)
				id := b.running()
				require.Equal(t, id, result.ID)
				require.NotEqual(t, b.oldID, id)
				require.NotEmpty(t, result.Holder)
				require.Equal(t, recreate.Nothing, b.recreator(nil, "a").Resume(t.Context(), b.request()).Ending)
			})
		})
	}
}

// By default the engine refuses to remove a running container, and keeps its volumes.
func TestRemovesGently(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		asked := []string{}
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if r.Method == http.MethodDelete {
				asked = append(asked, r.URL.RawQuery)
			}
			return noFault
		}}
		require.Equal(t, recreate.Done, b.recreator(w, "a").Do(t.Context(), b.request()).Ending)
		require.Equal(t, []string{""}, asked)
	})
}

// A worker that was recreated can be recreated.
func TestDoAgain(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		r := b.recreator(nil, "a")
		for range 3 {
			result := r.Do(t.Context(), b.request())
			require.Equal(t, recreate.Done, result.Ending, "%v", result.Err)
			b.oldID = b.running()
		}
	})
}
