package journal

import (
	"bytes"
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
	"go.etcd.io/bbolt"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// chronicle is a history in memory.
type chronicle struct {
	mu     sync.Mutex
	events []event
	floor  uint64
	told   uint64 // the last event that the journal said it had
}

// written is the last event that is on disk, as far as the journal has asked for more.
func (c *chronicle) written() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told
}

func (c *chronicle) take(after uint64, most int) (floor uint64, ids []uint64, records [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = after
	for _, e := range c.events {
		if e.id > after && len(ids) < most {
			ids, records = append(ids, e.id), append(records, e.record)
		}
	}
	return c.floor, ids, records
}

func (c *chronicle) tell(j *Journal, id uint64) {
	c.mu.Lock()
	c.events = append(c.events, event{id: id, record: fmt.Appendf(nil, "event %d", id)})
	c.mu.Unlock()
	j.Notify()
}

// forget does as a history that has become too long.
func (c *chronicle) forget(floor uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor = floor
	for len(c.events) > 0 && c.events[0].id <= floor {
		c.events = c.events[1:]
	}
}

// kept is the numbers of the events in a directory's file.
func kept(t *testing.T, dir string) []int {
	t.Helper()
	j := open(t, dir)
	all := []int{}
	for _, record := range j.History() {
		var n int
		_, err := fmt.Sscanf(string(record), "event %d", &n)
		require.NoError(t, err)
		all = append(all, n)
	}
	require.Empty(t, j.History())
	closeIt(t, j)
	return all
}

func TestHistoryIsKeptAndPruned(t *testing.T) {
	dir := t.TempDir()
	j, c := open(t, dir), &chronicle{}
	require.Empty(t, j.History())
	j.Source(c.take)
	for n := range uint64(1000) {
		c.tell(j, n*2+1)
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
	c.tell(j, 3000)
	closeIt(t, j)
	all = kept(t, dir)
	require.Len(t, all, 250)
	require.Equal(t, 1503, all[0])
	require.Equal(t, 3000, all[249])
}

// Events ride with memories, and alone they are written every two seconds at most.
func TestHistoryIsLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j, c := open(t, dir), &chronicle{}
		j.Source(c.take)
		settle := func(d time.Duration) uint64 { time.Sleep(d); synctest.Wait(); return txid(t, dir) }
		before := settle(time.Minute)
		c.tell(j, 1)
		require.Equal(t, before+1, settle(time.Millisecond), "the first is written at once")
		for n := range uint64(1000) {
			c.tell(j, n+2)
			time.Sleep(10 * time.Millisecond)
		}
		at := settle(0)
		require.LessOrEqual(t, at-before, uint64(7), "ten seconds")
		at = settle(time.Minute)
		require.Equal(t, at, settle(time.Hour), "nothing is written while nothing happens")

		j.Put(newWorker("w"))
		c.tell(j, 5000)
		require.Equal(t, at+1, settle(0))
		c.tell(j, 5001)
		j.Put(newWorker("v"))
		require.Equal(t, at+2, settle(0), "it rode")
		copied := filepath.Join(t.TempDir(), FileName)
		content, err := os.ReadFile(filepath.Join(dir, FileName))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied, content, 0o600))
		require.Len(t, kept(t, filepath.Dir(copied)), 1003)
		closeIt(t, j)
	})
}

// A long history that waits delays a memory by one bounded transaction at most.
func TestMemoriesGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j, c := open(t, dir), &chronicle{}
		for n := range uint64(5000) {
			c.events = append(c.events, event{id: n + 1, record: []byte("event 1")})
		}
		j.Source(c.take)
		synctest.Wait()
		require.Equal(t, uint64(mostAlone), c.written())
		j.Put(newWorker("w"))
		synced(t, j)
		synctest.Wait()
		require.Equal(t, uint64(mostAlone+mostRiding), c.written())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, uint64(5000), c.written(), "and in the end all is written")
		closeIt(t, j)
	})
}

// A file of an earlier Stoker has no place for a history and gets one; what it holds stays.
func TestHistoryInAnOlderFile(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	j.Put(newWorker("w"))
	closeIt(t, j)
	path := filepath.Join(dir, FileName)
	has := func() (found bool) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
		require.NoError(t, err)
		require.NoError(t, db.View(func(tx *bbolt.Tx) error {
			found = tx.Bucket([]byte(bucketHistory)) != nil
			return nil
		}))
		require.NoError(t, db.Close())
		return found
	}
	require.False(t, has())
	j = open(t, dir)
	c := &chronicle{}
	j.Source(c.take)
	c.tell(j, 7)
	closeIt(t, j)
	require.True(t, has())
	require.Equal(t, []int{7}, kept(t, dir))
	got, _ := open(t, dir).Load()
	require.Equal(t, memories(newWorker("w")), got)
}

// Without a disk the history is in memory; once there is one, all of it is written, also to a file that is new.
func TestHistoryComesBackWithTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var l listener
		j, report := Open(dir, l.options())
		require.True(t, report.Persistent)
		c := &chronicle{}
		j.Source(c.take)
		c.tell(j, 1)
		time.Sleep(time.Minute)
		synctest.Wait()

		require.NoError(t, j.writer.store.file.Close())
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.WriteFile(dir, nil, 0o600))
		for n := range uint64(500) {
			c.tell(j, n+2)
		}
		j.Put(newWorker("w"))
		synced(t, j)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, l.problems, 1, "said once")

		require.NoError(t, os.Remove(dir))
		time.Sleep(retryEvery + historyPause)
		synctest.Wait()
		require.Equal(t, 1, l.recovered)
		closeIt(t, j)
		require.Len(t, kept(t, dir), 501)
	})
}

// After a write with events has failed the memories are written without: it may be for the events that there is no space.
// The limit that stands for a full disk is the process's, so that the test has one of its own.
func TestHistoryDoesNotTakeTheMemoriesSpace(t *testing.T) {
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
		c := &chronicle{}
		for n := range uint64(100) {
			c.events = append(c.events, event{id: n + 1, record: bytes.Repeat([]byte("x"), 8000)})
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
		require.True(t, j.persistent, "the memories are on disk again")

		small(math.MaxUint64)
		c.forget(100)
		c.tell(j, 101)
		time.Sleep(historyPause + historyEvery)
		synctest.Wait()
		require.Len(t, l.problems, 1)
		closeIt(t, j)
		require.Equal(t, []int{101}, kept(t, dir))
	})
}

// The history itself and the journal together: what was told before the end is there after it, and numbers go on.
func TestHistoryAcrossRuns(t *testing.T) {
	dir := t.TempDir()
	want := []history.Entry{}
	for run := range 3 {
		j := open(t, dir)
		log := history.New(history.Options{Store: j, Keep: 500})
		require.Equal(t, want, log.Page(history.Query{Limit: 1000}))
		for n := range 300 {
			log.Record([]worker.Event{{Kind: worker.EventFault, Key: "w", Attempt: run*1000 + n, Output: strings.Repeat("x", n*20)}})
		}
		closeIt(t, j)
		want = log.Page(history.Query{Limit: 1000})
		log.Record([]worker.Event{{Kind: worker.EventHealed}}) // too late for the disk, and harmless
		require.Len(t, want, min(500, (run+1)*300))
	}
}
