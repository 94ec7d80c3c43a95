package demand

import (
	"math"
	"time"
)

// Settings is the demand of a group, as set by its labels.
type Settings struct {
	Sources       []Source // none: the hours alone decide
	Target        float64  // work for each worker, more than 0
	Activation    float64  // more work than this wakes the group from its minimum
	Min           int
	Max           int // All means all existing workers
	Poll          time.Duration
	Cooldown      time.Duration
	Fallback      int // workers once a source is lost; Keep keeps the running ones
	Hours         Hours
	HoursReplicas int  // Default: one if there is a source, else all
	KeepAwake     bool // never put a worker to sleep: stoker.scale-down=never
	CloneUpTo     int  // workers including clones; 0 makes none
}

// Special values of numbers in Settings.
const (
	All     = -1
	Keep    = -1
	Default = -1
)

// State is the state of a worker for the demand.
type State uint8

// The states of a worker.
const (
	Out      State = iota // held, or exhausted and down: no capacity, and cannot be woken
	Asleep                // can be woken
	Failing               // should run, but its next start is further away than a poll: no capacity
	Down                  // should run, and its start is due within a poll
	Waking                // its wake is decided, and its start is not sent yet
	Starting              // started, and not healthy yet
	Awake
	Unseen    // not inspected yet; it may run, or should
	Leaving   // being put to sleep, and still running
	Exhausted // retry limit reached, and running: no capacity, but counts against the maximum
)

// Use is whether a worker was busy between the last two polls.
type Use uint8

// The uses of a worker.
const (
	UseUnknown Use = iota // not measured
	UseIdle
	UseBusy
)

// Worker is one worker of a group.
type Worker struct {
	State  State
	Use    Use
	Since  time.Time // start of its incarnation (Stoker's clock); zero when it does not run
	CPUs   float64   // its share of the CPU budget
	InHand float64   // items that it holds, as the source reports
	// AsleepSince is when a clone last fell asleep (Stoker's clock); zero if it is no clone or does not sleep.
	AsleepSince time.Time
}

// capacity reports whether the worker runs or is about to.
func (w Worker) capacity() bool {
	return w.State == Awake || w.State == Starting || w.State == Down || w.State == Waking || w.State == Unseen
}

// SourceState is the state of a source.
type SourceState uint8

// The states of a source.
const (
	SourcePending  SourceState = iota // no answer yet
	SourceAnswered                    // the last request was answered
	SourceFailing                     // the last request failed, and the answer before it is used
	SourceLost                        // too many failures in a row: the fallback is used
)

func (s SourceState) String() string {
	switch s {
	case SourcePending:
		return "pending"
	case SourceAnswered:
		return "answered"
	case SourceFailing:
		return "failing"
	case SourceLost:
		return "lost"
	}
	return "unknown"
}

// Answer is the last answer of a source.
type Answer struct {
	State   SourceState
	Reading Reading // the last one; for SourceAnswered and SourceFailing
}

// Memory is the state that a group keeps between decisions. A new Stoker begins with the zero value, which costs a cooldown.
type Memory struct {
	NeededAt   time.Time // when all running workers were last needed
	SteppedAt  time.Time // when a worker was last put to sleep
	AwakeUntil time.Time // until when an operator has woken all workers
}

// Input is the input of a decision.
type Input struct {
	Workers []Worker // in the order in which they wake; the last ones sleep first
	Answers []Answer // of Settings.Sources
	Budget  float64  // CPUs left for workers that do not run; infinite without a budget
}

// Limit is why a group has fewer workers than its work requires.
type Limit uint8

// The limits.
const (
	LimitNone      Limit = iota
	LimitMax             // stoker.max-replicas
	LimitBudget          // the CPU budget
	LimitWorkers         // no more workers can be woken
	LimitPlacement       // Swarm finds no node for more tasks
)

func (l Limit) String() string {
	switch l {
	case LimitNone:
		return "none"
	case LimitMax:
		return "max-replicas"
	case LimitBudget:
		return "cpu-budget"
	case LimitWorkers:
		return "workers"
	case LimitPlacement:
		return "placement"
	}
	return "unknown"
}

// Decision is what to do now. Wake and Sleep are indices into Input.Workers.
type Decision struct {
	Work    float64 // items waiting or in hand, of the source with the largest request; 0 when unknown
	Wanted  int     // workers, within minimum, maximum and hours
	Wake    []int
	Sleep   []int
	Clone   bool  // make one more worker, like the last one
	Remove  []int // clones that are no longer needed
	Limit   Limit
	Closed  bool      // outside the hours
	Measure bool      // CPU readings are needed at the next poll: a decision depends on which workers are busy
	Next    time.Time // when to decide again if nothing happens; zero for never
}

// mostWanted bounds the number of workers for an extreme number of items.
const mostWanted = 1 << 20

// Decide returns how many workers a group should have, which of them wake and which one sleeps.
func Decide(now time.Time, s Settings, m Memory, in Input) (Decision, Memory) {
	d := Decision{Closed: !s.Hours.Open(now)}
	d.Wanted, d.Work, d.Limit = s.wanted(now, m, in, d.Closed)
	running := count(in.Workers, Worker.capacity)
	if m.NeededAt.IsZero() || running <= d.Wanted || m.NeededAt.After(now) {
		m.NeededAt = now
	}
	if m.SteppedAt.After(now) { // the clock stepped back
		m.SteppedAt = now
	}
	switch {
	case running < d.Wanted:
		room := s.room(now, m, in)
		wake(&d, in, min(d.Wanted-running, room))
		d.Clone = room > 0 && s.clones(in)
	case running > d.Wanted && !s.KeepAwake:
		s.sleep(now, &d, m, in)
	}
	if len(d.Sleep) > 0 {
		m.SteppedAt = now
	}
	if !d.Clone && len(d.Wake) == 0 {
		d.Remove = s.surplusClones(now, in)
	}
	d.Measure = d.Measure || s.countsBusy(in)
	d.Next = s.next(now, d, m, in, running)
	return d, m
}

// wanted returns how many workers should run.
func (s Settings) wanted(now time.Time, m Memory, in Input, closed bool) (wanted int, work float64, limit Limit) {
	exist := count(in.Workers, func(w Worker) bool { return w.State != Out && w.State != Exhausted })
	if m.AwakeUntil.After(now) {
		return exist, 0, LimitNone
	}
	if closed {
		return 0, 0, LimitNone
	}
	request, work := s.request(in)
	least := s.Min
	if s.Hours.Set() {
		least = max(least, s.hoursReplicas(exist))
	}
	possible := max(exist, s.CloneUpTo)
	most := s.most(possible)
	request = max(request, least)
	switch {
	case request > most && most < possible:
		limit = LimitMax
	case request > possible:
		limit = LimitWorkers
	}
	return min(request, most, possible), work, limit
}

// most returns the maximum, given the number of possible workers.
func (s Settings) most(possible int) int {
	if s.Max == All {
		return possible
	}
	return s.Max
}

// room returns how many more workers may run. Leaving and exhausted workers still run, so they count.
func (s Settings) room(now time.Time, m Memory, in Input) int {
	if m.AwakeUntil.After(now) {
		return len(in.Workers)
	}
	others := count(in.Workers, func(w Worker) bool { return w.State == Leaving || w.State == Exhausted })
	return s.most(max(len(in.Workers), s.CloneUpTo)) - others - count(in.Workers, Worker.capacity)
}

// Recall returns the waking workers that may no longer start: others were started since, so the maximum or in.Budget would be exceeded. The
// budget has no share for waking workers yet.
func Recall(now time.Time, s Settings, m Memory, in Input) []int {
	var recalled []int
	room := s.room(now, m, in) + count(in.Workers, func(w Worker) bool { return w.State == Waking })
	for i, w := range in.Workers {
		switch {
		case w.State != Waking:
		case room <= 0 || w.CPUs > in.Budget:
			recalled = append(recalled, i)
		default:
			room--
			in.Budget -= w.CPUs
		}
	}
	return recalled
}

func (s Settings) hoursReplicas(exist int) int {
	switch {
	case s.HoursReplicas != Default:
		return s.HoursReplicas
	case len(s.Sources) > 0:
		return 1
	}
	return exist
}

// request returns the largest request of the sources, and the work that it is based on.
func (s Settings) request(in Input) (request int, work float64) {
	running := count(in.Workers, Worker.capacity)
	for _, a := range in.Answers {
		var n int
		var items float64
		switch a.State {
		case SourcePending:
			n = running // unknown: no change
		case SourceLost:
			n = s.Fallback
			if n == Keep {
				n = running
			}
		case SourceAnswered, SourceFailing:
			items = s.items(a.Reading, in.Workers)
			n = s.replicas(items)
		}
		if n > request || n == request && items > work {
			request, work = n, items
		}
	}
	return request, work
}

// items returns all work that a source reports. If it does not report the items in hand, each busy worker counts as one.
func (s Settings) items(r Reading, workers []Worker) float64 {
	items := max(r.Waiting, 0)
	switch r.InHand.Kind {
	case InHandIncluded:
	case InHandCounted:
		items += max(r.InHand.Total, 0)
	case InHandUnknown:
		items += float64(count(workers, func(w Worker) bool { return w.State == Awake && w.Use == UseBusy }))
	}
	return items
}

// replicas returns how many workers a number of items requires.
func (s Settings) replicas(items float64) int {
	if items <= s.Activation {
		return 0
	}
	return int(min(math.Ceil(items/s.Target), mostWanted))
}

// wake picks the workers to wake, in order, within the budget. The room may be negative: more run than may.
func wake(d *Decision, in Input, wanted int) {
	for i, w := range in.Workers {
		if wanted <= 0 {
			return
		}
		if w.State != Asleep {
			continue
		}
		if w.CPUs > in.Budget {
			d.Limit = LimitBudget
			continue
		}
		in.Budget -= w.CPUs
		d.Wake = append(d.Wake, i)
		wanted--
	}
}

// fresh reports whether all sources have answered the last request.
func (s Settings) fresh(in Input) bool {
	for _, a := range in.Answers {
		lost := a.State == SourceLost && s.Fallback != Keep
		if a.State != SourceAnswered && !lost {
			return false
		}
	}
	return true
}

// countsBusy reports whether one more worker, which may be a clone, would be wanted if all running workers were busy.
func (s Settings) countsBusy(in Input) bool {
	asleep := count(in.Workers, func(w Worker) bool { return w.State == Asleep })
	awake := count(in.Workers, func(w Worker) bool { return w.State == Awake })
	if asleep == 0 && len(in.Workers) >= s.CloneUpTo || awake == 0 {
		return false
	}
	for _, a := range in.Answers {
		if a.State == SourceAnswered && a.Reading.InHand.Kind == InHandUnknown && a.Reading.Waiting > 0 {
			return true
		}
	}
	return false
}

// next returns when the decision changes through time alone.
func (s Settings) next(now time.Time, d Decision, m Memory, in Input, running int) time.Time {
	var next time.Time
	if s.Hours.Set() { // minutes of its zone all begin at the same instant
		next = now.Truncate(time.Minute).Add(time.Minute)
	}
	if m.AwakeUntil.After(now) {
		next = earliest(next, m.AwakeUntil)
	}
	for _, w := range in.Workers {
		if gone := w.AsleepSince.Add(s.Cooldown); !w.AsleepSince.IsZero() && gone.After(now) {
			next = earliest(next, gone)
		}
	}
	if running > d.Wanted && !s.KeepAwake && !d.Closed {
		if due := s.sleepDue(m); due.After(now) {
			next = earliest(next, due)
		}
	}
	return next
}

func count(workers []Worker, is func(Worker) bool) int {
	n := 0
	for _, w := range workers {
		if is(w) {
			n++
		}
	}
	return n
}

// earliest returns the earlier of two times; a zero time is ignored.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
