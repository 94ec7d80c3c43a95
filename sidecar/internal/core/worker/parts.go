package worker

import (
	"syscall"
	"time"
)

// container is what is known of the container itself.
type container struct {
	status            Status
	listed            Status // by the last list before the first inspect
	config            containerConfig
	inspected         bool // config and incarnation come from an inspect of this very container
	hostCPUs          float64
	graceUnknown      bool // the engine may have another default grace than 10 s
	removed           bool
	lastRefusal       string // why it cannot be recreated
	savedBeforeRename *Saved // before a transaction that is not known for Stoker's own gave it another name
}

// startedBy says who began the present incarnation.
type startedBy uint8

const (
	startedByOther startedBy = iota
	startedByDocker
	startedByStoker
	startedByEither // somebody, or Docker by the worker's restart policy: the next inspect tells
)

// exitState is what is still open about the last exit.
type exitState uint8

const (
	exitSettled    exitState = iota // there was none, or it was decided on
	exitPending                     // an exit was seen, and only an inspect can tell what it was
	exitUnobserved                  // an inspect found the worker down, and no event explains it yet
)

// life is what is known of the present incarnation, or of the last one while the worker is down.
type life struct {
	startedAt       time.Time // of the last Started event, the engine's clock
	startedBy       startedBy
	endedAt         time.Time // of the last Exited event, the engine's clock
	exitCode        int
	oomTold         bool      // that the kernel killed a process in it, and it goes on
	oomAt           time.Time // the engine's clock
	awaitStart      time.Time // until then, Stoker's own start was sent and its Started event has not come by
	startBehind     time.Time // until then, the event of the start that an inspect has shown is still to come; Stoker's clock
	exit            exitState
	unobservedSince time.Time // exitUnobserved; Stoker's clock
	noStopEvents    bool      // the engine sends no stop event before an exit (Podman)
	restarting      bool      // the engine said with the exit that it will start it again
	stoppedByDaemon bool      // the engine's own shutdown stopped it
	startUnheard    bool      // Stoker began the present life, and the event of its start has not come
	lateStart       time.Time // until then, Stoker's own start that had no answer may still begin a life; Stoker's clock
	knownUntil      time.Time // the Stoker before this one has dealt with events up to then; the engine's clock
	bootedAt        time.Time // of the engine process; zero when it cannot be told
	delayed         bool      // an inspect found it waiting for its restart by Docker
}

// foreignStop is what is known of somebody else's stop beside Saved.StopIntent.
type foreignStop struct {
	until         time.Time // a stop may be under way, and one of Stoker's own would cut its grace; Stoker's clock
	window        time.Time // until then the stop explains an exit, whatever the engine's clock says; Stoker's clock
	pending       *pendingSignal
	confirming    bool // the inspect under way was sent after the stop that holds the worker
	inspectFailed bool // no inspect has succeeded since that stop, so it was the daemon shutting down
}

// ownStop is what was seen of Stoker's own stop.
type ownStop struct {
	issuedHere bool      // by this very process
	signals    int       // stop signals seen
	stopped    bool      // the stop event was seen
	termAt     time.Time // the first of signals, the engine's clock
	termSeen   time.Time // the same, Stoker's clock
	adopted    time.Time // when this process first waited for a stop that the one before it sent; Stoker's clock
}

// checks is the worker's health as its health check tells it.
type checks struct {
	status        Health
	probe         Probe
	unhealthyAt   time.Time // Stoker's clock
	healthySince  time.Time // running, and healthy if it has a health check; Stoker's clock
	resumedAt     time.Time // thawed, so that older probes mean nothing; the engine's clock
	leftReason    Reason    // why an unhealthy worker is left so, reported once: HeldIgnored or HeldNeedsRecreate
	groupDeadline time.Time // the others had the time to be inspected since this one was first; Stoker's clock
	dueAlone      time.Time // when the heal would be due without waiting for the others
}

// inspects is what has to be looked up.
type inspects struct {
	request        inspectRequest
	tries          int
	stale          bool      // an event arrived while an inspect was under way: the inspect may be older
	outcomeUnknown bool      // the result of the last action is not known: nothing is done before an inspect
	appliedAt      time.Time // when the last one was taken in; Stoker's clock
	vanishedAt     time.Time // an answer said that there is no such container; Stoker's clock
}

// starvedQuestion is how far the question is whether the worker of the open heal is starved or hangs.
type starvedQuestion uint8

const (
	questionOpen        starvedQuestion = iota // it is asked if the heal needs an answer
	questionHostStarved                        // the host is out of CPU: it is asked again
	questionAnswered
)

// cpuUse is what the CPU accounting has shown, and what it is asked for.
type cpuUse struct {
	question   starvedQuestion
	askAt      time.Time // when readings are due that answer it; zero when they are not asked for
	wasStarved bool      // it is open again about the same heal, for it was answered with starved before
	statsAt    time.Time // when the next reading for idle-after is due
	lastStats  Stats
	idleSince  time.Time // nothing but idleness since; the engine's clock
	workWaits  bool      // for a worker with a source of work
	shown      Share
	shownOf    Incarnation
	display    displayStats // the last reading for people
}

// quota is what has to be done about the CPU quota.
type quota struct {
	updateAt    time.Time // when the quota is to be set; zero when it is as it should be
	updateTries int
	boostOver   bool // the grace of a starved worker is over
}

// dependents is when the containers in the worker's namespaces have to be restarted.
type dependents struct {
	at          time.Time // zero when they need not; Stoker's clock
	parentEnded time.Time // when the last incarnation ended, the engine's clock
	tries       int
}

// containerConfig are the facts of a container that do not change during a life.
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

// inspectRequest is an inspect wanted at some time; a zero due is no wish.
type inspectRequest struct {
	due    time.Time
	reason Reason
}
