package history

import (
	"encoding/json"
	"math"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// maxText bounds each text of a container or an engine in one event, in bytes.
const maxText = 4 << 10

// maxName bounds a name, which engines keep far shorter.
const maxName = 512

// Entry is an event with a number. Its strings are valid UTF-8 of bounded length, and otherwise as hostile as the container that
// they come from.
type Entry struct {
	ID uint64 // increases from event to event, also across restarts; not by one
	worker.Event
}

// entryJSON is the JSON of an entry.
type entryJSON struct {
	ID uint64 `json:"id"`
	worker.Record
	// Evidence is in the journal's file only: the API has a place of its own for it.
	Evidence *worker.HealEvidence `json:"evidence,omitempty"`
}

// MarshalJSON writes the form that the API and the journal share.
func (e Entry) MarshalJSON() ([]byte, error) {
	return json.Marshal(entryJSON{e.ID, e.Record(), e.Evidence})
}

// UnmarshalJSON reads what MarshalJSON wrote. Durations come back to the microsecond or nearly so.
func (e *Entry) UnmarshalJSON(text []byte) error {
	var shown entryJSON
	if err := json.Unmarshal(text, &shown); err != nil {
		return err
	}
	*e = Entry{ID: shown.ID, Event: shown.Event()}
	e.Evidence = shown.Evidence
	return nil
}

// clean returns n with strings that are bounded and valid, and numbers that JSON can write.
func clean(n worker.Event) worker.Event {
	n.At = n.At.Round(0).UTC()
	n.From, n.CPUs = finite(n.From), finite(n.CPUs)
	n.Key = cleanKey(n.Key)
	n.ID = sanitize.Clip(n.ID, maxName)
	n.Output = sanitize.Clip(n.Output, maxText)
	n.Detail = sanitize.Clip(n.Detail, maxText)
	n.Evidence = nil // kept apart
	return n
}

func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

func cleanKey(key worker.Key) worker.Key {
	return worker.Key(sanitize.Clip(string(key), maxName))
}

// size is the approximate memory of an entry in bytes.
func (e Entry) size() int {
	const rest = 320
	return rest + len(e.Key) + len(e.Event.ID) + len(e.Output) + len(e.Detail)
}
