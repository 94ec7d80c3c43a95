package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// An engine that was started with another image store shows none of its containers. That is reported once, and no list is passed on. Once
// the engine has its old store again, the workers continue with their state.
func TestHiddenByAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("a")}, store: "overlay2"}
		var reports []string
		v := begin(t, src, Options{Workers: func() int { return 1 }, OnHidden: func(before, now string) { reports = append(reports, before+" "+now) }})
		synctest.Wait()
		v.forget()
		restart := func(store string, list ...worker.Observation) {
			src.set(func(s *script) { s.store, s.list = store, list })
			src.cut(errDown)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
		}
		restart("overlayfs (containerd)")
		require.Equal(t, []string{"engine-disconnected", "engine-connecting"}, v.story(), "no list")
		require.Equal(t, []string{"overlay2 overlayfs (containerd)"}, reports)
		v.forget()
		restart("overlayfs (containerd)")
		require.Equal(t, []string{"engine-disconnected", "engine-connecting"}, v.story())
		require.Len(t, reports, 1)
		v.forget()
		restart("overlay2", listed("a"))
		require.Equal(t, []string{"engine-disconnected", "engine-connecting", "list-began", "listed a", "list-ended"}, v.story()[:5])
		v.forget()
		restart("overlayfs (containerd)")
		require.Len(t, reports, 2, "it was over in between")
		v.end(t)
	})
}

// A list that has workers is not hidden because of another store: they were recreated there. Neither is one if there are no workers to
// lose, or if the earlier store is unknown.
func TestAnotherStoreThatHidesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		before  string
		workers int
		list    []worker.Observation
	}{
		"made again":       {"overlay2", 1, []worker.Observation{listed("a")}},
		"no workers":       {"overlay2", 0, nil},
		"not known before": {"", 1, nil},
		"the same":         {"overlayfs", 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &script{list: tc.list, store: "overlayfs"}
				v := begin(t, src, Options{
					Bookmark: worker.Bookmark{Store: tc.before}, Workers: func() int { return tc.workers },
					OnHidden: func(before, now string) { t.Error(before, now) },
				})
				synctest.Wait()
				require.Contains(t, v.story(), "list-ended")
				v.end(t)
			})
		})
	}
}

// Unmanaged containers do not count.
func TestHiddenBesideUnmanaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("unmanaged")}, store: "overlayfs"}
		reports := 0
		v := begin(t, src, Options{
			Bookmark: worker.Bookmark{Store: "overlay2"}, Workers: func() int { return 3 }, OnHidden: func(string, string) { reports++ },
			Keep: func(o worker.Observation) bool { return o.ID != "unmanaged" },
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, reports)
		require.NotContains(t, v.story(), "list-began")
		src.set(func(s *script) { s.list = append(s.list, listed("a")) })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Contains(t, v.story(), "listed a")
		v.end(t)
	})
}
