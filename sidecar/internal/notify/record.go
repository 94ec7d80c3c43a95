package notify

import (
	"encoding/json"
	"time"

	"stoker/sidecar/internal/lifecycle"
)

// mostField bounds a text of a record, in runes. Docker keeps 4096 bytes of health output.
const mostField = 4096

// The record's own shapes: their field names stay when the ones in the code change. docs/notifications.md has them.

type digestJSON struct {
	Version int            `json:"version"`
	At      time.Time      `json:"at"`
	Host    string         `json:"host"`
	Title   string         `json:"title"`
	Text    string         `json:"text"`
	Counts  map[string]int `json:"counts"`  // by event
	Events  []eventJSON    `json:"events"`  // at most 256
	Omitted int            `json:"omitted"` // events beyond that
	Dropped uint64         `json:"dropped"` // events that there was no room for
	Missed  int            `json:"missed"`  // messages before this one that did not get here
}

type eventJSON struct {
	Event     string           `json:"event"`
	Kind      string           `json:"kind"`
	At        *time.Time       `json:"at"`
	Worker    string           `json:"worker"`
	Container string           `json:"container"`
	Fault     lifecycle.Fault  `json:"fault"`
	Intent    lifecycle.Intent `json:"intent"`
	Heal      lifecycle.Heal   `json:"heal"`
	Reason    lifecycle.Reason `json:"reason"`
	Attempt   int              `json:"attempt"`
	Delay     float64          `json:"delay_seconds"`
	Duration  float64          `json:"duration_seconds"`
	ExitCode  *int             `json:"exit_code"` // null where nothing exited
	CPUsFrom  float64          `json:"cpus_from"`
	CPUs      float64          `json:"cpus"`
	Output    string           `json:"output"`
	Detail    string           `json:"detail"`
	Repeats   int              `json:"repeats"`
}

func (w writer) json(d Digest, m Message, missed int) []byte {
	all := digestJSON{
		Version: 1, At: d.At.UTC(), Host: field(w.host), Title: m.Title, Text: m.Text, Counts: map[string]int{},
		Events: []eventJSON{}, Omitted: omitted(d), Dropped: d.Dropped, Missed: missed,
	}
	for _, e := range d.Events {
		all.Events = append(all.Events, w.event(e))
		all.Counts[w.book.row(e.Kind).event]++
	}
	for kind, n := range d.Omitted {
		all.Counts[w.book.row(kind).event] += n
	}
	body, err := json.Marshal(all)
	if err != nil { // only for numbers that no note can hold
		return []byte(`{}`)
	}
	return body
}

func (w writer) event(e Event) eventJSON {
	n := e.Note
	shown := eventJSON{
		Event: w.book.row(e.Kind).event, Kind: string(n.Kind), At: moment(n.At), Worker: field(string(n.Key)), Container: field(n.ID),
		Fault: n.Fault, Intent: n.Intent, Heal: n.Heal, Reason: n.Reason, Attempt: n.Attempt,
		Delay: n.Delay.Seconds(), Duration: n.Duration.Seconds(), CPUsFrom: n.From, CPUs: n.CPUs,
		Output: field(n.Output), Detail: field(n.Detail), Repeats: e.Repeats,
	}
	if n.Fault == lifecycle.FaultExited || n.Fault == lifecycle.FaultOOM {
		shown.ExitCode = &n.ExitCode
	}
	return shown
}

// field is a string of a container as it stands in a record: line ends are kept, what cannot be seen is not.
func field(s string) string { return clip(printable(head(s, mostField)), mostField) }

// moment leaves out a time that RFC 3339 cannot write, from an engine with a broken clock.
func moment(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}
