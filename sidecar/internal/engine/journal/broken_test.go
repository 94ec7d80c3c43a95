package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// listener records the callbacks of a journal; in a bubble it is read after synctest.Wait.
type listener struct {
	problems  []string
	recovered int
}

func (l *listener) options() Options {
	return Options{
		OnProblem:   func(problem string) { l.problems = append(l.problems, problem) },
		OnRecovered: func() { l.recovered++ },
	}
}

// requireInMemory checks that the journal works without the disk.
func requireInMemory(t *testing.T, j *Journal, report Report) {
	t.Helper()
	require.False(t, report.Persistent)
	require.NotEmpty(t, report.Problem)
	require.NotContains(t, report.Problem, "\n")
	j.Put(newWorker("a"))
	j.Put(newWorker("b"))
	j.Drop("b")
	j.Mark(worker.Bookmark{EventAt: day})
	began := time.Now()
	synced(t, j)
	require.Zero(t, time.Since(began), "there is no disk to wait for")
	got, mark := j.Load()
	require.Equal(t, savedByKey(newWorker("a")), got)
	require.Equal(t, day, mark.EventAt)
}

func TestUnusableDirectories(t *testing.T) {
	tests := map[string]func(t *testing.T) string{
		"a file in its place": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			return path
		},
		"below a file": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			return filepath.Join(path, "dir")
		},
		"cannot be made": func(*testing.T) string { return "/proc/stoker" },
		"cannot hold a file": func(*testing.T) string {
			return "/proc/self"
		},
		"a directory in the file's place": func(t *testing.T) string {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, FileName), 0o700))
			return dir
		},
		"a device in the file's place": func(t *testing.T) string {
			dir := t.TempDir()
			require.NoError(t, os.Symlink("/dev/full", filepath.Join(dir, FileName)))
			return dir
		},
		"a link to nowhere": func(t *testing.T) string {
			dir := t.TempDir()
			require.NoError(t, os.Symlink("/proc/nowhere/at/all", filepath.Join(dir, FileName)))
			return dir
		},
		"a link in a circle": func(t *testing.T) string {
			dir := t.TempDir()
			require.NoError(t, os.Symlink(FileName, filepath.Join(dir, FileName)))
			return dir
		},
		"no name":        func(*testing.T) string { return "" },
		"a name too far": func(*testing.T) string { return "/" + strings.Repeat("x", 5000) },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			dir := prepare(t)
			synctest.Test(t, func(t *testing.T) {
				var l listener
				j, report := Open(dir, l.options())
				requireInMemory(t, j, report)
				time.Sleep(10 * time.Minute)
				closeIt(t, j)
				require.Empty(t, l.problems, "reported once, by the report")
			})
		})
	}
}

// While there is no disk, the pending changes are bounded by the existing workers, however many come and go.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _ := Open("/proc/stoker", Options{})
		for n := range 1000 {
			name := fmt.Sprintf("job-%d", n)
			j.Put(newWorker(name))
			j.Drop(worker.Key(name))
		}
		j.Put(newWorker("stays"))
		require.Len(t, j.contents.dirty, 1)
		closeIt(t, j)
	})
}

func TestLockedByAnotherStoker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		first := open(t, dir)
		first.Put(newWorker("theirs"))
		synced(t, first)

		var l listener
		began := time.Now()
		second, report := Open(dir, l.options())
		require.Equal(t, lockTimeout, time.Since(began).Truncate(lockTimeout))
		requireInMemory(t, second, report)

		// The first ends; the second takes over, and its state replaces the first one's files.
		closeIt(t, first)
		time.Sleep(2 * retryEvery)
		synctest.Wait()
		require.Equal(t, 1, l.recovered)
		require.Empty(t, l.problems)
		closeIt(t, second)
		got, mark := open(t, dir).Load()
		require.Equal(t, savedByKey(newWorker("a")), got)
		require.Equal(t, day, mark.EventAt)
	})
}

func TestNewerVersionIsLeftUntouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		require.NoError(t, os.WriteFile(path, appendLine(nil, []byte(`{"format":2}`)), 0o600))
		before, err := os.ReadFile(path)
		require.NoError(t, err)

		var l listener
		j, report := Open(dir, l.options())
		requireInMemory(t, j, report)
		time.Sleep(10 * time.Minute)
		closeIt(t, j)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2, "the file and the lock")
	})
}

// The disk fails under an open journal: that is reported once, nothing is delayed, and all data is written once the disk works again.
func TestDiskFailsAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var l listener
		j, report := Open(dir, l.options())
		require.True(t, report.Persistent)
		j.Put(newWorker("old"))
		j.Put(newWorker("dropped meanwhile"))
		synced(t, j)

		require.NoError(t, j.writer.store.states.file.Close()) // every write fails from now on
		require.NoError(t, os.Rename(dir, dir+".away"))
		require.NoError(t, os.WriteFile(dir, nil, 0o600)) // and no new file can be created
		began := time.Now()
		for n := range 100 {
			mem := newWorker("new")
			mem.Budget.Attempts = n
			j.Put(mem)
			synced(t, j)
		}
		j.Drop("dropped meanwhile")
		require.Zero(t, time.Since(began), "a broken disk delays no caller")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Len(t, l.problems, 1)
		require.Zero(t, l.recovered)

		require.NoError(t, os.Remove(dir))
		require.NoError(t, os.Rename(dir+".away", dir))
		time.Sleep(retryEvery)
		synctest.Wait()
		require.Equal(t, 1, l.recovered)
		synced(t, j)
		closeIt(t, j)
		require.Len(t, l.problems, 1)

		last := newWorker("new")
		last.Budget.Attempts = 99
		got, _ := open(t, dir).Load()
		require.Equal(t, savedByKey(newWorker("old"), last), got)
	})
}

// Another program truncates, extends or removes the file: the next write detects that, and all is written again.
func TestFileChangedWhileOpen(t *testing.T) {
	for _, size := range []int64{-1, 0, 100, 4096, 8192} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			var l listener
			j, _ := Open(dir, l.options())
			j.Put(newWorker("a"))
			synced(t, j)
			if path := filepath.Join(dir, FileName); size < 0 {
				require.NoError(t, os.Remove(path))
			} else {
				require.NoError(t, os.Truncate(path, size))
			}
			j.Put(newWorker("b"))
			synced(t, j)
			time.Sleep(2 * retryEvery)
			synctest.Wait()
			j.Put(newWorker("c"))
			synced(t, j)
			closeIt(t, j)
			require.NotEmpty(t, l.problems)
			got, _ := open(t, dir).Load()
			require.Equal(t, savedByKey(newWorker("a"), newWorker("b"), newWorker("c")), got)
		})
	}
}

// A disk that hangs delays the first Sync by its limit and no other, and is reported once.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var l listener
		j := newJournal(dir, l.options())
		require.True(t, j.begin().Persistent)
		began := time.Now()
		for _, name := range []string{"a", "b", "c"} {
			j.Put(newWorker(name))
			synced(t, j)
		}
		require.Equal(t, syncLimit, time.Since(began))
		require.Len(t, l.problems, 1)

		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, j.Close(ctx), context.DeadlineExceeded, "Close is bounded by its context")

		go j.run() // the disk answers
		closeIt(t, j)
		require.Equal(t, 1, l.recovered)
		got, _ := open(t, dir).Load()
		require.Len(t, got, 3)
	})
}
