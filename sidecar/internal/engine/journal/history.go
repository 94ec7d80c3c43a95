package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

const (
	// historyPause is the time that events wait after a write with them has failed.
	historyPause = 10 * time.Minute
	// historySlack is the size that the history's file may have beyond twice its size after the last rewrite: the evidence of a heal is
	// dropped long before its event.
	historySlack = 32 << 20
	// maxEvents bounds the events of one write.
	maxEvents = 256
)

// EventSource is the source of the journal's events: it returns those with an ID above after, oldest first, at most limit of them. Records
// with an ID up to minID are to be deleted. It must not wait for the journal.
type EventSource = func(after uint64, limit int) (minID uint64, ids []uint64, records [][]byte)

// event is one record of the history.
type event struct {
	id     uint64
	record []byte // JSON
}

// events connects the journal to the history that it stores: the records of the last run until they are asked for, and the source of new
// ones.
type events struct {
	past   [][]byte
	source EventSource
}

// History returns the records of the last run of Stoker, oldest first. It drops them: a second call returns none.
func (j *Journal) History() [][]byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	past := j.events.past
	j.events.past = nil
	return past
}

// Source sets the source of events from now on.
func (j *Journal) Source(take EventSource) {
	j.mu.Lock()
	j.events.source = take
	j.mu.Unlock()
	j.poke()
}

// Notify reports that the source has something new. It never blocks.
//
// Events are written at once, and reach the disk when the kernel writes them there, or with Close: a power failure may cost the newest
// ones, a crash of Stoker does not. A disk that cannot store them costs nothing: the source still has them when the disk works again.
func (j *Journal) Notify() { j.poke() }

// pendingEvents returns the source's events that are not in the file.
func (j *Journal) pendingEvents(limit int) (events []event, minID uint64) {
	j.mu.Lock()
	take := j.events.source
	j.mu.Unlock()
	if take == nil {
		return nil, 0
	}
	return collect(take, j.writer.store.lastEvent(), limit)
}

func collect(take EventSource, after uint64, limit int) (events []event, minID uint64) {
	minID, ids, records := take(after, limit)
	for n, id := range ids {
		events = append(events, event{id: id, record: records[n]})
	}
	return events, minID
}

// writeEvents appends the source's events, at most limit of them, and reports whether there may be more.
func (j *Journal) writeEvents(now time.Time, limit int) (more bool, err error) {
	if now.Before(j.writer.eventsAfter) {
		return false, nil
	}
	events, minID := j.pendingEvents(limit)
	if len(events) == 0 {
		return false, nil
	}
	if err := j.writer.store.appendEvents(events); err != nil {
		return false, err
	}
	if j.writer.store.tooManyOld(minID) || j.writer.store.tooLarge() {
		j.mu.Lock()
		take := j.events.source
		j.mu.Unlock()
		events, _ := collect(take, minID, math.MaxInt)
		if err := j.writer.store.replaceEvents(events); err != nil {
			return false, err
		}
	}
	return len(events) == limit, nil
}

// pastEvents reads the history's file.
type pastEvents struct {
	events []event
}

func (*pastEvents) damaged() {}

func (p *pastEvents) line(text []byte) error {
	e, err := parse(text)
	if err != nil || e.Format != 0 {
		return err
	}
	id, err := strconv.ParseUint(string(e.ID), 10, 64)
	if err != nil || e.Event == nil {
		return errUnknownLine
	}
	if n := len(p.events); n > 0 && id <= p.events[n-1].id { // a write that failed and was repeated
		return nil
	}
	p.events = append(p.events, event{id: id, record: e.Event})
	return nil
}

func appendEvent(text []byte, e event) ([]byte, error) {
	var record bytes.Buffer
	if err := json.Compact(&record, e.record); err != nil {
		return nil, fmt.Errorf("encode event %d: %w", e.id, err)
	}
	return appendLine(text, fmt.Appendf(nil, `{"id":%d,"event":%s}`, e.id, record.Bytes())), nil
}

func (s *store) lastEvent() uint64 {
	if len(s.eventIDs) == 0 {
		return 0
	}
	return s.eventIDs[len(s.eventIDs)-1]
}

func (s *store) appendEvents(events []event) error {
	var text []byte
	if s.events.size == 0 {
		text = appendHead(text)
	}
	var err error
	for _, e := range events {
		if text, err = appendEvent(text, e); err != nil {
			return err
		}
	}
	if err := s.events.append(text, false); err != nil {
		return err
	}
	for _, e := range events {
		s.eventIDs = append(s.eventIDs, e.id)
	}
	return nil
}

// tooManyOld reports whether more than half of the file is events that are to be deleted.
func (s *store) tooManyOld(minID uint64) bool {
	old, _ := slices.BinarySearch(s.eventIDs, minID+1)
	return old >= maxEvents && old > len(s.eventIDs)/2
}

// tooLarge reports whether much of the file may be evidence that was dropped.
func (s *store) tooLarge() bool { return s.events.size > historySlack+2*s.eventsLive }

func (s *store) replaceEvents(events []event) error {
	text, ids := appendHead(nil), make([]uint64, 0, len(events))
	var err error
	for _, e := range events {
		if text, err = appendEvent(text, e); err != nil {
			return err
		}
		ids = append(ids, e.id)
	}
	if err := s.events.replace(text); err != nil {
		return err
	}
	s.eventIDs, s.eventsLive = ids, s.events.size
	return nil
}
