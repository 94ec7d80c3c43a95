package fleet

import (
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// member is a machine with what the fleet keeps about it.
type member struct {
	machine     *worker.Machine
	id          string
	class       worker.ActionClass
	round       uint64
	lastEventAt time.Time // of its newest event, the engine's clock
	undecided   bool      // tentative: the verdict waits for the quota
	action      slot      // the next action
	dependents  slot      // the restart of its dependents
	probe       probe
	outside     outsideProbe
	recycling   recycling
	guarded
	readings
	demanded
}

// guarded is what the overload guard remembers of a member.
type guarded struct {
	timedOutStop time.Time // when it was last stopped for a timed-out probe
	hostStarved  bool      // the host was out of CPU then
	letThrough   bool      // what was collected before its stop took the guard's turn
}

// readings are those of a member's CPU and memory.
type readings struct {
	reading      [purposes]bool // those under way
	stats        slot           // the next one for a decision
	displayStats displayStats
}

// demanded is what the demand of its group means for a member.
type demanded struct {
	group        *group       // whose demand decides how many run; nil for none
	contradicts  bool         // its labels contradict those of its group
	demandState  demand.State // when its group was last decided about
	workReported bool         // it was told that work waits
	use          demandUse
	asleepSince  time.Time // of a clone
}
