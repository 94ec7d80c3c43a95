package worker

import "time"

// takeOfFleet applies an input from the fleet.
func (m *Machine) takeOfFleet(now time.Time, in Input) {
	switch in := in.(type) {
	case Wake:
		m.wake(now, in)
	case Sleep:
		m.sleep(now, in)
	case WorkReported:
		m.workReported(in)
	case Resume:
		m.resume(now)
	case GroupConflict:
		m.groupConflict(now, in)
	case RecycleTurn:
		m.recycleTurn(now)
	case RecycleNow:
		m.recycleNow(now, in)
	case ProbeAnswered:
		m.probeAnswered(now, in)
	}
}
