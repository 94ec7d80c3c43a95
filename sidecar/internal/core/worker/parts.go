package worker

import (
	"syscall"
	"time"
)

// container is the state of the container itself.
type container struct {
	status            Status
	listed            Status // from the last list before the first inspect
	config            containerConfig
	inspected         bool // config and incarnation come from an inspect of this very container
	hostCPUs          float64
	graceUnknown      bool // the engine may have another default grace than 10 s
	removed           bool
	lastRefusal       string // why it cannot be recreated
	savedBeforeRename *Saved // before a transaction that may not be Stoker's own renamed it
}

// startedBy is who began the present incarnation.
type startedBy uint8

const (
	startedByOther startedBy = iota
	startedByDocker
	startedByStoker
	startedByEither // an operator, or Docker by the restart policy: the next inspect decides
)

// exitState is how far the last exit is decided.
type exitState uint8

const (
	exitSettled    exitState = iota // there was none, or it is decided
	exitPending                     // an exit was seen, and only an inspect shows its cause
	exitUnobserved                  // an inspect found the worker down, and no event explains it yet
)

// life is what is known of the present incarnation, or of the last one while the worker is down.
type life struct {
	startedAt    time.Time // of the last Started event, the engine's clock
	start        lifeStart
	end          lifeEnd
	oom          oomEvent
	noStopEvents bool      // the engine sends no stop event before an exit (Podman)
	delayed      bool      // an inspect found it waiting for its restart by Docker
	unrecorded   time.Time // of the last event, if its effect is not in the record yet; the engine's clock
	knownUntil   time.Time // the previous Stoker handled events up to then; the engine's clock
	bootedAt     time.Time // of the engine process; zero if unknown
}

// lifeStart is who began the incarnation, and which events of starts are still to come. Its times are Stoker's clock.
type lifeStart struct {
	by           startedBy
	awaited      time.Time // until then, Stoker's own start was sent and its Started event has not arrived
	behind       time.Time // until then, the start event of the inspected incarnation is still to come
	eventMissing bool      // Stoker began the present incarnation, and its start event has not arrived
	late         time.Time // until then, an unanswered start of Stoker's own may still begin an incarnation
}

// lifeEnd is the last exit.
type lifeEnd struct {
	at              time.Time // of the Exited event, the engine's clock
	inspected       time.Time // in the last inspect, if that showed the incarnation as over; the engine's clock
	code            int
	state           exitState
	unobservedSince time.Time // exitUnobserved; Stoker's clock
	restarting      bool      // the event carried that the engine will start it again
	byDaemon        bool      // the engine's own shutdown stopped it
}

// oomEvent is a report that the kernel killed a process of the incarnation.
type oomEvent struct {
	reported bool      // it was reported, and the incarnation continues
	at       time.Time // the engine's clock
}

// foreignStop is the state of another client's stop, beside Saved.StopIntent.
type foreignStop struct {
	until         time.Time // a stop may be under way, and one of Stoker's own would shorten its grace; Stoker's clock
	window        time.Time // until then the stop explains an exit, whatever the engine's clock shows; Stoker's clock
	pending       []pendingSignal
	confirming    bool // the inspect under way was sent after the stop that holds the worker
	inspectFailed bool // no inspect has succeeded since that stop, so it was the daemon shutting down
}

// ownStop is what was observed of Stoker's own stop.
type ownStop struct {
	issuedHere bool      // by this process
	signals    int       // stop signals seen
	stopped    bool      // the stop event was seen
	former     bool      // it was sent to the previous incarnation, and may still hit this one
	carriedOut bool      // its events arrived in the previous incarnation, and its answer did not
	termAt     time.Time // the first of signals, the engine's clock
	termSeen   time.Time // the same, Stoker's clock; the earliest time if it was replayed
	adopted    time.Time // when this process first waited for a stop of the previous one; Stoker's clock
}

// checks is the worker's health according to its health check.
type checks struct {
	status        Health
	probe         Probe
	unhealthyAt   time.Time // Stoker's clock
	healthySince  time.Time // running, and healthy if it has a health check; Stoker's clock
	resumedAt     time.Time // unpaused, so older probes mean nothing; the engine's clock
	leftReason    Reason    // why an unhealthy worker is left so, reported once: HeldIgnored or HeldNeedsRecreate
	groupDeadline time.Time // since this worker was first inspected, the others had time to be; Stoker's clock
	dueAlone      time.Time // when the heal would be due without waiting for the others
}

// inspects is what is to be inspected.
type inspects struct {
	request        inspectRequest
	tries          int
	stale          bool      // an event arrived while an inspect was under way: the inspect may be older
	outcomeUnknown bool      // the result of the last action is unknown: nothing is done before an inspect
	appliedAt      time.Time // when the last one was applied; Stoker's clock
	vanishedAt     time.Time // an answer reported no such container; Stoker's clock
}

// starvedQuestion is the state of the question whether the worker of the open heal is starved or hung.
type starvedQuestion uint8

const (
	questionOpen        starvedQuestion = iota // it is asked if the heal needs an answer
	questionHostStarved                        // the host is out of CPU: the question is repeated
	questionAnswered
)

// cpuUse is the state of the CPU readings.
type cpuUse struct {
	question   starvedQuestion
	askAt      time.Time // when readings are due for the question; zero if none are needed
	wasStarved bool      // the question is repeated for the same heal after an answer of starved
	statsAt    time.Time // when the next reading for idle-after is due
	lastStats  Stats
	idleSince  time.Time // all readings idle since then; the engine's clock
	workWaits  bool      // for a worker with a source of work
	shown      Share
	shownOf    Incarnation
	display    displayStats // the last reading for people
}

// quota is what is to be done about the CPU quota.
type quota struct {
	updateAt    time.Time // when the quota is to be set; zero if it is correct
	updateTries int
	boostOver   bool // the grace of a starved worker is over
}

// dependents is when the worker's dependents have to be restarted.
type dependents struct {
	at          time.Time // zero if they need not be; Stoker's clock
	parentEnded time.Time // when the last incarnation ended, the engine's clock
	tries       int
}

// containerConfig are the facts of a container that do not change during an incarnation.
type containerConfig struct {
	restart     RestartPolicy
	autoRemove  bool
	stopTimeout time.Duration
	stopSignal  syscall.Signal
	healthcheck bool
	memoryLimit int64 // bytes; 0 is none
	cpus        float64
	cpuPeriod   time.Duration
	probeEvery  time.Duration
	devices     bool
	parents     []string // containers whose namespaces it shares
	pidParent   string
}

// inspectRequest is an inspect requested for some time; a zero due is no request.
type inspectRequest struct {
	due    time.Time
	reason Reason
}
