package dockertest

import "time"

// FaultKind is one way in which the world between Stoker and its containers fails.
type FaultKind string

// The faults of requests. Each hits Stoker's next matching requests after its time.
const (
	Refuse        FaultKind = "refuse"          // the engine refuses with Text; nothing is done
	TimeOutDone   FaultKind = "time-out-done"   // done, but the answer never comes
	TimeOutUndone FaultKind = "time-out-undone" // neither done nor answered
	Slow          FaultKind = "slow"            // the request takes Delay longer to arrive
)

// The faults of the event stream. Each hits the next events that would be sent to Stoker after its time.
const (
	DropEvents      FaultKind = "drop-events"
	DuplicateEvents FaultKind = "duplicate-events"
	DelayEvents     FaultKind = "delay-events" // by Delay, and with them those behind them
)

// The faults that happen at their time.
const (
	CutStream     FaultKind = "cut-stream"
	RestartEngine FaultKind = "restart-engine" // in good order; away for Delay
	CrashEngine   FaultKind = "crash-engine"   // its containers live on; away for Delay
	CrashHost     FaultKind = "crash-host"     // engine and containers; away for Delay
	StepClock     FaultKind = "step-clock"     // the engine's, by Delay, which may be below zero
)

// Fault is one planned fault: a value, so that a plan can be printed, shrunk and replayed.
type Fault struct {
	Kind  FaultKind
	At    time.Duration // since the world began
	Op    Op            // requests: which; empty is every one that changes something
	Key   string        // of which container; empty is any
	Count int           // how many requests or events; 0 is one
	Text  string        // Refuse
	Delay time.Duration
}

// Plan arms faults. Faults of the past are due at once.
func (w *World) Plan(faults ...Fault) {
	for _, f := range faults {
		f.Count = max(f.Count, 1)
		at := w.config.Start.Add(f.At)
		switch f.Kind {
		case CutStream, RestartEngine, CrashEngine, CrashHost, StepClock:
			w.on(at, func() { w.strikeNow(f) })
		case Refuse, TimeOutDone, TimeOutUndone, Slow, DropEvents, DuplicateEvents, DelayEvents:
			w.on(at, func() { w.faults = append(w.faults, f) })
		}
	}
}

func (w *World) strikeNow(f Fault) {
	switch f.Kind {
	case CutStream:
		w.CutStreams()
	case RestartEngine:
		w.RestartEngine(f.Delay)
	case CrashEngine:
		w.CrashEngine()
		w.after(f.Delay, w.Boot)
	case CrashHost:
		w.CrashHost()
		w.after(f.Delay, w.Boot)
	case StepClock:
		w.StepClock(f.Delay)
	case Refuse, TimeOutDone, TimeOutUndone, Slow, DropEvents, DuplicateEvents, DelayEvents:
		// armed by Plan
	}
}

// Disarm ends what was planned and has hit nothing yet. Faults whose time is still to come are not ended.
func (w *World) Disarm() { w.faults = nil }

// CutStreams breaks every open event stream of Stoker; the engine stays.
func (w *World) CutStreams() { w.engine.turns.call(streamsCut) }

// callFault takes the fault that hits a request off the plan; nil for none.
func (w *World) callFault(req Request) *Fault {
	if req.By != ByStoker {
		return nil
	}
	return w.takeFault(func(f Fault) bool {
		switch f.Kind {
		case Refuse, TimeOutDone, TimeOutUndone, Slow:
			return (f.Op == req.Op || f.Op == "" && req.Op.Mutates()) && w.concerns(f.Key, req.Ref)
		}
		return false
	})
}

func (w *World) concerns(key, ref string) bool {
	if key == "" || key == ref {
		return true
	}
	c := w.find(ref)
	return c != nil && c.Name == key
}

// eventFault takes the fault that hits an event off the plan; nil for none.
func (w *World) eventFault(e *Event) *Fault {
	return w.takeFault(func(f Fault) bool {
		switch f.Kind {
		case DropEvents, DuplicateEvents, DelayEvents:
			return f.Key == "" || f.Key == e.Name
		}
		return false
	})
}

func (w *World) takeFault(hits func(Fault) bool) *Fault {
	for i := range w.faults {
		if !hits(w.faults[i]) {
			continue
		}
		f := w.faults[i]
		w.faults[i].Count--
		if w.faults[i].Count == 0 {
			w.faults = append(w.faults[:i:i], w.faults[i+1:]...)
		}
		return &f
	}
	return nil
}

func (f *Fault) kind() FaultKind {
	if f == nil {
		return ""
	}
	return f.Kind
}

func (f *Fault) delay() time.Duration {
	if f == nil {
		return 0
	}
	return max(f.Delay, 0)
}

func (f *Fault) text() string {
	if f.Text == "" {
		return "the engine does not feel like it"
	}
	return f.Text
}

// Trouble is a plan of n faults that depends on the seed alone, spread over length. It holds no crash of the host and no clock
// step: both change what Stoker can observe, and are for tests of their own.
func Trouble(seed uint64, length time.Duration, n int) []Fault {
	kinds := []FaultKind{
		Refuse, TimeOutDone, TimeOutUndone, Slow, DropEvents, DuplicateEvents, DelayEvents, CutStream, RestartEngine,
	}
	plan := make([]Fault, 0, n)
	for i := range uint64(n) {
		dice := scramble(seed ^ scramble(i+1))
		f := Fault{Kind: kinds[dice%uint64(len(kinds))], At: time.Duration(scramble(dice) % uint64(length))}
		f.Count = 1 + int(scramble(dice+1)%3)
		f.Delay = time.Duration(scramble(dice+2) % uint64(10*time.Second))
		plan = append(plan, f)
	}
	return plan
}
