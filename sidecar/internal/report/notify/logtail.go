package notify

import (
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

const (
	// maxTails bounds the workers whose last log lines are remembered.
	maxTails = 256
	// tailAge is how long they are news: a message about the end that they belong to is sent within seconds.
	tailAge = 10 * time.Minute
	// maxTail bounds what is kept of one worker's lines, in bytes; maxTailShown what a message shows of them, in runes.
	maxTail      = 2 << 10
	maxTailShown = 300
)

// logTail is the last log lines of one life.
type logTail struct {
	at    time.Time
	lines string
}

// tailOf reduces an event to the log lines that it brought; false when it brought none. Only workers with stoker.evidence=logs have any.
func tailOf(e worker.Event) (worker.Event, bool) {
	if e.Kind != worker.EventEvidence || e.Evidence == nil || e.Evidence.Logs == "" || e.Key == "" {
		return worker.Event{}, false
	}
	return worker.Event{At: e.At, Kind: e.Kind, Key: e.Key, Evidence: &worker.HealEvidence{Logs: lastBytes(e.Evidence.Logs, maxTail)}}, true
}

// lastBytes is the end of a text, from the beginning of a line if there is one.
func lastBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	text = strings.Clone(text[len(text)-n:])
	if _, rest, found := strings.Cut(text, "\n"); found && rest != "" {
		return rest
	}
	return text
}

// keepTail remembers the lines of a worker, for the messages about the same end.
func (c *collector) keepTail(now time.Time, e worker.Event) {
	if e.Evidence == nil {
		return
	}
	if len(c.tails) >= maxTails && c.tails[e.Key].lines == "" {
		for key, t := range c.tails {
			if now.Sub(t.at) > tailAge {
				delete(c.tails, key)
			}
		}
	}
	if len(c.tails) < maxTails || c.tails[e.Key].lines != "" {
		c.tails[e.Key] = logTail{at: now, lines: e.Evidence.Logs}
	}
}

// withTails gives each item about an end the log lines of its worker. They are read when the worker is down, so that they come after the
// event, and within the time that a message waits.
func (c *collector) withTails(now time.Time, items []Item) []Item {
	for n := range items {
		item := &items[n]
		if t := c.tails[item.Event.Key]; t.lines != "" && endsLife(item.Event.Kind) && now.Sub(t.at) <= tailAge {
			item.LogTail = t.lines
		}
	}
	return items
}

// endsLife reports whether an event is about a worker that has ended, or was ended.
func endsLife(kind worker.EventKind) bool {
	switch kind { //nolint:exhaustive // the others are not about an end
	case worker.EventFault, worker.EventHealFailed, worker.EventHealed, worker.EventExhausted, worker.EventRefused, worker.EventGraceTooShort:
		return true
	}
	return false
}

// tailInMessage is the end of the lines as a message shows it.
func tailInMessage(lines string) string {
	words := []rune(sanitize.Words(lastBytes(lines, maxTail), maxTail))
	if len(words) > maxTailShown {
		words = append([]rune("…"), words[len(words)-maxTailShown+1:]...)
	}
	return escapeMarkup(string(words))
}
