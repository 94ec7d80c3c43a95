// Package journal stores what must survive a crash of Stoker: the state of each worker, how far the events were read, and the history that
// is shown to users.
//
// It never fails and never blocks its callers: without a usable state directory it continues in memory and reports that once.
// Nothing in a state directory can crash it.
//
// # Files
//
// Both files are text, with mode 0600 because inspects hold the environments of containers. Each line is a checksum, a
// space and JSON: CRC-32 (IEEE, as in gzip) of the JSON in eight hex digits. Type entry lists the forms of a line. Lines are only ever
// appended; when most of a file is old lines, a new file replaces it by a rename.
//
// A line that does not match its checksum is dropped, and nothing else is lost: a worker returns to its line before, and the bookmark to
// before the damage, so that those events are requested again. A copy of the damaged file is kept beside it, with ".corrupt-" and the time
// in its name.
//
// To repair a file by hand, stop Stoker and edit it: remove lines, or change them and write "-" in place of the checksum. An empty file is
// valid.
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
	// markEvery bounds how often a bookmark alone is written. The events after a bookmark are replayed, so an old one only costs work, much
	// less than an fsync for each event of a busy host.
	markEvery = 5 * time.Second
	// retryEvery is the interval of attempts to open a lost state directory again.
	retryEvery = 30 * time.Second
	// syncLimit bounds Sync: a disk that hangs must not delay healing.
	syncLimit = time.Second
)

// Options are called when something happens after Open. Both are called without a lock held, must not block, and may be nil.
type Options struct {
	OnProblem   func(problem string) // persistence was lost; called once for each loss, with one line that includes what to do
	OnRecovered func()               // persistence works again, and everything known is on disk
}

// Report is the result of Open.
type Report struct {
	Persistent bool   // changes reach the disk
	Problem    string // one line; empty if there is none
}

// Journal stores workers, bookmark and events. Its methods may be called from any goroutine; Put, Drop and Mark never block.
type Journal struct {
	dir  string
	opts Options

	mu          sync.Mutex // guards the four below
	contents    contents
	progress    progress
	events      events
	unencodable bool // an encoding error was reported already

	signals signals
	writer  writer       // used by Open and then by the writer goroutine only
	syncs   atomic.Int64 // writes that were followed by an fsync
}

// signals are what the writer goroutine and the others tell each other.
type signals struct {
	wake    chan struct{} // there may be something to write
	closing chan struct{} // closed by Close
	end     sync.Once     // closes closing
	done    chan struct{} // closed when the writer has ended
}

// Open opens the journal in dir, creates the directory and the files if they are missing, and reads them. It takes a little over a second
// at most on a working disk: it waits that long for another Stoker to end.
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
		dir:      dir,
		opts:     opts,
		contents: newContents(),
		progress: progress{changed: make(chan struct{})},
		signals:  signals{wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})},
	}
}

// begin reads the files.
func (j *Journal) begin() Report {
	opened, err := openStore(j.dir)
	if err != nil {
		j.writer = writer{permanent: isPermanent(err), retryAt: time.Now().Add(retryEvery)}
		return Report{Problem: explain(j.dir, err)}
	}
	j.writer.store = opened.store
	j.progress.disk = diskWorks
	j.contents.live, j.contents.mark, j.contents.markDirty = opened.images, opened.mark, opened.markBack
	for _, e := range opened.history {
		j.events.past = append(j.events.past, e.record)
	}
	return Report{Persistent: true, Problem: opened.note}
}

// Load returns all workers and the bookmark: after Open those of the last run of Stoker. The caller owns the maps.
func (j *Journal) Load() (map[worker.Key]worker.Saved, worker.Bookmark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.contents.workers(), j.contents.mark
}

// Put stores a worker under its key, in place of its earlier state. The bytes of its Definition must not be changed afterwards; the rest is
// copied. A worker equal to the stored one costs no write.
func (j *Journal) Put(saved worker.Saved) {
	j.mu.Lock()
	old, known := j.contents.live[saved.Key]
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
	j.contents.live[saved.Key] = img
	j.change(saved.Key)
}

// Drop deletes the worker.
func (j *Journal) Drop(key worker.Key) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.contents.live[key]; !ok {
		return
	}
	delete(j.contents.live, key)
	if j.progress.disk == diskLost {
		// Nothing to delete on disk: a file that is opened again is made equal to live. So the set stays bounded.
		delete(j.contents.dirty, key)
		return
	}
	j.change(key)
}

// Mark stores how far the events were read. Put an event's changes before marking the event as read: a bookmark ahead of the workers would
// lose the event in a crash.
func (j *Journal) Mark(mark worker.Bookmark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if mark == j.contents.mark {
		return
	}
	j.contents.mark = mark
	if !j.contents.markDirty {
		j.contents.markDirty = true
		j.poke()
	}
}

// change marks key as dirty. The lock is held.
func (j *Journal) change(key worker.Key) {
	j.contents.dirty[key] = struct{}{}
	j.progress.asked++
	j.poke()
}

// poke wakes the writer, unless a wake-up is pending.
func (j *Journal) poke() {
	select {
	case j.signals.wake <- struct{}{}:
	default:
	}
}

// Sync returns when everything put or dropped before is on disk; it does not wait for bookmarks alone.
//
// It returns nil at once when there is no disk to wait for, and nil after a second when the disk hangs: a broken disk costs the state in a
// crash of Stoker, never a heal. Its only error is ctx's.
func (j *Journal) Sync(ctx context.Context) error {
	limit := time.NewTimer(syncLimit)
	defer limit.Stop()
	j.mu.Lock()
	want := j.progress.asked
	for j.progress.pending(want) {
		changed := j.progress.changed
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

// giveUpWaiting lets every Sync return at once until the write that hangs returns.
func (j *Journal) giveUpWaiting(want uint64) {
	j.mu.Lock()
	first := j.progress.pending(want)
	if first {
		j.progress.became(diskHangs)
	}
	j.mu.Unlock()
	if first {
		j.problem(fmt.Sprintf("the disk under %s has not answered for %v: check it; healing goes on without waiting for it", j.dir, syncLimit))
	}
}

// Close writes the pending changes, the bookmark too, and closes the files. Later changes are not written. When ctx ends first it returns
// ctx's error, and the writer ends as soon as the disk answers.
func (j *Journal) Close(ctx context.Context) error {
	j.signals.end.Do(func() { close(j.signals.closing) })
	select {
	case <-j.signals.done:
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
