package worker

import "time"

// Verb is one call (or one short, unbranching run of calls) to the engine.
type Verb uint8

// The verbs. A heal is made of one or more of them: a restart is a Stop, then a Start, so that the wait of a slow
// stop holds no place among the starts.
const (
	Inspect Verb = iota + 1 // inspect
	Start                   // start, then inspect
	Stop                    // inspect, compare with what was decided on, stop, then inspect
	// Recreate recreates the container: inspect, compare with what was decided on, then the transaction (docs/recreate.md).
	// What an earlier try left unfinished it finishes or undoes first.
	Recreate
	// Resume finishes or undoes a transaction that is found on the engine, and of which nobody remembers anything.
	ResumeRecreate
	// Follow heals what lives in the namespaces of containers that began a new life.
	RestartDependents
	// Sample reads the CPU accounting once. It changes nothing.
	ReadStats
	// Update sets the CPU quota, in the form in which the container has one: inspect, compare with From, update, inspect.
	Update
)

func (v Verb) String() string {
	switch v {
	case Inspect:
		return "look"
	case Start:
		return "start"
	case Stop:
		return "stop"
	case Recreate:
		return "recreate"
	case ResumeRecreate:
		return "resume"
	case RestartDependents:
		return "follow"
	case ReadStats:
		return "sample"
	case Update:
		return "update"
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
	Attempt     int           // the heal's attempt, for Start, Stop and Recreate
	Grace       time.Duration // Stop, Recreate: time before SIGKILL
	// Definition is the last inspect of a container that is gone, for Recreate. Nil: it should be there.
	Definition []byte
	// Names are other containers by their IDs, also by those that they had before they were recreated, for Recreate and
	// Follow.
	Names   map[string]Key
	Parents []Parent // Follow
	// Spare are the IDs of workers: Follow names them as dependents, and leaves them to their own machines.
	Managed map[string]bool
	Span    bool // Sample: two readings a second apart, for a share; else one, which is cheap
	Host    bool // Sample: how busy the host is meanwhile, too
	// From and CPUs are the quota that Update expects and the one that it sets, in CPUs; 0 is none. Refused when it finds
	// another one.
	From, CPUs float64
	// OnlyIfUnhealthy makes a Stop or a Recreate a refusal when the look before it finds the worker healthy again.
	OnlyIfUnhealthy bool
	// Deadline bounds the whole action from its start. Past it the result is Unknown: what the client gave up, the engine may still do.
	Deadline time.Duration
}

// Parent is a worker that began a new life, so that what shares its namespaces is orphaned in those of the last one.
type Parent struct {
	Key Key
	Incarnation
	PreviousIDs []string // IDs that it had before it was recreated
}

// Dependent is a container that was found orphaned.
type Dependent struct {
	Key     Key
	ID      string
	Parent  Key
	Heal    HealAction // what it takes: HealRestart, or HealRecreate where it names an ID that is gone
	Managed bool       // it is a worker
	Err     string     // why it could not be healed
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
	// Unfit: it cannot be recreated faithfully, Err says why. It is as it was.
	CannotRecreate bool
	// StoodDown: someone stopped the worker during the transaction, so that nothing was started again.
	OperatorStopped bool
	Dependents      []Dependent // Follow
	Usage           *Usage      // Sample, when Done
	Host            *HostLoad   // Sample, also when Failed; nil where it was not asked for or cannot be told
	// Broken: the link was lost while the action was under way, so that another engine may have answered.
	Broken   bool
	Snapshot *Snapshot // the last look that belongs to the action; nil when there was none
}
