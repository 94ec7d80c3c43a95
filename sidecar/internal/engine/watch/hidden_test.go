package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// An engine that was started with another image store shows none of its containers. That is told once, and no list says that they are gone; once
// the engine is back with the store that it had, they are taken up as they were left.
func TestHiddenByAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("a")}, store: "overlay2"}
		var told []string
		v := begin(t, src, Options{Workers: func() int { return 1 }, OnHidden: func(before, now string) { told = append(told, before+" "+now) }})
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
		require.Equal(t, []string{"overlay2 overlayfs (containerd)"}, told)
		v.forget()
		restart("overlayfs (containerd)")
		require.Equal(t, []string{"engine-disconnected", "engine-connecting"}, v.story())
		require.Len(t, told, 1)
		v.forget()
		restart("overlay2", listed("a"))
		require.Equal(t, []string{"engine-disconnected", "engine-connecting", "list-began", "listed a", "list-ended"}, v.story()[:5])
		v.forget()
		restart("overlayfs (containerd)")
		require.Len(t, told, 2, "it had been over")
		v.end(t)
	})
}

// Another store is no reason to hide a list that has workers: somebody moved there, and made them again. Neither is it where there is nothing to
// forget, or where nobody knows the store from before.
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

// What a container is that no Stoker looks after does not count.
func TestHiddenBesideStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("stranger")}, store: "overlayfs"}
		told := 0
		v := begin(t, src, Options{
			Bookmark: worker.Bookmark{Store: "overlay2"}, Workers: func() int { return 3 }, OnHidden: func(string, string) { told++ },
			Keep: func(o worker.Observation) bool { return o.ID != "stranger" },
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, told)
		require.NotContains(t, v.story(), "list-began")
		src.set(func(s *script) { s.list = append(s.list, listed("a")) })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Contains(t, v.story(), "listed a")
		v.end(t)
	})
}
