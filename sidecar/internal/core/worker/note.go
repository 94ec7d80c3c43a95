package worker

import "time"

// NoteKind says what a Note tells.
type NoteKind string

// The notes. Machines never log: one sink turns notes into log lines, journal records, metrics and messages.
const (
	NoteTaken       NoteKind = "taken"        // a worker is looked after from now on
	NoteReleased    NoteKind = "released"     // a worker is gone or no longer selected
	NoteProblem     NoteKind = "problem"      // its labels are wrong; it is held
	NoteHeld        NoteKind = "held"         // left alone on purpose
	NoteFault       NoteKind = "fault"        // something is wrong and a heal was decided on
	NoteHealFailed  NoteKind = "heal-failed"  // one attempt did not cure it
	NoteHealed      NoteKind = "healed"       // running, and healthy if it has a health check
	NoteRecovered   NoteKind = "recovered"    // cured by itself or by someone else
	NoteStable      NoteKind = "stable"       // the attempts went back to 0
	NoteExhausted   NoteKind = "exhausted"    // the budget is used up
	NoteRefused     NoteKind = "refused"      // it cannot be made anew faithfully, and is restarted instead
	NoteHung        NoteKind = "hung"         // its probe timed out with an idle CPU: it is healed at once
	NoteBlind       NoteKind = "blind"        // decided without the CPU readings that were asked for
	NoteQuota       NoteKind = "quota"        // its CPU quota was set, from From to CPUs
	NoteQuotaFailed NoteKind = "quota-failed" // it could not be; that is tried again
	NoteFollowed    NoteKind = "followed"     // what lives in its namespaces was healed with it, or could not be
	NoteLinkLost    NoteKind = "link-lost"    // the engine does not answer
	NoteLinkUp      NoteKind = "link-up"      // it does, and the picture is complete
	NoteHostIll     NoteKind = "host-ill"     // restarts of running workers wait
	NoteHostWell    NoteKind = "host-well"    // they do not any more
)

// Note is one fact for people. Strings that come from a container (Output, Detail) are as hostile as the container.
type Note struct {
	At       time.Time
	Kind     NoteKind
	Key      Key
	ID       string // container ID
	Fault    Fault
	Intent   Intent
	Heal     Heal
	Reason   Reason
	Attempt  int
	Delay    time.Duration // NoteFault, NoteHealFailed: wait before the next attempt
	Duration time.Duration // NoteHealed, NoteHealFailed: since the fault was seen
	ExitCode int           // meaningful for FaultExited and FaultOOM
	Output   string        // the last health output
	From     float64       // NoteQuota, NoteQuotaFailed: CPUs before; 0 is none
	CPUs     float64       // and after
	Detail   string        // the engine's error, the label problem
}
