package notify

import (
	"encoding/json"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// mostField bounds a text of a record, in runes. Docker keeps 4096 bytes of health output.
const mostField = 4096

// The message's own shapes: their field names stay when the ones in the code change. docs/notifications.md has them.

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
	Event string `json:"event"`
	worker.Record
	Repeats int `json:"repeats"`
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
	shown := eventJSON{Event: w.book.row(e.Kind).event, Record: e.Note.Record(), Repeats: e.Repeats}
	shown.Worker, shown.Container = worker.Key(field(string(e.Note.Key))), field(e.Note.ID)
	shown.Output, shown.Detail = field(e.Note.Output), field(e.Note.Detail)
	return shown
}

// field is a string of a container as it stands in a record: line ends are kept, what cannot be seen is not.
func field(s string) string { return clip(printable(head(s, mostField)), mostField) }
