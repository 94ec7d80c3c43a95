package fleet

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// slot is a member's place in at most one queue.
type slot struct {
	m     *member
	key   worker.Key // when it was put into the queue
	due   time.Time
	q     *queue // nil while it waits for nothing
	index int
}

// move puts the slot into a queue, or out of the one that it is in when q is nil.
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

// queue orders slots by (due, key). An event costs it a logarithm of its length, so that ten thousand workers cost an event
// little more than ten.
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

// next is when the first slot is due; zero when there is none.
func (q *queue) next() time.Time {
	if len(q.slots) == 0 {
		return time.Time{}
	}
	return q.slots[0].due
}

// pop takes the first slot out if it is due, and is nil otherwise.
func (q *queue) pop(now time.Time) *slot {
	if len(q.slots) == 0 || q.slots[0].due.After(now) {
		return nil
	}
	s := q.slots[0]
	s.move(nil, s.due)
	return s
}

// sorted is all slots in the order of the queue.
func (q *queue) sorted() []*slot {
	return slices.SortedFunc(slices.Values(q.slots), func(a, b *slot) int { return a.compare(b) })
}

// earliest is the earlier of two times, of which a zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
