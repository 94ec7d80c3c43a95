package journal

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"go.etcd.io/bbolt"
)

// bucketHistory is made when the first event is written: a journal without it is an earlier Stoker's, and an earlier Stoker
// does not mind it.
const bucketHistory = "history"

const (
	// historyEvery bounds how often events alone are written: they ride with the memories that change with them, and a
	// fsync of their own could be in the way of one that a heal waits for.
	historyEvery = 2 * time.Second
	// historyPause is how long events wait after a write with them has failed.
	historyPause = 10 * time.Minute
	// mostRiding and mostAlone bound the events of one transaction, with memories and without.
	mostRiding = 32
	mostAlone  = 256
)

// Chronicle is where the journal takes events from: those with an ID above after, oldest first, at most most of them.
// Records up to the ID floor are to be deleted. It must not wait for the journal.
type Chronicle = func(after uint64, most int) (floor uint64, ids []uint64, records [][]byte)

// event is one record of the history.
type event struct {
	id     uint64
	record []byte
}

// History is the records that the last run of Stoker left, oldest first. It gives them away: a second call finds none.
func (j *Journal) History() [][]byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	past := j.past
	j.past = nil
	return past
}

// Chronicle tells the journal where to take events from, from now on.
func (j *Journal) Source(take Chronicle) {
	j.mu.Lock()
	j.chronicle = take
	j.mu.Unlock()
	j.poke()
}

// Told says that the chronicle has something new. It never blocks.
//
// Events reach the disk with the next memory that does, or within two seconds. A disk that cannot take them costs nothing:
// the chronicle has them still when it can.
func (j *Journal) Notify() { j.poke() }

// recount is what the chronicle has that the file has not.
func (j *Journal) recount(most int) (events []event, floor uint64) {
	j.mu.Lock()
	take := j.chronicle
	j.mu.Unlock()
	if take == nil {
		return nil, 0
	}
	floor, ids, records := take(j.writer.store.told, most)
	for n, id := range ids {
		events = append(events, event{id: id, record: records[n]})
	}
	return events, floor
}

// untold reports whether events wait to be written.
func (j *Journal) untold() bool {
	events, _ := j.recount(1)
	return len(events) > 0
}

// addEvents puts events into b: a few when memories are, more when it is time for a transaction of their own.
func (j *Journal) addEvents(b *batch, now time.Time) {
	switch rested := !now.Before(j.writer.toldAt.Add(historyEvery)); {
	case now.Before(j.writer.toldAt): // a write with events has failed
	case len(b.changes) > 0:
		b.events, b.floor = j.recount(mostRiding)
	case rested:
		b.events, b.floor = j.recount(mostAlone)
	}
}

// addAllEvents puts what is left into the last batch.
func (j *Journal) addAllEvents(b *batch) {
	if !time.Now().Before(j.writer.toldAt) {
		b.events, b.floor = j.recount(math.MaxInt)
	}
}

// readHistory takes the events out of tx.
func (f *found) readHistory(tx *bbolt.Tx) error {
	bucket := tx.Bucket([]byte(bucketHistory))
	if bucket == nil {
		if key, _ := tx.Cursor().Seek([]byte(bucketHistory)); string(key) == bucketHistory { // a value in its place
			f.damaged++
		}
		return nil
	}
	return bucket.ForEach(func(k, v []byte) error {
		record, err := unseal(historySeal(k), v)
		if err != nil || len(k) != 8 {
			f.damaged++
			return nil
		}
		f.history = append(f.history, event{id: binary.BigEndian.Uint64(k), record: record})
		return nil
	})
}

// writeHistory appends the events of b and deletes those that are too old.
func (s *store) writeHistory(tx *bbolt.Tx, b batch) error {
	if len(b.events) == 0 {
		return nil
	}
	bucket, err := tx.CreateBucketIfNotExists([]byte(bucketHistory))
	if err != nil {
		return fmt.Errorf("make room for the history: %w", err)
	}
	bucket.FillPercent = 0.9 // only ever appended to
	for _, e := range b.events {
		key := binary.BigEndian.AppendUint64(nil, e.id)
		if err := bucket.Put(key, seal(historySeal(key), e.record)); err != nil {
			return fmt.Errorf("write an event: %w", err)
		}
	}
	if b.floor == s.floor {
		return nil
	}
	return forget(bucket, b.floor)
}

// forget deletes the events up to floor.
func forget(bucket *bbolt.Bucket, floor uint64) error {
	var old [][]byte
	c := bucket.Cursor()
	for k, _ := c.First(); len(k) == 8 && binary.BigEndian.Uint64(k) <= floor; k, _ = c.Next() {
		old = append(old, k)
	}
	for _, key := range old { // not while the cursor moves: a delete may shift what it points at
		if err := bucket.Delete(key); err != nil {
			return fmt.Errorf("delete an old event: %w", err)
		}
	}
	return nil
}

// historySeal is what an event is sealed under.
func historySeal(key []byte) string { return fmt.Sprintf("history %x", key) }
