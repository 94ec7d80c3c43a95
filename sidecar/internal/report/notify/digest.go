package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stoker/sidecar/internal/core/worker"
)

const (
	mostListed  = 10   // workers named in one message
	mostTitle   = 120  // runes
	mostText    = 1500 // runes, title included: every service takes that many
	mostBytes   = 3800 // and ntfy makes a file of a message beyond 4096 bytes
	mostName    = 64   // runes of a worker's name
	mostOutput  = 200  // runes of health output
	mostDetail  = 200
	roundToWait = time.Second
)

// Message is one digest in the forms that services take.
type Message struct {
	Title string // one line
	Text  string // lines, without the title
	JSON  []byte // the whole record
	seq   uint64
}

// whole is title and text for those that have no place for a title.
func (m Message) whole() string {
	if m.Text == "" {
		return m.Title
	}
	return m.Title + "\n" + m.Text
}

// writer renders digests. It is pure.
type writer struct {
	book book
	host string
}

// message renders a digest. Missed is how many messages before this one did not reach the same target.
func (w writer) message(d Digest, missed int) Message {
	m := Message{Title: w.title(d), Text: w.text(d, missed)}
	m.JSON = w.json(d, m, missed)
	return m
}

func (w writer) title(d Digest) string {
	name := "stoker"
	if w.host != "" {
		name += " on " + words(w.host, mostName)
	}
	var parts []string
	for _, g := range w.groups(d) {
		parts = append(parts, g.sentence())
	}
	return clip(name+": "+strings.Join(parts, "; "), mostTitle)
}

// group is the events of one kind.
type group struct {
	row    row
	worker string // the only one, if it is
	count  int
}

func (g group) sentence() string {
	switch {
	case g.row.many == "" || g.count == 1 && g.worker == "":
		return g.row.one
	case g.count == 1:
		return g.worker + " " + g.row.one
	}
	return strconv.Itoa(g.count) + " workers " + g.row.many
}

// groups counts workers, not events. The kinds that come first in rows are told first.
func (w writer) groups(d Digest) []group {
	names := map[string]map[worker.Key]bool{}
	for _, e := range d.Events {
		if names[e.Kind] == nil {
			names[e.Kind] = map[worker.Key]bool{}
		}
		names[e.Kind][e.Note.Key] = true
	}
	for kind := range d.Omitted {
		if names[kind] == nil {
			names[kind] = map[worker.Key]bool{}
		}
	}
	var all []group
	for kind, keys := range names {
		g := group{row: w.book.row(kind), count: len(keys) + d.Omitted[kind]}
		for key := range keys {
			g.worker = words(string(key), mostName)
		}
		all = append(all, g)
	}
	order := map[string]int{}
	for n, r := range rows() {
		order[r.kind] = n - len(rows())
	}
	slices.SortFunc(all, func(x, y group) int {
		return cmp.Or(cmp.Compare(order[x.row.kind], order[y.row.kind]), cmp.Compare(x.row.kind, y.row.kind))
	})
	return all
}

// text is a line for each of the first workers, and what is not said in lines.
func (w writer) text(d Digest, missed int) string {
	notes := tail(d, missed)
	left, room := mostText-mostTitle-runes(notes), mostBytes-4*mostTitle-size(notes)
	var lines []string
	several := len(w.groups(d)) > 1
	more := len(d.Events) + omitted(d)
	for _, e := range d.Events {
		line := w.line(e, several)
		if !several && line == "- "+w.book.row(e.Kind).one { // that is the title
			more--
			continue
		}
		const last = 40 // runes for the last line
		if len(lines) == mostListed || left-utf8.RuneCountInString(line)-1 < last || room-len(line)-1 < last {
			break
		}
		more--
		left, room = left-utf8.RuneCountInString(line)-1, room-len(line)-1
		lines = append(lines, line)
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(append(lines, notes...), "\n")
}

func tail(d Digest, missed int) []string {
	var notes []string
	if d.Dropped > 0 {
		notes = append(notes, fmt.Sprintf("(%d events were too many to be told)", d.Dropped))
	}
	if missed > 0 {
		notes = append(notes, fmt.Sprintf("(%d earlier messages could not be sent)", missed))
	}
	return notes
}

func omitted(d Digest) (n int) {
	for _, count := range d.Omitted {
		n += count
	}
	return n
}

func runes(lines []string) (n int) {
	for _, line := range lines {
		n += utf8.RuneCountInString(line) + 1
	}
	return n
}

func size(lines []string) (n int) {
	for _, line := range lines {
		n += len(line) + 1
	}
	return n
}

// line tells one event: who, what, and what is known about it.
func (w writer) line(e Event, several bool) string {
	n, r := e.Note, w.book.row(e.Kind)
	who := words(string(n.Key), mostName)
	if who == "" {
		who = r.one
	} else if several {
		who += " " + r.one
	}
	facts := facts(e)
	if len(facts) == 0 {
		return "- " + who
	}
	line := "- " + who + ": " + strings.Join(facts, ", ")
	if out := words(n.Output, mostOutput); out != "" {
		line += "; health output: " + out
	}
	return line
}

func facts(e Event) []string {
	n := e.Note
	var all []string
	say := func(s string) {
		if s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	say(words(string(n.Fault), mostName))
	if n.Fault == worker.FaultExited {
		say("exit code " + strconv.Itoa(n.ExitCode))
	}
	say(words(string(n.Reason), mostName))
	if n.Attempt > 0 {
		say("attempt " + strconv.Itoa(n.Attempt))
	}
	if n.From > 0 || n.CPUs > 0 {
		say(fmt.Sprintf("CPUs %g to %g", n.From, n.CPUs))
	}
	if n.Duration > 0 {
		say("after " + n.Duration.Round(roundToWait).String())
	}
	if n.Delay > 0 {
		say("next try in " + n.Delay.Round(roundToWait).String())
	}
	if e.Repeats > 1 {
		say(strconv.Itoa(e.Repeats) + " times")
	}
	say(words(n.Detail, mostDetail))
	return all
}
