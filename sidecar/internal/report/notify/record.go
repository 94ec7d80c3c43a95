package notify

import (
	"encoding/json"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// mostField bounds a text of a record, in runes. Docker keeps 4096 bytes of health output.
const maxField = 4096

// The types of the record: their field names are stable when those in the code change. docs/notifications.md documents them.

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
	Missed  int            `json:"missed"`  // messages before this one that were not delivered
}

type eventJSON struct {
	Event string `json:"event"`
	worker.Record
	Repeats int `json:"repeats"`
}

func (w renderer) json(d Digest, m Message, missed int) []byte {
	all := digestJSON{
		Version: 1, At: d.At.UTC(), Host: field(w.host()), Title: m.Title, Text: m.Text, Counts: map[string]int{},
		Events: []eventJSON{}, Omitted: omitted(d), Dropped: d.Dropped, Missed: missed,
	}
	for _, e := range d.Items {
		all.Events = append(all.Events, w.event(e))
		all.Counts[w.catalog.row(e.Kind).event]++
	}
	for kind, n := range d.Omitted {
		all.Counts[w.catalog.row(kind).event] += n
	}
	body, err := json.Marshal(all)
	if err != nil { // only for numbers that no event contains
		return []byte(`{}`)
	}
	return body
}

func (w renderer) event(e Item) eventJSON {
	shown := eventJSON{Event: w.catalog.row(e.Kind).event, Record: e.Event.Record(), Repeats: e.Repeats}
	shown.Worker, shown.Container = worker.Key(field(string(e.Event.Key))), field(e.Event.ID)
	shown.Output, shown.Detail = field(e.Event.Output), field(e.Event.Detail)
	return shown
}
