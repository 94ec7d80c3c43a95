package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newWorker returns a worker with a value in every field that a restart depends on.
func newWorker(name string) worker.Saved {
	return worker.Saved{
		Key:         worker.Key(name),
		Incarnation: worker.Incarnation{ID: "id-" + name, StartedAt: day},
		Labels:      map[string]string{"stoker.enable": "true"},
		Expected:    true,
		SavedHeals: worker.SavedHeals{Budget: worker.Budget{Attempts: 2, RestartsInARow: 1},
			State: worker.State{
				Phase: worker.PhaseBackingOff, Due: day.Add(time.Second),
				Heal: worker.Heal{ID: 7, Fault: worker.FaultExited, Action: worker.HealStart, OpenedAt: day},
			}},
		StopIntent:      &worker.StopIntent{ID: "id-" + name, At: day, Signal: 15},
		SavedDefinition: worker.SavedDefinition{Definition: []byte(`{"Id":"` + name + `"}`)},
	}
}

// open opens a journal that must not report a problem. It is closed at the end of the test, if not before.
func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, report := Open(dir, Options{OnProblem: func(problem string) { t.Errorf("unexpected problem: %s", problem) }})
	t.Cleanup(func() { closeIt(t, j) })
	require.Equal(t, Report{Persistent: true}, report)
	return j
}

func closeIt(t *testing.T, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, j.Close(ctx))
}

func synced(t *testing.T, j *Journal) {
	t.Helper()
	require.NoError(t, j.Sync(context.Background()))
}

func savedByKey(of ...worker.Saved) map[worker.Key]worker.Saved {
	all := map[worker.Key]worker.Saved{}
	for _, mem := range of {
		all[mem.Key] = mem
	}
	return all
}

func TestKeepsWorkersAcrossRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	mark := worker.Bookmark{EventAt: day, BootedAt: day.Add(-time.Hour)}
	a, b, c := newWorker("a"), newWorker("b"), newWorker("c")

	j := open(t, dir)
	for _, mem := range []worker.Saved{a, b, c} {
		j.Put(mem)
	}
	j.Drop("c")
	j.Mark(mark)
	closeIt(t, j)

	got, gotMark := open(t, dir).Load()
	require.Equal(t, savedByKey(a, b), got)
	require.Equal(t, mark, gotMark)

	for _, name := range []string{FileName, HistoryName} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestDropAndChangeAreLasting(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	j.Put(newWorker("stays"))
	j.Put(newWorker("goes"))
	closeIt(t, j)

	j = open(t, dir)
	changed := newWorker("stays")
	changed.State = worker.State{Phase: worker.PhaseHeld, Hold: worker.Hold{Reason: worker.HeldOperator}}
	changed.Definition = nil
	j.Put(changed)
	j.Drop("goes")
	closeIt(t, j)

	got, _ := open(t, dir).Load()
	require.Equal(t, savedByKey(changed), got)
}

// A worker must be on disk when Sync returns, not when Close does.
func TestSyncIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	for n := range 5 {
		mem := newWorker("w")
		mem.Budget.Attempts = n
		j.Put(mem)
		synced(t, j)
		copied := filepath.Join(t.TempDir(), FileName)
		content, err := os.ReadFile(filepath.Join(dir, FileName))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied, content, 0o600))
		got, _ := open(t, filepath.Dir(copied)).Load()
		require.Equal(t, savedByKey(mem), got)
	}
}

func TestBookmarksAloneAreLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		settle := func(d time.Duration) int64 { time.Sleep(d); synctest.Wait(); return j.syncs.Load() }
		mark := func(n int) { j.Mark(worker.Bookmark{EventAt: day.Add(time.Duration(n))}) }
		settle(time.Minute)
		mark(1)
		before := settle(time.Millisecond)
		for n := range 1000 {
			mark(n + 2)
			time.Sleep(10 * time.Millisecond)
		}
		// Ten seconds of events: two more writes, or one.
		require.LessOrEqual(t, settle(0)-before, int64(2))

		at := settle(time.Minute)
		require.Greater(t, at, before, "in the end the last bookmark is written")
		require.Equal(t, at, settle(time.Hour), "and nothing is while nothing changes")

		mark(4999)
		at = settle(time.Millisecond)
		mark(5000)
		require.Equal(t, at, settle(time.Millisecond), "the next one waits")
		j.Put(newWorker("w"))
		require.Equal(t, at+1, settle(time.Minute), "and is written with a change that comes first")
		closeIt(t, j)
		_, got := open(t, dir).Load()
		require.Equal(t, day.Add(5000), got.EventAt)
	})
}

func TestNothingIsWrittenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		mem := newWorker("w")
		mem.Definition = filled(0, 64<<10)
		j.Put(mem)
		synced(t, j)
		at := j.syncs.Load()
		size := fileSize(t, dir, FileName)
		for range 100 {
			j.Put(mem)
			synced(t, j)
		}
		require.Equal(t, at, j.syncs.Load())
		for n := range 50 {
			mem.Budget.Attempts = n
			j.Put(mem)
			synced(t, j)
		}
		require.Equal(t, at+50, j.syncs.Load())
		require.Less(t, fileSize(t, dir, FileName)-size, int64(50<<10), "a change of state does not write the definition again")
		closeIt(t, j)
	})
}

func fileSize(t *testing.T, dir, name string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	return info.Size()
}

func TestManyWritersBatch(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	var calls atomic.Int64
	done := make(chan struct{})
	for n := range 50 {
		go func() {
			defer func() { done <- struct{}{} }()
			for k := range 20 {
				mem := newWorker(fmt.Sprintf("w%02d", n))
				mem.Budget.Attempts = k
				j.Put(mem)
				_ = j.Sync(context.Background())
				calls.Add(1)
			}
		}()
	}
	for range 50 {
		<-done
	}
	require.Equal(t, int64(1000), calls.Load())
	require.Less(t, j.syncs.Load(), int64(500), "what is pending together is written together")
	closeIt(t, j)
	got, _ := open(t, dir).Load()
	require.Len(t, got, 50)
	for _, mem := range got {
		require.Equal(t, 19, mem.Budget.Attempts)
	}
}

// One worker that cannot be stored must not affect the rest.
func TestUnwritableWorker(t *testing.T) {
	dir := t.TempDir()
	var problems []string
	j, _ := Open(dir, Options{OnProblem: func(p string) { problems = append(problems, p) }})
	far := newWorker("far")
	far.State.Due = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	j.Put(far)
	j.Put(worker.Saved{})
	j.Put(newWorker("fine"))
	synced(t, j)
	closeIt(t, j)
	require.Len(t, problems, 1)
	got, _ := open(t, dir).Load()
	require.Equal(t, savedByKey(newWorker("fine")), got)
}

func TestPutIsACopy(t *testing.T) {
	j := open(t, t.TempDir())
	mem := newWorker("w")
	j.Put(mem)
	mem.Labels["stoker.enable"] = "changed"
	mem.StopIntent.Signal = 99
	got, _ := j.Load()
	require.Equal(t, savedByKey(newWorker("w")), got)
}

func TestCloseTwiceAndAfterwards(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	closeIt(t, j)
	closeIt(t, j)
	j.Put(newWorker("late"))
	j.Drop("late")
	j.Mark(worker.Bookmark{EventAt: day})
	synced(t, j)
	got, _ := open(t, dir).Load()
	require.Empty(t, got)
}

func TestSyncEndsWithItsContext(t *testing.T) {
	j := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	j.mu.Lock() // like a write that does not return
	j.progress.asked++
	j.mu.Unlock()
	require.ErrorIs(t, j.Sync(ctx), context.Canceled)
}

// The file stays bounded however long Stoker runs, and has the newest state of everything.
func TestFileIsCompacted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		saved := newWorker("w")
		largest := int64(0)
		for n := range 6000 {
			saved.Budget.Attempts = n
			j.Put(saved)
			j.Put(newWorker(fmt.Sprint("w", n%20)))
			j.Drop(worker.Key(fmt.Sprint("w", (n+10)%20)))
			j.Mark(worker.Bookmark{EventAt: day.Add(time.Duration(n))})
			synced(t, j)
			synctest.Wait()
			largest = max(largest, fileSize(t, dir, FileName))
		}
		require.Less(t, largest, int64(slack+100<<10))
		require.Greater(t, largest, int64(slack))
		known, mark := j.Load()
		closeIt(t, j)
		got, gotMark := open(t, dir).Load()
		require.Equal(t, known, got)
		require.Equal(t, mark, gotMark)
		require.NoFileExists(t, filepath.Join(dir, FileName+".new"))
	})
}
