package simulation

import (
	"slices"
	"time"
)

// schedule is the part of a plan that is still to come. Offsets are from the run's start.
type schedule struct {
	faults      []fault   // not injected yet
	quiets      []quiet   // not over yet
	stage       stage     // of the first of quiets
	startAt     time.Time // when the next Stoker starts; zero if no start is planned
	followsHost bool      // Stoker stops and starts with the engine
}

func newSchedule(p plan) schedule {
	return schedule{faults: slices.Clone(p.Faults), quiets: slices.Clone(p.Quiets)}
}

// stage is the progress of a quiet period. The stages follow each other in this order.
type stage uint8

const (
	stageFaults  stage = iota // faults are injected; the quiet period has not begun
	stageBegun                // all faults are cleared
	stageCleared              // cleared once more, for what could not be cleared while the engine was down
	stageWork                 // work was added for the group
	stageChecked              // the work was checked
)

// The time from the beginning of a quiet period to its stages.
const (
	clearAgainAfter = time.Minute
	addWorkAfter    = 100 * time.Second
	checkWorkAfter  = addWorkAfter + poolDeadline
)

// ends returns when the stage ends. Without a pool there is no work to add.
func (s stage) ends(q quiet, pool bool) time.Duration {
	switch {
	case s == stageFaults:
		return q.From
	case s == stageBegun:
		return q.From + clearAgainAfter
	case s == stageCleared && pool:
		return q.From + addWorkAfter
	case s == stageWork:
		return q.From + checkWorkAfter
	}
	return q.To
}

// due returns when the next fault and the end of the stage are due.
func (s *schedule) due(pool bool) []time.Duration {
	var all []time.Duration
	if len(s.faults) > 0 {
		all = append(all, s.faults[0].At)
	}
	if len(s.quiets) > 0 {
		all = append(all, s.stage.ends(s.quiets[0], pool))
	}
	return all
}

// nextFault removes and returns the next fault that is due.
func (s *schedule) nextFault(now time.Duration) (fault, bool) {
	if len(s.faults) == 0 || s.faults[0].At > now {
		return fault{}, false
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f, true
}

// stageEnds reports whether the stage of the quiet period is over.
func (s *schedule) stageEnds(now time.Duration, pool bool) bool {
	return len(s.quiets) > 0 && s.stage.ends(s.quiets[0], pool) <= now
}

// nextStage ends the stage of the quiet period and begins the next one.
func (r *run) nextStage() {
	s := &r.schedule
	switch {
	case s.stage == stageFaults:
		s.stage = stageBegun
		r.beginQuiet()
	case s.stage == stageBegun:
		s.stage = stageCleared
		r.clearFaults()
	case s.stage == stageCleared && r.pool != nil:
		s.stage = stageWork
		r.addWork()
	case s.stage == stageWork:
		s.stage = stageChecked
		r.checkWork()
	default:
		s.stage = stageFaults
		s.quiets = s.quiets[1:]
		r.checkQuiet()
	}
}
