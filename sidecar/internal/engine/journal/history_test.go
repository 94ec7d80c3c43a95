package journal

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// source is an in-memory history.
type source struct {
	mu     sync.Mutex
	events []event
	minID  uint64
	onTake func(limit int)
}

func (c *source) take(after uint64, limit int) (minID uint64, ids []uint64, records [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onTake != nil {
		c.onTake(limit)
	}
	for _, e := range c.events {
		if e.id > after && len(ids) < limit {
			ids, records = append(ids, e.id), append(records, e.record)
		}
	}
	return c.minID, ids, records
}

func (c *source) add(j *Journal, id uint64) {
	c.mu.Lock()
	c.events = append(c.events, event{id: id, record: fmt.Appendf(nil, `"event %d"`, id)})
	c.mu.Unlock()
	j.Notify()
}

// forget drops events, as a history that is too long does.
func (c *source) forget(minID uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.minID = minID
	for len(c.events) > 0 && c.events[0].id <= minID {
		c.events = c.events[1:]
	}
}

// kept returns the numbers of the events in a directory's file.
func kept(t *testing.T, dir string) []int {
	t.Helper()
	j := open(t, dir)
	all := []int{}
	for _, record := range j.History() {
		var n int
		_, err := fmt.Sscanf(string(record), `"event %d"`, &n)
		require.NoError(t, err)
		all = append(all, n)
	}
	require.Empty(t, j.History())
	closeIt(t, j)
	return all
}

func TestHistoryIsKeptAndPruned(t *testing.T) {
	dir := t.TempDir()
	j, c := open(t, dir), &source{}
	require.Empty(t, j.History())
	j.Source(c.take)
	for n := range uint64(1000) {
		c.add(j, n*2+1)
	}
	closeIt(t, j)
	all := kept(t, dir)
	require.Len(t, all, 1000)
	require.Equal(t, 1, all[0])
	require.Equal(t, 1999, all[999])

	j = open(t, dir)
	c.forget(1501)
	j.Source(c.take)
	closeIt(t, j)
	require.Len(t, kept(t, dir), 1000, "pruned when something is written, not for its own sake")

	j = open(t, dir)
	j.Source(c.take)
	c.add(j, 3000)
	closeIt(t, j)
	all = kept(t, dir)
	require.Len(t, all, 250)
	require.Equal(t, 1503, all[0])
	require.Equal(t, 3000, all[249])
}

// Events need no fsync, and are in the file at once.
func TestHistoryIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j, c := open(t, dir), &source{}
		j.Source(c.take)
		for n := range uint64(100) {
			c.add(j, n+1)
			synctest.Wait()
			require.Equal(t, n+1, j.writer.store.lastEvent())
		}
		copied := filepath.Join(t.TempDir(), HistoryName)
		content, err := os.ReadFile(filepath.Join(dir, HistoryName))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied, content, 0o600))
		require.Len(t, kept(t, filepath.Dir(copied)), 100)
		require.Zero(t, j.syncs.Load())
		size := fileSize(t, dir, HistoryName)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, size, fileSize(t, dir, HistoryName), "nothing is written while nothing happens")
		closeIt(t, j)
	})
}

// A long pending history delays a worker's state by one bounded write at most.
func TestWorkersGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j, c := open(t, dir), &source{}
		for n := range uint64(5000) {
			c.events = append(c.events, event{id: n + 1, record: []byte(`"event 1"`)})
		}
		c.onTake = func(limit int) {
			require.LessOrEqual(t, limit, maxEvents)
			if n := j.syncs.Load(); n < 5000/maxEvents {
				j.Put(newWorker(fmt.Sprint("w", n)))
			}
		}
		j.Source(c.take)
		synctest.Wait()
		require.Equal(t, uint64(5000), j.writer.store.lastEvent())
		require.GreaterOrEqual(t, j.syncs.Load(), int64(5000/maxEvents), "a worker that changes meanwhile is written in between")
		c.onTake = nil
		closeIt(t, j)
	})
}

// Without a disk the history is in memory; once there is one, all of it is written, also to a new file.
func TestHistoryComesBackWithTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var l listener
		j, report := Open(dir, l.options())
		require.True(t, report.Persistent)
		c := &source{}
		j.Source(c.take)
		c.add(j, 1)
		time.Sleep(time.Minute)
		synctest.Wait()

		require.NoError(t, j.writer.store.events.file.Close())
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.WriteFile(dir, nil, 0o600))
		for n := range uint64(500) {
			c.add(j, n+2)
		}
		j.Put(newWorker("w"))
		synced(t, j)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, l.problems, 1, "reported once")

		require.NoError(t, os.Remove(dir))
		time.Sleep(retryEvery + historyPause)
		synctest.Wait()
		require.Equal(t, 1, l.recovered)
		closeIt(t, j)
		require.Len(t, kept(t, dir), 501)
	})
}

// After a write with events has failed the workers are written without events, which may be what exceeds the space. The limit that
// represents a full disk applies to the process, so the test has a process of its own.
func TestHistoryDoesNotTakeTheWorkersSpace(t *testing.T) {
	const inChild = "JOURNAL_LIMIT_FILES"
	if _, ok := os.LookupEnv(inChild); !ok {
		cmd := child(t, inChild, t.TempDir())
		cmd.Args = append(cmd.Args, "-test.run=^"+t.Name()+"$")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	small := func(bytes uint64) {
		var limit syscall.Rlimit
		require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
		limit.Cur = min(bytes, limit.Max)
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	defer small(math.MaxUint64)
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var l listener
		j, _ := Open(dir, l.options())
		c := &source{}
		for n := range uint64(100) {
			c.events = append(c.events, event{id: n + 1, record: filled(0, 8000)})
		}
		synctest.Wait()
		small(64 << 10)
		j.Source(c.take)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, l.problems, 1)
		time.Sleep(retryEvery)
		synctest.Wait()
		require.Equal(t, 1, l.recovered)
		j.Put(newWorker("w"))
		synced(t, j)
		require.Equal(t, diskWorks, j.progress.disk, "the workers are on disk again")

		small(math.MaxUint64)
		c.forget(100)
		c.add(j, 101)
		time.Sleep(historyPause + retryEvery)
		synctest.Wait()
		require.Len(t, l.problems, 1)
		closeIt(t, j)
		require.Equal(t, []int{101}, kept(t, dir))
	})
}

// The history itself and the journal together: events from before the end exist after it, and the numbers continue.
func TestHistoryAcrossRuns(t *testing.T) {
	dir := t.TempDir()
	want := []history.Entry{}
	for run := range 3 {
		j := open(t, dir)
		log := history.New(history.Options{Store: j, Keep: 500})
		require.Equal(t, want, log.Page(history.Query{Limit: 1000}))
		for n := range 300 {
			log.Record([]worker.Event{{Kind: worker.EventFault, Key: "w", HealDetails: worker.HealDetails{Attempt: run*1000 + n, Output: strings.Repeat("x", n*20)}}})
		}
		closeIt(t, j)
		want = log.Page(history.Query{Limit: 1000})
		log.Record([]worker.Event{{Kind: worker.EventHealed}}) // too late for the disk, and harmless
		require.Len(t, want, min(500, (run+1)*300))
	}
}
