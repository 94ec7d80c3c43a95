package dockertest

import (
	"container/heap"
	"time"
)

// timeline is a virtual clock and what is due on it. Ties run in the order in which they were put on it, so that a
// run is the same every time.
type timeline struct {
	now  time.Time
	seq  uint64
	heap dueHeap
}

// due is one thing to do at one time. A nil do means that it was called off.
type due struct {
	at  time.Time
	seq uint64
	do  func()
}

// off calls it off; a nil due has nothing to call off.
func (d *due) off() {
	if d != nil {
		d.do = nil
	}
}

// after puts do on the timeline. A delay below zero is no delay.
func (t *timeline) after(d time.Duration, do func()) *due {
	return t.on(t.now.Add(max(d, 0)), do)
}

func (t *timeline) on(at time.Time, do func()) *due {
	if at.Before(t.now) {
		at = t.now
	}
	t.seq++
	item := &due{at: at, seq: t.seq, do: do}
	heap.Push(&t.heap, item)
	return item
}

// next is when something is due first.
func (t *timeline) next() (time.Time, bool) {
	for len(t.heap) > 0 && t.heap[0].do == nil {
		heap.Pop(&t.heap)
	}
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].at, true
}

// step moves the clock to what is due first and does it.
func (t *timeline) step() bool {
	at, ok := t.next()
	if !ok {
		return false
	}
	item := heap.Pop(&t.heap).(*due)
	t.now = at
	item.do()
	return true
}

// advanceTo does all that is due up to and including at, and leaves the clock there. The clock never goes back.
func (t *timeline) advanceTo(at time.Time) {
	for {
		next, ok := t.next()
		if !ok || next.After(at) {
			break
		}
		t.step()
	}
	if at.After(t.now) {
		t.now = at
	}
}

type dueHeap []*due

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}

func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(*due)) }

func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
