// Package journal keeps what must survive a crash of Stoker: what is known of each worker, how far the events were read, and
// the history that people are shown.
//
// It never fails and never blocks its callers: without a usable state directory it goes on in memory and reports that once.
// Nothing in a state directory can crash it.
//
// # Files
//
// Both files are text, with mode 0600 because inspects hold the environments of containers. Each line is a checksum, a
// space and JSON: CRC-32 (IEEE, as gzip has it) of the JSON in eight hex digits. Type entry lists the forms of a line. Lines are only ever
// appended; when most of a file is old lines, a new file takes its place by a rename.
//
// A line that does not match its checksum is dropped, and nothing else is lost: a worker goes back to the line before, and
// the bookmark to before the damage, so that the engine is asked for those events again. The file as it was is kept beside it, with
// ".corrupt-" and the time in its name.
//
// To repair a file by hand, stop Stoker and edit it: take lines away, or change them and write "-" in place of the
// checksum. An empty file is a valid one.
package journal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// The files in the state directory. The copy of a damaged one has ".corrupt-<UTC time>" appended.
const (
	FileName    = "journal.jsonl" // workers and the bookmark
	HistoryName = "history.jsonl" // events
)

const (
	// markEvery bounds how often a bookmark alone is written: the events after it are replayed, so that an old one is
	// only more work, and an fsync for each event of a busy host would be far more.
	markEvery = 5 * time.Second
	// retryEvery is the pace of attempts to get a lost state directory back.
	retryEvery = 30 * time.Second
	// syncLimit bounds Sync: a disk that hangs must not hold up healing.
	syncLimit = time.Second
)

// Options are called when something happens after Open. Both are called without a lock held, must not block, and may be nil.
type Options struct {
	OnProblem   func(problem string) // persistence was lost; once for each loss; one line that says what to do
	OnRecovered func()               // persistence works again, and everything known is on disk
}

// Report is what Open found.
type Report struct {
	Persistent bool   // what is put reaches the disk
	Problem    string // one line; empty when all is well
}

// Journal keeps what it is given. Its methods may be called from any goroutine; Put, Drop and Mark never block.
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
	unencodable bool // a worker that cannot be encoded was reported already
	asked       uint64
	stored      uint64
	changed     chan struct{} // closed and replaced whenever stored, persistent or stuck change
	persistent  bool
	stuck       bool // a Sync ran into its limit and the write under way has not come back
	past        [][]byte
	source      EventSource

	syncs atomic.Int64 // writes that were followed by an fsync

	writer writer // touched by Open and then by the writer goroutine only
}

// Open opens the journal in dir, makes the directory and the files if they are missing, and reads what is there. It
// takes a little over a second at most on a disk that answers: it waits that long for another Stoker to end.
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
		changed: make(chan struct{}),
	}
}

// begin reads what is on disk into the journal's maps.
func (j *Journal) begin() Report {
	opened, err := openStore(j.dir)
	if err != nil {
		j.writer = writer{permanent: isPermanent(err), retryAt: time.Now().Add(retryEvery)}
		return Report{Problem: explain(j.dir, err)}
	}
	j.writer.store = opened.store
	j.persistent = true
	j.live, j.mark, j.markDirty = opened.images, opened.mark, opened.markBack
	for _, e := range opened.history {
		j.past = append(j.past, e.record)
	}
	return Report{Persistent: true, Problem: opened.note}
}

// Load returns everything known: after Open what the last run of Stoker left. The maps are the caller's own.
func (j *Journal) Load() (map[worker.Key]worker.Saved, worker.Bookmark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make(map[worker.Key]worker.Saved, len(j.live))
	for key, img := range j.live {
		if saved, err := img.decode(); err == nil { // what is in live was encoded here or decoded before
			all[key] = saved
		}
	}
	return all, j.mark
}

// Put keeps a worker under its key, in place of what was kept before. The bytes of its Definition must not be
// changed afterwards; the rest is copied. A worker equal to the last one costs no write.
func (j *Journal) Put(saved worker.Saved) {
	j.mu.Lock()
	old, known := j.live[saved.Key]
	j.mu.Unlock()
	img, err := encode(saved, old)
	j.mu.Lock()
	if err != nil {
		first := !j.unencodable
		j.unencodable = true
		j.mu.Unlock()
		if first {
			j.problem(fmt.Sprintf("worker %q cannot be written to the journal (%v): the last state that could be is kept", saved.Key, err))
		}
		return
	}
	defer j.mu.Unlock()
	if known && old.equal(img) {
		return
	}
	j.live[saved.Key] = img
	j.change(saved.Key)
}

// Drop deletes the worker.
func (j *Journal) Drop(key worker.Key) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.live[key]; !ok {
		return
	}
	delete(j.live, key)
	if !j.persistent {
		// Nothing to delete on disk: a file that comes back is made equal to live as a whole. So the set stays bounded.
		delete(j.dirty, key)
		return
	}
	j.change(key)
}

// Mark keeps how far the events were read. Put what an event changed before marking the event as read: a bookmark
// ahead of the workers would lose the event in a crash.
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

// change marks key as to be written. The lock is held.
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
		changed := j.changed
		j.mu.Unlock()
		select {
		case <-changed:
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

// broadcast wakes every Sync. The lock is held.
func (j *Journal) broadcast() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// Close writes what is pending, the bookmark too, and closes the files. What is put afterwards is not written. When
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
