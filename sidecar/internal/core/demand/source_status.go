package demand

import "time"

// lostAfter is how many questions in a row have to fail until a source is lost.
const lostAfter = 3

// SourceStatus is what the answers of a source have shown. The zero value is a source that was not asked yet.
type SourceStatus struct {
	State   SourceState
	Since   time.Time // of State
	Reading Reading   // the last one
	Err     string    // of the last question, if it failed

	failures int
}

// Answer returns what a decision goes by.
func (s SourceStatus) Answer() Answer { return Answer{State: s.State, Reading: s.Reading} }

// Answered takes in a reading. It reports whether the source was lost before.
func (s *SourceStatus) Answered(now time.Time, r Reading) (back bool) {
	back = s.State == SourceLost
	if s.State != SourceAnswered {
		s.Since = now
	}
	s.State, s.Reading, s.failures, s.Err = SourceAnswered, r, 0, ""
	return back
}

// Failed takes in a question that failed. It reports whether the source is lost from now on.
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
