package fleet

import (
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// member is a machine and the fleet's state about it.
type member struct {
	machine    *worker.Machine
	id         string
	class      worker.ActionClass
	undecided  bool // tentative: the verdict needs the quota
	action     slot // the next action
	dependents slot // the restart of its dependents
	probe      probe
	outside    outsideProbe
	recycling  recycling
	lastSeen
	guarded
	readings
	demanded
}

// lastSeen is when the stream last showed a member.
type lastSeen struct {
	round       uint64    // of the list
	lastEventAt time.Time // of its newest event, the engine's clock
	listedAt    time.Time // of the last list that showed it under its name, the engine's clock
}

// ahead reports whether events of the container are newer than a list of that time. Events may overtake a list, but not by much; a larger
// difference is a step of the clock.
func (s lastSeen) ahead(at time.Time) bool {
	by := s.lastEventAt.Sub(at)
	return by >= 0 && by < time.Minute
}

// listedSince reports whether a list showed the member after an event of that time. An event may be late, but not by much; a larger difference is a
// step of the clock.
func (s lastSeen) listedSince(at time.Time) bool {
	by := s.listedAt.Sub(at)
	return by > 0 && by < time.Minute
}

// guarded is a member's state for the overload guard.
type guarded struct {
	timedOutStop time.Time // when it was last stopped for a timed-out probe
	hostStarved  bool      // the host was out of CPU then
	letThrough   bool      // the collection before its stop has passed the guard
}

// readings are those of a member's CPU and memory.
type readings struct {
	reading      [purposes]bool // those in flight
	stats        slot           // the next one for a decision
	displayStats displayStats
}

// demanded is a member's state for the demand of its group.
type demanded struct {
	group        *group       // whose demand decides how many run; nil for none
	contradicts  bool         // its labels contradict those of its group
	demandState  demand.State // when the group was last decided
	workReported bool         // it was notified that work waits
	use          demandUse
	asleepSince  time.Time // of a clone
}
