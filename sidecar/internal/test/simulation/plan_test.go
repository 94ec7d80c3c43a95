package simulation

import (
	"fmt"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/test/dockertest"
)

// plan is everything that a run depends on. It is a value, so that it can be printed, shrunk and replayed.
type plan struct {
	Why           string      // the plan is kept in testdata
	Seed          uint64      // of the world's latencies
	Mode          policy.Mode // of Stoker's selector
	Parallel      int
	DryRun        bool
	LosesNetworks bool              // the engine loses networks when a start fails because a port is taken
	Pool          *poolPlan         `json:",omitempty"` // nil without a group with demand
	Containers    []dockertest.Spec // workers, dependents and unmanaged containers
	Faults        []fault           // ordered by time
	Quiets        []quiet           // ordered by time
}

// quiet is a quiet period: no faults are injected, and those before it are cleared. At its end all workers must be in order.
type quiet struct{ From, To time.Duration }

// quietFor is the length of a quiet period. It allows for the slowest recovery: an answer that never comes is awaited for up to a minute, the
// next list makes up for a lost event, and then come a back-off and a stop.
const quietFor = 4 * time.Minute

// fault is one thing that happens in a run: an operator's action, a fault of a worker, of the engine or of Stoker, or a change of the work.
type fault struct {
	At   time.Duration // since the start of the run
	Kind faultKind
	Key  string        // the container
	For  time.Duration // how long it lasts or takes
	N    int           // a number, an exit code or a variant
}

// faultKind is the kind of a fault.
type faultKind string

// Actions of operators.
const (
	opStop        faultKind = "stop"
	opStopNow     faultKind = "stop-now" // without a grace
	opKill        faultKind = "kill"
	opTerm        faultKind = "kill-term"
	opHup         faultKind = "kill-hup"
	opRestart     faultKind = "restart"
	opStart       faultKind = "start"
	opRemove      faultKind = "rm"
	opStopRm      faultKind = "stop-rm" // docker stop, docker rm
	opPause       faultKind = "pause"
	opUnpause     faultKind = "unpause"
	opRename      faultKind = "rename"
	opRenameBack  faultKind = "rename-back"
	opUpdate      faultKind = "update"
	opRun         faultKind = "run"        // with the container's first spec
	opReplace     faultKind = "replace"    // as docker-compose 1 does
	opReplace2    faultKind = "replace-2"  // as docker compose 2 does
	opDisconnect  faultKind = "disconnect" // from its first network
	opConnect     faultKind = "connect"    // to its first network
	opPauseAll    faultKind = "stoker-pause-all"
	opPauseWorker faultKind = "stoker-pause"
	opResumeAll   faultKind = "stoker-resume-all"
	opStartAll    faultKind = "start-all" // start every container that is down, run every one that is removed
)

// Faults of workers and of what they need.
const (
	workerCrash    faultKind = "crash"
	workerKilled   faultKind = "killed" // from the host
	workerExit     faultKind = "exit"   // with code N
	workerOOM      faultKind = "oom"
	probeFails     faultKind = "probe-fails"
	probeHangs     faultKind = "probe-hangs"
	allProbesHang  faultKind = "all-probes-hang"
	probeRecovers  faultKind = "probe-recovers"
	workerLoop     faultKind = "loop"        // each incarnation runs for For and exits with N
	workerRecovers faultKind = "loop-ends"   // the worker behaves as its spec describes
	startsFail     faultKind = "starts-fail" // the next N
	mountGone      faultKind = "mount-gone"
	mountBack      faultKind = "mount-back"
	portTaken      faultKind = "port-taken"
	portFree       faultKind = "port-free"
)

// Faults of the engine, its answers, its events and its host.
const (
	engRefuse        faultKind = "refuse"
	engTimeoutDone   faultKind = "timeout-done"
	engTimeoutUndone faultKind = "timeout-undone"
	engSlow          faultKind = "slow"
	engSlowInspect   faultKind = "slow-inspect"
	engSlowList      faultKind = "slow-list"
	engDrop          faultKind = "drop-events"
	engDuplicate     faultKind = "duplicate-events"
	engDelay         faultKind = "delay-events"
	engCut           faultKind = "cut-stream"
	engRestart       faultKind = "engine-restart"
	engCrash         faultKind = "engine-crash"
	hostReboot       faultKind = "host-reboot" // with a shutdown; Stoker is one of the containers
	hostCrash        faultKind = "host-crash"  // Stoker crashes with it unless N is 1: it runs on another host then
	clockStep        faultKind = "clock-step"
)

// Ends of Stoker. It starts again after For.
const (
	stokerKilled      faultKind = "stoker-killed"
	stokerKilledLater faultKind = "stoker-killed-later" // within N turns
	stokerStopped     faultKind = "stoker-stopped"
	journalLost       faultKind = "journal-lost" // with a kill
)

func (f fault) String() string {
	s := fmt.Sprintf("%s %s", f.Kind, f.Key)
	if f.For != 0 {
		s += fmt.Sprintf(" for %v", f.For)
	}
	if f.N != 0 {
		s += fmt.Sprintf(" n=%d", f.N)
	}
	return s
}

func (p plan) length() time.Duration {
	if len(p.Quiets) == 0 {
		return quietFor
	}
	return p.Quiets[len(p.Quiets)-1].To
}
