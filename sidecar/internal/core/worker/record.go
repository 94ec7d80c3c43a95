package worker

import "time"

// Record is the form of an Event in the API, in the journal's history and in webhooks. Its field names are independent of those
// in the code (docs/api.md, docs/notifications.md), and every field is always present.
type Record struct {
	At        *time.Time `json:"at"` // null for a time that RFC 3339 cannot represent, from an engine with a broken clock
	Kind      EventKind  `json:"kind"`
	Worker    Key        `json:"worker"`    // empty if the event is about none
	Container string     `json:"container"` // its ID
	Group     string     `json:"group"`     // of workers with a demand; empty if the event is about none
	RecordHeal
	FromCPUs float64 `json:"from_cpus"`
	CPUs     float64 `json:"cpus"`
	Detail   string  `json:"detail"`
}

// RecordHeal is the part of a Record about the heal. Reason is also that of a hold or a quota. In the JSON its fields are on the
// same level as those of the Record.
type RecordHeal struct {
	HealID   uint64     `json:"heal_id"` // of the heal of the event; 0 without one
	Fault    Fault      `json:"fault"`
	Intent   Intent     `json:"intent"`
	Heal     HealAction `json:"heal"`
	Reason   Reason     `json:"reason"`
	Attempt  int        `json:"attempt"`
	Delay    float64    `json:"delay_seconds"`
	Duration float64    `json:"duration_seconds"`
	ExitCode *int       `json:"exit_code"` // null unless something exited
	Output   string     `json:"output"`
}

// Record converts the event to a record, with unchanged strings.
func (n Event) Record() Record {
	r := Record{
		Kind: n.Kind, Worker: n.Key, Container: n.ID, Group: n.Group, FromCPUs: n.From, CPUs: n.CPUs, Detail: n.Detail,
		RecordHeal: RecordHeal{
			HealID: n.HealID, Fault: n.Fault, Intent: n.Intent, Heal: n.Heal, Reason: n.Reason, Attempt: n.Attempt,
			Delay: n.Delay.Seconds(), Duration: n.Duration.Seconds(), Output: n.Output,
		},
	}
	if at := n.At.UTC(); !at.IsZero() && at.Year() > 0 && at.Year() <= 9999 {
		r.At = &at
	}
	if n.Fault == FaultExited || n.Fault == FaultOOM { // otherwise the exit code means nothing
		r.ExitCode = &n.ExitCode
	}
	return r
}

// Event converts the record back to an event. Durations are accurate to about a microsecond.
func (r Record) Event() Event {
	n := Event{
		Kind: r.Kind, Key: r.Worker, ID: r.Container, Group: r.Group, Reason: r.Reason, Detail: r.Detail,
		HealDetails: HealDetails{
			HealID: r.HealID, Fault: r.Fault, Intent: r.Intent, Heal: r.Heal, Attempt: r.Attempt,
			Delay: seconds(r.Delay), Duration: seconds(r.Duration), Output: r.Output,
		},
		QuotaChange: QuotaChange{From: r.FromCPUs, CPUs: r.CPUs},
	}
	if r.At != nil {
		n.At = *r.At
	}
	if r.ExitCode != nil {
		n.ExitCode = *r.ExitCode
	}
	return n
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}
