package simulation

import (
	"fmt"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/test/dockertest"
)

// plan is all that a run depends on: a value, so that it can be printed, shrunk and replayed.
type plan struct {
	Why           string      // what the plan is kept for
	Seed          uint64      // of the world's latencies
	Mode          policy.Mode // of Stoker's selection
	Parallel      int
	DryRun        bool
	LosesNetworks bool              // the engine, when a start fails because a port is taken
	Pool          *poolPlan         `json:",omitempty"` // nil without a group of workers that depend on work
	Containers    []dockertest.Spec // workers and strangers
	Deeds         []deed            // in the order of their times
	Quiets        []quiet           // in the order of their times
}

// quiet is a time in which all faults have ceased, so that at its end everything must be as it should.
type quiet struct{ From, To time.Duration }

// quietFor is how long a quiet must be for the worst that may be on its way when it begins: an answer that never comes
// is waited for up to a minute, an event that was lost is made up for by the next list, and then a back-off and a stop.
const quietFor = 4 * time.Minute

// deed is one thing that happens.
type deed struct {
	At  time.Duration // since the run began
	Do  what
	Key string        // of which container
	For time.Duration // how long it lasts or takes
	N   int           // how many, which code, which kind
}

// what can happen.
type what string

// What operators do.
const (
	opStop       what = "stop"
	opStopNow    what = "stop-now" // with no grace
	opKill       what = "kill"
	opTerm       what = "kill-term"
	opHup        what = "kill-hup"
	opRestart    what = "restart"
	opStart      what = "start"
	opRemove     what = "rm"
	opStopRm     what = "stop-rm" // docker stop, docker rm
	opPause      what = "pause"
	opUnpause    what = "unpause"
	opRename     what = "rename"
	opNameBack   what = "rename-back"
	opUpdate     what = "update"
	opRun        what = "run"        // with the container's first spec
	opReplace    what = "replace"    // as docker-compose 1 does it
	opReplace2   what = "replace-2"  // as docker compose 2 does it
	opDisconnect what = "disconnect" // from the first of its networks
	opConnect    what = "connect"    // to it
	opPauseAll   what = "stoker-pause-all"
	opPauseOne   what = "stoker-pause"
	opResumeAll  what = "stoker-resume-all"
	opRevive     what = "revive" // start anyone who is down, run anyone who is gone
)

// What workers do.
const (
	doCrash   what = "crash"
	doKilled  what = "killed" // from the host
	doExit    what = "exit"   // with code N
	doOOM     what = "oom"
	doSicken  what = "sicken"
	doHang    what = "hang"
	doHangAll what = "hang-all"
	doRecover what = "recover"
	doLoop    what = "loop" // each life lasts For and ends with N
	doBehave  what = "behave"
	failNext  what = "starts-fail" // the next N
	breakIt   what = "mount-gone"
	mendIt    what = "mount-back"
	takePort  what = "port-taken"
	freePort  what = "port-free"
)

// What the engine does, and what happens to its answers and events.
const (
	engRefuse      what = "refuse"
	engDone        what = "timeout-done"
	engUndone      what = "timeout-undone"
	engSlow        what = "slow"
	engSlowInspect what = "slow-inspect"
	engSlowList    what = "slow-list"
	engDrop        what = "drop-events"
	engDuplicate   what = "duplicate-events"
	engDelay       what = "delay-events"
	engCut         what = "cut-stream"
	engRestart     what = "engine-restart"
	engCrash       what = "engine-crash"
	hostReboot     what = "host-reboot" // in good order, and Stoker is one of the containers
	hostCrash      what = "host-crash"  // and Stoker with it, unless N is 1: it is elsewhere then
	clockStep      what = "clock-step"
)

// What happens to Stoker.
const (
	stokerKilled  what = "stoker-killed"  // and started again after For
	stokerFuse    what = "stoker-fuse"    // killed within its N-th turn from now, and started again after For
	stokerEnded   what = "stoker-ended"   // told to end, and started again after For
	stokerAmnesia what = "stoker-amnesia" // killed, and its journal lost
)

func (d deed) String() string {
	s := fmt.Sprintf("%s %s", d.Do, d.Key)
	if d.For != 0 {
		s += fmt.Sprintf(" for %v", d.For)
	}
	if d.N != 0 {
		s += fmt.Sprintf(" n=%d", d.N)
	}
	return s
}

func (p plan) length() time.Duration {
	if len(p.Quiets) == 0 {
		return quietFor
	}
	return p.Quiets[len(p.Quiets)-1].To
}
