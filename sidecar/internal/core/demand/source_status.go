package demand

import "time"

// lostAfter is how many requests in a row must fail before a source is lost.
const lostAfter = 3

// SourceStatus is the state of a source, from its answers. The zero value is a source that was not asked yet.
type SourceStatus struct {
	State   SourceState
	Since   time.Time // of State
	Reading Reading   // the last one
	Err     string    // of the last request, if it failed

	failures int
}

// Answer returns the input of a decision.
func (s SourceStatus) Answer() Answer { return Answer{State: s.State, Reading: s.Reading} }

// Answered records a reading. It reports whether the source was lost before.
func (s *SourceStatus) Answered(now time.Time, r Reading) (back bool) {
	back = s.State == SourceLost
	if s.State != SourceAnswered {
		s.Since = now
	}
	s.State, s.Reading, s.failures, s.Err = SourceAnswered, r, 0, ""
	return back
}

// Failed records a failed request. It reports whether the source has just become lost.
func (s *SourceStatus) Failed(now time.Time, err string) (lost bool) {
	s.failures++
	s.Err = err
	switch {
	case s.failures >= lostAfter && s.State != SourceLost:
		s.State, s.Since = SourceLost, now
		return true
	case s.State == SourceAnswered:
		s.State, s.Since = SourceFailing, now
	}
	return false
}
