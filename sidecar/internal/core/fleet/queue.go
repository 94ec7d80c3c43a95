package fleet

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// slot is a member's entry in at most one queue.
type slot struct {
	m     *member
	key   worker.Key // at the time it was put into the queue
	due   time.Time
	q     *queue // nil while it is in no queue
	index int
}

// move puts the slot into a queue; with a nil q it only removes it from its queue.
func (s *slot) move(q *queue, due time.Time) {
	if s.q != nil {
		heap.Remove(s.q, s.index)
	}
	s.q, s.due, s.key = q, due, s.m.key()
	if q != nil {
		heap.Push(q, s)
	}
}

func (s *slot) compare(t *slot) int {
	return cmp.Or(s.due.Compare(t.due), cmp.Compare(s.key, t.key), cmp.Compare(s.m.id, t.m.id))
}

// queue orders slots by (due, key). An event costs O(log n), so that ten thousand workers cost little more than ten.
type queue struct{ slots []*slot }

func (q *queue) Len() int { return len(q.slots) }

func (q *queue) Less(i, j int) bool {
	return q.slots[i].compare(q.slots[j]) < 0
}

func (q *queue) Swap(i, j int) {
	q.slots[i], q.slots[j] = q.slots[j], q.slots[i]
	q.slots[i].index, q.slots[j].index = i, j
}

func (q *queue) Push(x any) {
	s, _ := x.(*slot)
	s.index = len(q.slots)
	q.slots = append(q.slots, s)
}

func (q *queue) Pop() any {
	last := q.slots[len(q.slots)-1]
	q.slots[len(q.slots)-1] = nil
	q.slots = q.slots[:len(q.slots)-1]
	return last
}

// next returns when the first slot is due; zero when there is none.
func (q *queue) next() time.Time {
	if len(q.slots) == 0 {
		return time.Time{}
	}
	return q.slots[0].due
}

// pop removes and returns the first slot if it is due, and returns nil otherwise.
func (q *queue) pop(now time.Time) *slot {
	if len(q.slots) == 0 || q.slots[0].due.After(now) {
		return nil
	}
	s := q.slots[0]
	s.move(nil, s.due)
	return s
}

// sorted returns all slots in the order of the queue.
func (q *queue) sorted() []*slot {
	return slices.SortedFunc(slices.Values(q.slots), func(a, b *slot) int { return a.compare(b) })
}

// earliest returns the earlier of two times; a zero time is ignored.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
