package metrics

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// tally is a counter with one label. The zero value is ready for use.
type tally struct {
	words  words
	mu     sync.Mutex
	counts map[string]uint64 // by the value shown
}

func (t *tally) add(word string, n uint64) {
	value := t.words.of(word)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]uint64{}
	}
	t.counts[value] += n
}

func (t *tally) fill(f *family) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for value, n := range t.counts {
		f.put(float64(n), value)
	}
}

// stopwatch is a histogram of seconds with two labels.
type stopwatch struct {
	bounds        []float64 // upper ones, ascending
	first, second words
	mu            sync.Mutex
	spreads       map[[2]string]*spread // by the values shown
}

// observe counts one duration. A step back of the clock is taken for no time at all.
func (w *stopwatch) observe(took time.Duration, first, second string) {
	values := [2]string{w.first.of(first), w.second.of(second)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spreads == nil {
		w.spreads = map[[2]string]*spread{}
	}
	if w.spreads[values] == nil {
		w.spreads[values] = newSpread(w.bounds)
	}
	w.spreads[values].add(max(took, 0).Seconds())
}

func (w *stopwatch) fill(f *family) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for values, s := range w.spreads {
		f.putSpread(s.copy(), values[0], values[1])
	}
}

// spread is how values spread over the buckets of a histogram.
type spread struct {
	bounds []float64 // upper ones, ascending; never changed
	counts []uint64  // one for each bound, and one for what is beyond the last
	sum    float64
}

func newSpread(bounds []float64) *spread {
	return &spread{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// add counts a value in the first bucket that holds it: a bound belongs to its bucket.
func (s *spread) add(v float64) {
	i, _ := slices.BinarySearch(s.bounds, v)
	s.counts[i]++
	s.sum += v
}

// bound is the upper bound of a bucket, as it is written.
func (s *spread) bound(i int) string {
	if i == len(s.bounds) {
		return "+Inf"
	}
	return strconv.FormatFloat(s.bounds[i], 'g', -1, 64)
}

func (s *spread) copy() spread {
	return spread{bounds: s.bounds, counts: slices.Clone(s.counts), sum: s.sum}
}
