package worker

import (
	"time"

	"stoker/sidecar/internal/core/demand"
)

// Verb is one call (or one short, unbranching run of calls) to the engine.
type Verb uint8

// The verbs. A heal is made of one or more of them: a restart is a Stop, then a Start, so that the wait of a slow
// stop holds no place among the starts.
const (
	Inspect Verb = iota + 1 // inspect
	Start                   // start, then inspect
	Stop                    // inspect, compare with what was decided on, stop
	// Kill ends a task of a Swarm service by SIGKILL: inspect, compare with what was decided on, ask whether the service is being updated where
	// that can be known, kill. It is refused as a Stop is, and during an update.
	Kill
	// Recreate recreates the container. The fleet carries it out as a series of RecreateStep (core/recreate).
	Recreate
	// RecreateStep is one step of a recreate; Call says which.
	RecreateStep
	// ListDependents finds the containers that could depend on others: one list, and one inspect of each container that was
	// not inspected before.
	ListDependents
	// RestartDependent restarts a dependent by one request, or starts it where it is down, then inspects it.
	RestartDependent
	// ReadStats reads the CPU accounting once. It changes nothing.
	ReadStats
	// Update sets the CPU quota, in the form in which the container has one: inspect, compare with From, update, inspect.
	Update
	// Clone makes a container like Definition under the name Key, with the number Number in its service, and does not start it. Failed with
	// CannotRecreate: it cannot be made, Err says why.
	Clone
	// RemoveClone removes a container that Clone made, with its anonymous volumes, unless it runs.
	RemoveClone
	// AskSource asks a source of work how much there is. It is about no worker.
	AskSource
	// RunProbe probes a worker from outside. It changes nothing.
	RunProbe
	// Connect connects a container to Networks, one request each, then inspects.
	Connect
	// Collect gathers what Evidence asks for before a stop, and then runs its command in the container. It stops nothing, and is refused as a
	// Stop is. That something could not be read is in the evidence, and no failure.
	Collect
	// ReadLogs reads the last lines that a container printed up to Evidence.Until.
	ReadLogs
)

func (v Verb) String() string {
	switch v {
	case Inspect:
		return "inspect"
	case Start:
		return "start"
	case Stop:
		return "stop"
	case Kill:
		return "kill"
	case Recreate:
		return "recreate"
	case RecreateStep:
		return "recreate-step"
	case ListDependents:
		return "list-dependents"
	case RestartDependent:
		return "restart-dependent"
	case ReadStats:
		return "read-stats"
	case Update:
		return "update"
	case Clone:
		return "clone"
	case RemoveClone:
		return "remove-clone"
	case AskSource:
		return "ask-source"
	case RunProbe:
		return "run-probe"
	case Connect:
		return "connect"
	case Collect:
		return "collect"
	case ReadLogs:
		return "read-logs"
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
	Attempt     int // the heal's attempt, for Start, Stop and Recreate
	// Deadline bounds the whole action from its start. Past it the result is Unknown: what the client gave up, the engine may still do.
	Deadline time.Duration
	StopArgs
	RecreateArgs
	StatsArgs
	QuotaArgs
	Networks []string         // that Connect connects the container to
	Source   demand.Source    // AskSource
	Probe    *ProbeCall       // RunProbe
	Evidence *EvidenceRequest // Collect, ReadLogs, the step of a recreate before its stop
	Down     bool             // RestartDependent: it is down, and a start is enough
}

// StopArgs are those of Stop, and of the stop within a Recreate.
type StopArgs struct {
	Grace time.Duration // before SIGKILL
	// OnlyIfUnhealthy makes a Stop or a Recreate a refusal when the inspect before it finds the worker healthy again.
	OnlyIfUnhealthy bool
	// Inspected: the inspect on which a Stop was decided is so recent that none is needed before it.
	Inspected bool
}

// RecreateArgs are those of Recreate, RecreateStep and Clone.
type RecreateArgs struct {
	// Definition is the last inspect of a container that is gone. Nil: it should be there. With Action.Networks it has their settings.
	Definition []byte
	// Like is what a Recreate goes by instead of the container's inspect: that lacks what the container has lost.
	Like []byte
	// Names are other containers by their IDs, also by those that they had before they were recreated, for RecreateStep.
	Names  map[string]Key
	Call   *RecreateCall // RecreateStep
	Number int           // Clone
}

// StatsArgs are those of ReadStats.
type StatsArgs struct {
	Span bool // two readings a second apart, for a share; else one, which is cheap
	Host bool // how busy the host is meanwhile, too
}

// QuotaArgs are the quota that Update expects and the one that it sets, in CPUs; 0 is none. Refused when it finds another one.
type QuotaArgs struct{ From, CPUs float64 }

// Result says how an action ended.
type Result uint8

// The results. Unknown is a value of its own: after it Stoker inspects before it acts again.
const (
	Done    Result = iota + 1
	Failed         // the engine said no; Err says why
	Refused        // the inspect before it found something else than was decided on
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
	Failure
	Answer
}

// Failure is why an action was not Done, as far as is known.
type Failure struct {
	Err string // the engine's words, or the transport's
	// Unreachable: the engine could not be asked at all, so that nothing was done and the worker is not to blame.
	Unreachable bool
	Accepted    bool // with Unknown: the engine said yes, and only the inspect after it failed
	ParentDown  bool // Start: another worker whose namespaces it shares does not run
	Missing     bool // the container does not exist (any more); with Refused, it did not when a Recreate began
	Forbidden   bool // RestartDependent: a proxy does not let the request through, and so at every try
	// CannotRecreate: it cannot be recreated faithfully, Err says why. It is as it was.
	CannotRecreate bool
	// OperatorStopped: someone stopped or removed the worker during the recreate, so that nothing was started again.
	OperatorStopped bool
	// Broken: the link was lost while the action was under way, so that another engine may have answered.
	Broken bool
}

// Answer is what an action has brought.
type Answer struct {
	Snapshot   *Snapshot       // the last inspect that belongs to the action; nil when there was none
	EndedAt    time.Time       // Recreate: when the last life of the old container ended, the engine's clock
	Report     *StepReport     // RecreateStep
	Evidence   *HealEvidence   // Collect, ReadLogs, RecreateStep; also what was collected up to a failure
	Dependents []Dependent     // ListDependents
	Work       *demand.Reading // AskSource, when Done
	Probe      *ProbeAnswer    // RunProbe, when Done
	Usage      *Usage          // ReadStats, when Done
	Host       *HostLoad       // ReadStats, also when Failed; nil where it was not asked for or cannot be told
}
