package lifecycle

import "time"

// Verb is one call (or one short, unbranching run of calls) to the engine.
type Verb uint8

// The verbs. A heal is made of one or more of them: a restart is a Stop, then a Start, so that the wait of a slow
// stop holds no place among the starts.
const (
	Look  Verb = iota + 1 // inspect
	Start                 // start, then inspect
	Stop                  // inspect, compare with what was decided on, stop, then inspect
)

func (v Verb) String() string {
	switch v {
	case Look:
		return "look"
	case Start:
		return "start"
	case Stop:
		return "stop"
	}
	return "none"
}

// Action is one thing to do to one incarnation of one worker.
type Action struct {
	ID          uint64 // unique within this run of Stoker
	Key         Key
	Incarnation Incarnation
	Verb        Verb
	Reason      Reason
	Attempt     int           // the heal's attempt, for Start and Stop
	Grace       time.Duration // Stop: time before SIGKILL
	// OnlyIfUnhealthy makes a Stop a refusal when the look before it finds the worker healthy again.
	OnlyIfUnhealthy bool
	// Deadline bounds the whole action from its start. Past it the result is Unknown: what the client gave up, the engine may still do.
	Deadline time.Duration
}

// Result says how an action ended.
type Result uint8

// The results. Unknown is a value of its own: after it Stoker looks before it acts again.
const (
	Done    Result = iota + 1
	Failed         // the engine said no; Err says why
	Refused        // the look before it found something else than was decided on
	Unknown        // no answer: it may have happened, may happen yet, or never will
	Skipped        // dry run
)

func (r Result) String() string {
	switch r {
	case Done:
		return "done"
	case Failed:
		return "failed"
	case Refused:
		return "refused"
	case Unknown:
		return "unknown"
	case Skipped:
		return "skipped"
	}
	return "none"
}

// Outcome is what became of an Action.
type Outcome struct {
	Action Action
	Result Result
	Err    string // the engine's words, or the transport's
	// Unreachable: the engine could not be asked at all, so that nothing was done and the worker is not to blame.
	Unreachable bool
	Missing     bool // the container does not exist (any more)
	// Broken: the link was lost while the action was under way, so that another engine may have answered.
	Broken   bool
	Snapshot *Snapshot // the last look that belongs to the action; nil when there was none
}
