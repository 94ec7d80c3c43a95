package history

import (
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"

	"stoker/sidecar/internal/core/worker"
)

// mostText bounds each thing that a container or an engine may say in one event, in bytes.
const mostText = 4 << 10

// mostName bounds a name, which engines keep far shorter.
const mostName = 512

// Event is a note with a number. Its strings are valid UTF-8 of bounded length, and otherwise as hostile as the
// container that said them.
type Entry struct {
	ID uint64 // grows from event to event, also across restarts; not by one
	worker.Event
}

// eventJSON is an event's own shape.
type eventJSON struct {
	ID uint64 `json:"id"`
	worker.Record
}

// MarshalJSON writes the event in the shape that the API and the journal share.
func (e Entry) MarshalJSON() ([]byte, error) {
	return json.Marshal(eventJSON{e.ID, e.Record()})
}

// UnmarshalJSON reads what MarshalJSON wrote. Durations come back to the microsecond or nearly so.
func (e *Entry) UnmarshalJSON(text []byte) error {
	var shown eventJSON
	if err := json.Unmarshal(text, &shown); err != nil {
		return err
	}
	*e = Entry{ID: shown.ID, Event: shown.Event()}
	return nil
}

// clean is n with strings that are bounded and valid, and numbers that JSON can write.
func clean(n worker.Event) worker.Event {
	n.At = n.At.Round(0).UTC()
	n.From, n.CPUs = finite(n.From), finite(n.CPUs)
	n.Key = cleanKey(n.Key)
	n.ID = clip(n.ID, mostName)
	n.Output = clip(n.Output, mostText)
	n.Detail = clip(n.Detail, mostText)
	return n
}

func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

func cleanKey(key worker.Key) worker.Key {
	return worker.Key(clip(string(key), mostName))
}

// clip shortens text to most bytes, the mark of it included, and replaces what is no UTF-8. The rest of a text that is
// cut is not kept in memory.
func clip(text string, most int) string {
	const mark = "…"
	if len(text) <= most && utf8.ValidString(text) {
		return text
	}
	whole := len(text) <= most
	text = strings.ToValidUTF8(strings.Clone(text[:min(len(text), most)]), "\uFFFD") // at most three times as long
	if whole && len(text) <= most {
		return text
	}
	end := min(len(text), most-len(mark))
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// size is about how many bytes an event takes.
func (e Entry) size() int {
	const rest = 320
	return rest + len(e.Key) + len(e.Event.ID) + len(e.Output) + len(e.Detail)
}
