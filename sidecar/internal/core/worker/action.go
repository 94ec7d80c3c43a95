package worker

import (
	"time"

	"stoker/sidecar/internal/core/demand"
)

// Verb is one engine call, or a short sequence of calls without a branch.
type Verb uint8

// The verbs. A heal consists of one or more of them. A restart is a Stop, then a Start, so that a slow stop does not occupy a
// slot for starts.
const (
	Inspect Verb = iota + 1 // inspect
	Start                   // start, then inspect
	Stop                    // inspect, compare with the decision, stop
	// Kill ends a task of a Swarm service by SIGKILL: inspect, compare with the decision, check for a service update if possible,
	// kill. It is refused as a Stop is, and during an update.
	Kill
	// Recreate recreates the container. The fleet carries it out as a series of RecreateStep (core/recreate).
	Recreate
	// RecreateStep is one step of a recreate; see Call.
	RecreateStep
	// ListDependents finds containers that may depend on others: one list, and one inspect of each container not yet inspected.
	ListDependents
	// RestartDependent restarts a dependent by one request, or starts it if it is down, then inspects it.
	RestartDependent
	// ReadStats reads the CPU accounting once. It changes nothing.
	ReadStats
	// Update sets the CPU quota in the container's own form: inspect, compare with From, update, inspect.
	Update
	// Clone creates a container like Definition under the name Key, with the number Number in its service, without starting it.
	// Failed with CannotRecreate: it cannot be created, see Err.
	Clone
	// RemoveClone removes a container that Clone created, with its anonymous volumes, unless it runs.
	RemoveClone
	// AskSource asks a source of work for its amount of work. It belongs to no worker.
	AskSource
	// RunProbe probes a worker from outside. It changes nothing.
	RunProbe
	// Connect connects a container to Networks, one request each, then inspects.
	Connect
	// Collect collects what Evidence asks for before a stop, then runs its command in the container. It stops nothing, and is
	// refused as a Stop is. Read errors are part of the evidence, not failures.
	Collect
	// ReadLogs reads the last lines that a container printed before Evidence.Until.
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

// Action is one task for one incarnation of one worker.
type Action struct {
	ID          uint64 // unique within this run of Stoker
	Key         Key
	Incarnation Incarnation
	Verb        Verb
	Reason      Reason
	Attempt     int // the heal's attempt, for Start, Stop and Recreate
	// Deadline bounds the whole action from its start. After it the result is Unknown: the client gave up, but the engine may
	// still carry it out.
	Deadline time.Duration
	StopArgs
	RecreateArgs
	StatsArgs
	QuotaArgs
	OutsideArgs
	Networks []string         // that Connect connects the container to
	Evidence *EvidenceRequest // Collect, ReadLogs, the step of a recreate before its stop
	Down     bool             // RestartDependent: it is down, so a start is enough
}

// StopArgs are the arguments of Stop, and of the stop within a Recreate.
type StopArgs struct {
	Grace time.Duration // before SIGKILL
	// OnlyIfUnhealthy refuses a Stop or a Recreate if the inspect before it finds the worker healthy again.
	OnlyIfUnhealthy bool
	// Inspected: the Stop was decided on a recent inspect, so none is needed before it.
	Inspected bool
}

// RecreateArgs are the arguments of Recreate, RecreateStep and Clone.
type RecreateArgs struct {
	// Definition is the last inspect of a container that is gone. Nil: the container should exist. With Action.Networks it
	// contains their settings.
	Definition []byte
	// Like replaces the container's inspect as the model for a Recreate, if that inspect lacks what the container has lost.
	Like []byte
	// Names are the names of other containers by ID, including the IDs before a recreate, for RecreateStep.
	Names  map[string]Key
	Call   *RecreateCall // RecreateStep
	Number int           // Clone
}

// StatsArgs are the arguments of ReadStats.
type StatsArgs struct {
	Span bool // two readings a second apart, for a share; otherwise one, which is cheap
	Host bool // also the host's load meanwhile
}

// QuotaArgs are the quota that Update expects and the one that it sets, in CPUs; 0 is none. Update is refused if the quota is
// another one.
type QuotaArgs struct{ From, CPUs float64 }

// OutsideArgs are the arguments of the actions that do not ask the engine.
type OutsideArgs struct {
	Source demand.Source // AskSource
	Probe  *ProbeCall    // RunProbe
}

// Result is how an action ended.
type Result uint8

// The results. Unknown is separate: after it Stoker inspects before it acts again.
const (
	Done    Result = iota + 1
	Failed         // the engine returned an error, see Err
	Refused        // the inspect before it differed from the decision
	Unknown        // no answer: it may have happened, or happen later, or never
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

// Outcome is the outcome of an Action.
type Outcome struct {
	Action Action
	Result Result
	Failure
	Answer
}

// Failure is why an action is not Done, as far as known.
type Failure struct {
	Err string // the error text of the engine or the transport
	// Unreachable: the engine could not be reached, so nothing was done. It is no fault of the worker.
	Unreachable bool
	Accepted    bool // with Unknown: the engine accepted the request, and only the inspect after it failed
	ParentDown  bool // Start: a worker whose namespaces it shares does not run
	// NetworkFailed: the engine refused the request because of the container's networks, or of the ports to publish on them.
	NetworkFailed bool
	Missing       bool // the container no longer exists; with Refused, it did not exist when a Recreate began
	Forbidden     bool // RestartDependent: a proxy always blocks the request
	// CannotRecreate: it cannot be recreated unchanged, see Err. It was left as it was.
	CannotRecreate bool
	// OperatorStopped: an operator stopped or removed the worker during the recreate, so nothing was started again.
	OperatorStopped bool
	// Broken: the connection was lost during the action, so another engine may have answered.
	Broken bool
}

// Answer is the data that an action returns.
type Answer struct {
	Snapshot   *Snapshot       // the last inspect of the action; nil without one
	Restarted  bool            // Recreate, when Unknown: it started the old container again, whose inspect is Snapshot
	EndedAt    time.Time       // Recreate: end of the old container's last incarnation, the engine's clock
	Report     *StepReport     // RecreateStep
	Evidence   *HealEvidence   // Collect, ReadLogs, RecreateStep; also if it failed later
	Dependents []Dependent     // ListDependents
	Work       *demand.Reading // AskSource, when Done
	Probe      *ProbeAnswer    // RunProbe, when Done
	Usage      *Usage          // ReadStats, when Done
	Host       *HostLoad       // ReadStats, also when Failed; nil if not requested or unknown
}
