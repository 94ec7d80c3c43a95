package journal

import (
	"math"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// writer is the state of the one goroutine that writes.
type writer struct {
	store       *store    // nil while there are no files to write to
	permanent   bool      // no files are open and none may be: they belong to a newer Stoker
	retryAt     time.Time // of the next attempt to open the files
	markedAt    time.Time // when a bookmark was last written
	eventsAfter time.Time // events wait until then, because a write with them failed
}

// batch is one write, taken from the pending set at one instant.
type batch struct {
	changes []change
	mark    *worker.Bookmark
	asked   uint64 // on disk once the batch is
}

// change is one key of a batch; gone when it is to be deleted.
type change struct {
	key  worker.Key
	img  image
	gone bool
}

// run writes until Close.
func (j *Journal) run() {
	defer close(j.signals.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := j.turn(time.Now())
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-j.signals.wake:
		case <-timer.C:
		case <-j.signals.closing:
			j.finish()
			return
		}
	}
}

// turn does the work that is due and returns the time until more is due; 0 means to wait for a wake-up.
func (j *Journal) turn(now time.Time) time.Duration {
	if j.writer.store == nil {
		if wait := j.reopen(now); wait != 0 || j.writer.store == nil {
			return wait
		}
	}
	b := j.take(!now.Before(j.writer.markedAt.Add(markEvery)))
	more := j.commit(b, now, maxEvents)
	if j.writer.store == nil {
		return max(j.writer.retryAt.Sub(now), 1)
	}
	j.writer.store.tidy()
	if more {
		j.poke()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.contents.markDirty {
		return max(j.writer.markedAt.Add(markEvery).Sub(now), 1)
	}
	return max(j.writer.eventsAfter.Sub(now), 0)
}

// take returns the batch to write, with a bookmark alone only if markDue.
func (j *Journal) take(markDue bool) batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.contents.take(markDue)
	b.asked = j.progress.asked
	return b
}

// commit writes b and then events, and reports whether more of them wait. On failure it puts b back and closes the
// files.
func (j *Journal) commit(b batch, now time.Time, limit int) (more bool) {
	wrote, err := j.writer.store.write(b)
	if wrote {
		j.syncs.Add(1)
	}
	if err != nil {
		j.lose(b, err, now)
		return false
	}
	if b.mark != nil {
		j.writer.markedAt = now
	}
	j.mu.Lock()
	wasLost := j.progress.disk != diskWorks
	j.progress.reached(b.asked)
	j.mu.Unlock()
	if wasLost {
		j.recovered()
	}
	if more, err = j.writeEvents(now, limit); err != nil {
		j.writer.eventsAfter = now.Add(historyPause) // their size may exceed the space: the workers go first
		j.lose(batch{}, err, now)
		return false
	}
	return more
}

// lose puts b back and closes the files. After a failed write or fsync the kernel may have dropped data and report success for the next
// fsync. The only safe way is to open, read and write again.
func (j *Journal) lose(b batch, err error, now time.Time) {
	j.writer.store.close()
	j.writer.store = nil
	j.writer.retryAt = now.Add(retryEvery)
	j.mu.Lock()
	j.contents.putBack(b)
	first := j.progress.disk != diskLost
	j.progress.became(diskLost)
	j.mu.Unlock()
	if first {
		j.problem(explain(j.dir, err))
	}
}

// reopen tries to open the files again when that is due, and makes everything pending that they do not have. The state in memory is newer
// than anything in the file, so the file is made equal to it. It returns the wait until the next attempt, 0 if the files are open or never
// will be.
func (j *Journal) reopen(now time.Time) time.Duration {
	if j.writer.permanent {
		return 0
	}
	if wait := j.writer.retryAt.Sub(now); wait > 0 {
		return wait
	}
	opened, err := openStore(j.dir)
	if err != nil {
		j.writer.permanent = isPermanent(err)
		j.writer.retryAt = now.Add(retryEvery)
		return retryEvery
	}
	j.writer.store = opened.store
	if opened.note != "" {
		j.problem(opened.note)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.contents.lacking(opened.store.written)
	j.writer.markedAt = time.Time{}
	return 0
}

// finish writes the pending changes and closes the files.
func (j *Journal) finish() {
	if j.writer.store == nil {
		return
	}
	j.commit(j.take(true), time.Now(), math.MaxInt)
	if j.writer.store != nil {
		j.writer.store.close()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.became(diskLost) // later changes do not reach the disk, and no Sync must wait for them
}
