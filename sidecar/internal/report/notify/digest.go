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
	"stoker/sidecar/internal/sanitize"
)

const (
	maxListed   = 10   // workers named in one message
	maxTitle    = 120  // runes
	maxText     = 1500 // runes, title included: every service takes that many
	maxBytes    = 3800 // and ntfy makes a file of a message beyond 4096 bytes
	maxName     = 64   // runes of a worker's name
	maxOutput   = 200  // runes of health output
	maxDetail   = 200
	roundToWait = time.Second
)

// Message is a digest in the forms that services take.
type Message struct {
	Title string // one line
	Text  string // lines, without the title
	JSON  []byte // the whole record
	seq   uint64
}

// whole returns title and text for services without titles.
func (m Message) whole() string {
	if m.Text == "" {
		return m.Title
	}
	return m.Title + "\n" + m.Text
}

// renderer renders digests. The name of the host is not known before the engine has reported it.
type renderer struct {
	catalog catalog
	host    func() string
}

// message renders a digest. Missed is the number of messages before this one that did not reach the same target.
func (w renderer) message(d Digest, missed int) Message {
	m := Message{Title: w.title(d), Text: w.text(d, missed)}
	m.JSON = w.json(d, m, missed)
	return m
}

func (w renderer) title(d Digest) string {
	name := "stoker"
	if host := w.host(); host != "" {
		name += " on " + inMessage(host, maxName)
	}
	var parts []string
	for _, g := range w.groups(d) {
		parts = append(parts, g.sentence())
	}
	return sanitize.ClipRunes(name+": "+strings.Join(parts, "; "), maxTitle)
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

// groups counts workers, not events. They are in the order of rows.
func (w renderer) groups(d Digest) []group {
	names := map[string]map[worker.Key]bool{}
	for _, e := range d.Items {
		if names[e.Kind] == nil {
			names[e.Kind] = map[worker.Key]bool{}
		}
		names[e.Kind][e.Event.Key] = true
	}
	for kind := range d.Omitted {
		if names[kind] == nil {
			names[kind] = map[worker.Key]bool{}
		}
	}
	var all []group
	for kind, keys := range names {
		g := group{row: w.catalog.row(kind), count: len(keys) + d.Omitted[kind]}
		for key := range keys {
			g.worker = inMessage(string(key), maxName)
		}
		all = append(all, g)
	}
	places := map[string]int{}
	for n, r := range rows() {
		places[r.kind] = n - len(rows())
	}
	slices.SortFunc(all, func(x, y group) int {
		return cmp.Or(cmp.Compare(places[x.row.kind], places[y.row.kind]), cmp.Compare(x.row.kind, y.row.kind))
	})
	return all
}

// text has a line for each of the first events, and the number of the others.
func (w renderer) text(d Digest, missed int) string {
	rest := tail(d, missed)
	left, room := maxText-maxTitle-runes(rest), maxBytes-4*maxTitle-size(rest)
	var lines []string
	several := len(w.groups(d)) > 1
	more := len(d.Items) + omitted(d)
	for _, e := range d.Items {
		line := w.line(e, several)
		if !several && line == "- "+w.catalog.row(e.Kind).one { // that is the title
			more--
			continue
		}
		const last = 40 // runes for the last line
		if len(lines) == maxListed || left-utf8.RuneCountInString(line)-1 < last || room-len(line)-1 < last {
			break
		}
		more--
		left, room = left-utf8.RuneCountInString(line)-1, room-len(line)-1
		lines = append(lines, line)
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(append(lines, rest...), "\n")
}

func tail(d Digest, missed int) []string {
	var lines []string
	if d.Dropped > 0 {
		lines = append(lines, fmt.Sprintf("(%d events were dropped: too many at once)", d.Dropped))
	}
	if missed > 0 {
		lines = append(lines, fmt.Sprintf("(%d earlier messages could not be sent)", missed))
	}
	return lines
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

// line is one event: the worker, what happened, and the facts.
func (w renderer) line(e Item, several bool) string {
	n, r := e.Event, w.catalog.row(e.Kind)
	who := inMessage(string(n.Key), maxName)
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
	if out := inMessage(n.Output, maxOutput); out != "" {
		line += "; health output: " + out
	}
	if tail := tailInMessage(e.LogTail); tail != "" {
		line += "; last log lines: " + tail
	}
	return line
}

func facts(e Item) []string {
	n := e.Event
	var all []string
	add := func(s string) {
		if s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	add(inMessage(string(n.Fault), maxName))
	if n.Fault == worker.FaultExited {
		add("exit code " + strconv.Itoa(n.ExitCode))
	}
	add(inMessage(string(n.Reason), maxName))
	if n.Attempt > 0 {
		add("attempt " + strconv.Itoa(n.Attempt))
	}
	if n.From > 0 || n.CPUs > 0 {
		add(fmt.Sprintf("CPUs %g to %g", n.From, n.CPUs))
	}
	if n.Duration > 0 {
		add("after " + n.Duration.Round(roundToWait).String())
	}
	if n.Delay > 0 {
		add("next try in " + n.Delay.Round(roundToWait).String())
	}
	if e.Repeats > 1 {
		add(strconv.Itoa(e.Repeats) + " times")
	}
	add(inMessage(n.Detail, maxDetail))
	return all
}
