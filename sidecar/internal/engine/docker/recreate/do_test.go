package recreate

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/stretchr/testify/require"
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
				require.Equal(t, Done, result.Outcome)
				require.Empty(t, result.Leftover)
				id := b.running()
				require.Equal(t, id, result.ID)
				require.NotEqual(t, b.oldID, id)
				require.NotEmpty(t, result.Inspect)
				require.Equal(t, Nothing, b.recreator(nil, "a").Resume(t.Context(), b.request()).Outcome)
			})
		})
	}
}

// The engine refuses to remove what runs, and spares volumes, unless it is asked not to.
func TestRemovesGently(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		asked := []string{}
		w := &wire{spoil: func(_ int, r *http.Request) fault {
			if r.Method == http.MethodDelete {
				asked = append(asked, r.URL.RawQuery)
			}
			return noFault
		}}
		require.Equal(t, Done, b.recreator(w, "a").Do(t.Context(), b.request()).Outcome)
		require.Equal(t, []string{""}, asked)
	})
}

// A worker that was recreated can be recreated.
func TestDoAgain(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		r := b.recreator(nil, "a")
		for range 3 {
			result := r.Do(t.Context(), b.request())
			require.Equal(t, Done, result.Outcome, "%v", result.Err)
			b.oldID = b.running()
		}
	})
}

// Whoever comes second finds the name of the new container taken, and leaves the worker to the first: 409 on Docker, 500 on Podman.
func TestNameTaken(t *testing.T) {
	words := `creating container storage: the container name "w.stoker-new" is already in use by 74c8: that name is already in use`
	require.True(t, nameTaken(fmt.Errorf("%w: Conflict", cerrdefs.ErrConflict)))
	require.True(t, nameTaken(fmt.Errorf("%w: %s", cerrdefs.ErrInternal, words)))
	require.False(t, nameTaken(fmt.Errorf("%w: no space left on device", cerrdefs.ErrInternal)))
	require.False(t, nameTaken(errors.New(words)), "nobody's answer")
}
