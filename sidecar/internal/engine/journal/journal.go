// Package journal keeps what must survive a crash of Stoker: the memory of each worker, how far the events were read, and
// the history that people are shown.
//
// It never fails and never holds anyone up: without a usable state directory it goes on in memory and says so once.
// Nothing in a state directory can crash it, and it deletes no file: a damaged one is moved aside.
package journal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// FileName is the journal's file in the state directory; a damaged one gets ".corrupt-<UTC time>" appended.
const FileName = "journal.db"

const (
	// markEvery bounds how often a bookmark alone is written: the events after it are replayed, so that an old one is
	// only more work, and an fsync for each event of a busy host would be far more.
	markEvery = 5 * time.Second
	// retryEvery is the pace of attempts to get a lost state directory back.
	retryEvery = 30 * time.Second
	// syncLimit bounds Sync: a disk that hangs must not hold up healing.
	syncLimit = time.Second
)

// Options are the journal's ways to speak after Open. Both are called without a lock held, must not block, and may be nil.
type Options struct {
	OnProblem   func(problem string) // persistence was lost; once for each loss; one line that says what to do
	OnRecovered func()               // persistence works again, and everything known is on disk
}

// Report is what Open found.
type Report struct {
	Persistent bool   // what is put reaches the disk
	Problem    string // one line that says what to do; empty when all is well
}

// Journal remembers. Its methods may be called from any goroutine; Put, Drop and Mark never block.
type Journal struct {
	dir  string
	opts Options

	wake    chan struct{} // there may be something to write
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the writer has ended
	end     sync.Once

	mu          sync.Mutex
	live        map[worker.Key]image    // everything known, as it is or will be on disk
	dirty       map[worker.Key]struct{} // differs from what the file is known to hold
	mark        worker.Bookmark
	markDirty   bool
	unencodable bool // a memory that cannot be encoded was told already
	asked       uint64
	stored      uint64
	turned      chan struct{} // closed and replaced whenever stored, persistent or stuck change
	persistent  bool
	stuck       bool // a Sync ran into its limit and the write under way has not come back
	past        [][]byte
	chronicle   Chronicle

	writer writer // touched by Open and then by the writer goroutine only
}

// Open opens the journal in dir, makes the directory and the file if they are missing, and reads what is there. It
// takes a little over a second at most on a disk that answers: so long it waits for another Stoker to let go of the file.
//
// The Journal is always usable. The caller must Close it.
func Open(dir string, opts Options) (*Journal, Report) {
	j := newJournal(dir, opts)
	report := j.begin()
	go j.run()
	return j, report
}

func newJournal(dir string, opts Options) *Journal {
	return &Journal{
		dir:     dir,
		opts:    opts,
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		live:    map[worker.Key]image{},
		dirty:   map[worker.Key]struct{}{},
		turned:  make(chan struct{}),
	}
}

// begin reads what is on disk into the journal's maps.
func (j *Journal) begin() Report {
	opened, err := openStore(j.dir)
	if err != nil {
		j.writer = writer{forGood: isForGood(err), retryAt: time.Now().Add(retryEvery)}
		return Report{Problem: explain(j.dir, err)}
	}
	j.writer.store = opened.store
	j.persistent = true
	j.live, j.mark = opened.found.images, opened.found.mark
	for _, e := range opened.found.history {
		j.past = append(j.past, e.record)
	}
	for key := range j.live {
		if _, ok := opened.store.written[key]; !ok {
			j.dirty[key] = struct{}{} // saved from a damaged file, to be written to the new one
		}
	}
	j.markDirty = opened.movedTo != "" && j.mark != worker.Bookmark{}
	if j.markDirty || len(j.dirty) > 0 {
		j.asked++
		j.poke()
	}
	return Report{Persistent: true, Problem: opened.note()}
}

// Load returns everything known: after Open what the last run of Stoker left. The maps are the caller's own.
func (j *Journal) Load() (map[worker.Key]worker.Saved, worker.Bookmark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make(map[worker.Key]worker.Saved, len(j.live))
	for key, img := range j.live {
		if mem, err := img.decode(key); err == nil { // what is in live was encoded here or decoded before
			all[key] = mem
		}
	}
	return all, j.mark
}

// Put remembers mem under its key, in place of what was remembered before. The bytes of mem.Definition must not be
// changed afterwards; the rest of mem is copied. A memory equal to the last one costs no write.
func (j *Journal) Put(mem worker.Saved) {
	img, err := encode(mem)
	j.mu.Lock()
	if err != nil {
		first := !j.unencodable
		j.unencodable = true
		j.mu.Unlock()
		if first {
			j.problem(fmt.Sprintf("worker %q cannot be remembered (%v): Stoker keeps the last it could write of it", mem.Key, err))
		}
		return
	}
	defer j.mu.Unlock()
	if old, ok := j.live[mem.Key]; ok && old.equal(img) {
		return
	}
	j.live[mem.Key] = img
	j.change(mem.Key)
}

// Drop forgets the worker.
func (j *Journal) Drop(key worker.Key) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.live[key]; !ok {
		return
	}
	delete(j.live, key)
	if !j.persistent {
		// Nothing to undo on disk: a file that comes back is made equal to live as a whole. So the set stays bounded.
		delete(j.dirty, key)
		return
	}
	j.change(key)
}

// Mark remembers how far the events were read. Put what an event changed before marking the event as read: a bookmark
// ahead of the memories would lose the event in a crash.
func (j *Journal) Mark(mark worker.Bookmark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if mark == j.mark {
		return
	}
	j.mark = mark
	if !j.markDirty {
		j.markDirty = true
		j.poke()
	}
}

// change notes that key is to be written. The lock is held.
func (j *Journal) change(key worker.Key) {
	j.dirty[key] = struct{}{}
	j.asked++
	j.poke()
}

// poke wakes the writer; a wake-up that is pending already is enough.
func (j *Journal) poke() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Sync returns when everything put or dropped before is on disk; bookmarks alone are not waited for.
//
// It returns nil at once when there is no disk to wait for, and nil after a second when the disk hangs: a broken disk
// costs memory across a crash of Stoker, never a heal. Its only error is ctx's.
func (j *Journal) Sync(ctx context.Context) error {
	limit := time.NewTimer(syncLimit)
	defer limit.Stop()
	j.mu.Lock()
	want := j.asked
	for j.stored < want && j.persistent && !j.stuck {
		turned := j.turned
		j.mu.Unlock()
		select {
		case <-turned:
		case <-ctx.Done():
			return fmt.Errorf("wait for the journal: %w", ctx.Err())
		case <-limit.C:
			j.giveUpWaiting(want)
			return nil
		}
		j.mu.Lock()
	}
	j.mu.Unlock()
	return nil
}

// giveUpWaiting lets every Sync go on until the write that hangs comes back.
func (j *Journal) giveUpWaiting(want uint64) {
	j.mu.Lock()
	first := j.stored < want && j.persistent && !j.stuck
	if first {
		j.stuck = true
		j.broadcast()
	}
	j.mu.Unlock()
	if first {
		j.problem(fmt.Sprintf("the disk under %s has not answered for %v: check it; healing goes on without waiting for it", j.dir, syncLimit))
	}
}

// broadcast tells every Sync to look again. The lock is held.
func (j *Journal) broadcast() {
	close(j.turned)
	j.turned = make(chan struct{})
}

// Close writes what is pending, the bookmark too, and lets go of the file. What is put afterwards is not written. When
// ctx ends first it returns ctx's error, and the writer ends as soon as the disk answers.
func (j *Journal) Close(ctx context.Context) error {
	j.end.Do(func() { close(j.closing) })
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the journal: %w", ctx.Err())
	}
}

func (j *Journal) problem(text string) {
	if j.opts.OnProblem != nil {
		j.opts.OnProblem(text)
	}
}

func (j *Journal) recovered() {
	if j.opts.OnRecovered != nil {
		j.opts.OnRecovered()
	}
}
