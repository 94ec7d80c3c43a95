package journal

import (
	"runtime/debug"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// writer is the state of the one goroutine that writes.
type writer struct {
	store    *store    // nil while there is no file to write to
	forGood  bool      // no file, and none may be taken: it belongs to a newer Stoker
	retryAt  time.Time // of the next attempt to get a file
	markedAt time.Time // when a bookmark was last written
	toldAt   time.Time // when events were last written, or when they may be again
}

// batch is one transaction, taken from the pending set at one instant.
type batch struct {
	changes []change
	mark    *worker.Bookmark
	events  []event
	floor   uint64 // events up to this one are to be deleted; meaningful with events
	asked   uint64 // what is on disk once the batch is
}

// change is one key of a batch; gone when it is to be deleted.
type change struct {
	key  worker.Key
	img  image
	gone bool
}

func (b batch) empty() bool {
	return len(b.changes) == 0 && b.mark == nil && len(b.events) == 0
}

// run writes until Close.
func (j *Journal) run() {
	defer close(j.done)
	// A file that someone truncates under the mapping is a fault at an address, which would otherwise end the process.
	debug.SetPanicOnFault(true)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := j.turn(time.Now())
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-j.wake:
		case <-timer.C:
		case <-j.closing:
			j.finish()
			return
		}
	}
}

// turn does what is due and returns the wait until something else will be; 0 is until woken.
func (j *Journal) turn(now time.Time) time.Duration {
	if j.writer.store == nil {
		if wait := j.reopen(now); wait != 0 || j.writer.store == nil {
			return wait
		}
	}
	markDue := !now.Before(j.writer.markedAt.Add(markEvery))
	b := j.take(markDue)
	j.addEvents(&b, now)
	if !b.empty() {
		j.commit(b, now)
	}
	return j.untilDue(now)
}

// untilDue is the wait until the bookmark or events may be written alone, or until the next attempt to get the file back.
func (j *Journal) untilDue(now time.Time) time.Duration {
	if j.writer.store == nil {
		return max(j.writer.retryAt.Sub(now), 1)
	}
	var wait time.Duration
	j.mu.Lock()
	if j.markDirty {
		wait = max(j.writer.markedAt.Add(markEvery).Sub(now), 1)
	}
	j.mu.Unlock()
	if j.untold() {
		told := max(j.writer.toldAt.Add(historyEvery).Sub(now), 1)
		if wait == 0 || told < wait {
			wait = told
		}
	}
	return wait
}

// take empties the pending set into a batch. A bookmark rides with any change, and goes alone when markDue.
func (j *Journal) take(markDue bool) batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := batch{asked: j.asked}
	for key := range j.dirty {
		img, ok := j.live[key]
		b.changes = append(b.changes, change{key: key, img: img, gone: !ok})
	}
	clear(j.dirty)
	if j.markDirty && (markDue || len(b.changes) > 0) {
		mark := j.mark
		b.mark, j.markDirty = &mark, false
	}
	return b
}

// commit writes b, or puts it back and lets go of the file.
func (j *Journal) commit(b batch, now time.Time) {
	if err := j.writer.store.write(b); err != nil {
		j.lose(b, err, now)
		return
	}
	if b.mark != nil {
		j.writer.markedAt = now
	}
	if len(b.events) > 0 {
		j.writer.toldAt = now
	}
	j.mu.Lock()
	wasStuck := j.stuck
	wasLost := !j.persistent
	j.stored, j.stuck, j.persistent = b.asked, false, true
	j.broadcast()
	j.mu.Unlock()
	if wasStuck || wasLost {
		j.recovered()
	}
}

// lose puts b back and gives the file up. After a failed write or fsync the kernel may have dropped what it could not
// write and call the next fsync a success, so that the only safe way on is to open, check and write everything again.
func (j *Journal) lose(b batch, err error, now time.Time) {
	j.writer.store.close()
	j.writer.store = nil
	j.writer.retryAt = now.Add(retryEvery)
	if len(b.events) > 0 { // it may be their size that the disk cannot take: the memories go first
		j.writer.toldAt = now.Add(historyPause)
	}
	j.mu.Lock()
	for _, c := range b.changes {
		j.dirty[c.key] = struct{}{}
	}
	j.markDirty = j.markDirty || b.mark != nil
	first := j.persistent
	j.persistent, j.stuck = false, false
	j.broadcast()
	j.mu.Unlock()
	if first {
		j.problem(explain(j.dir, err))
	}
}

// reopen tries to get a file again when it is time, and makes everything pending that the file does not hold. What is
// known now is newer than anything in the file, so that the file is made equal to it. It returns the wait until the
// next attempt, 0 when there is a file or never will be.
func (j *Journal) reopen(now time.Time) time.Duration {
	if j.writer.forGood {
		return 0
	}
	if wait := j.writer.retryAt.Sub(now); wait > 0 {
		return wait
	}
	opened, err := openStore(j.dir)
	if err != nil {
		j.writer.forGood = isForGood(err)
		j.writer.retryAt = now.Add(retryEvery)
		return retryEvery
	}
	j.writer.store = opened.store
	if note := opened.note(); note != "" {
		j.problem(note)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for key := range j.live {
		j.dirty[key] = struct{}{}
	}
	for key := range opened.store.written {
		j.dirty[key] = struct{}{}
	}
	j.markDirty = true
	j.writer.markedAt = time.Time{}
	opened.store.told = 0 // the file may be another one: all events are written again
	return 0
}

// finish writes what is pending and closes the file.
func (j *Journal) finish() {
	if j.writer.store == nil {
		return
	}
	b := j.take(true)
	j.addAllEvents(&b)
	if !b.empty() {
		j.commit(b, time.Now())
	}
	if j.writer.store != nil {
		j.writer.store.close()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.persistent = false // nothing that comes now reaches the disk, and no Sync is to wait for it
	j.broadcast()
}
