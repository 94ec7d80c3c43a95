package page

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

const (
	// mostHistory is how many records stand on the page, mostOfOne how many on a worker's own.
	mostHistory = 100
	mostOfOne   = 200
	// outputShown and outputOfOne bound what a health check printed, in bytes. Docker keeps 4096 of each.
	outputShown = 2 << 10
	outputOfOne = 16 << 10
	// mostSpells is how many lines the timeline in words has.
	mostSpells = 50
)

// look is what one request is answered from.
type look struct {
	now     time.Time
	view    fleet.View
	notes   []worker.Event
	past    past
	version string
}

// shown is what the page says.
type shown struct {
	Title   string
	Version string
	Assets  assets
	Now     string // RFC 3339
	Kinds   string // the names of the events that mean news
	Verdict verdict
	Link    link
	Rows    []row
	History []entry
	One     *detail // the page of one worker
}

// detail is one worker at length.
type detail struct {
	row
	Here     bool // it is still looked after
	ID       string
	Expected bool
	Scope    string
	Timeline drawing
	Ticks    []instant
	Spells   []spell
	More     int // spells that are not shown
	History  []entry
}

// spell is a line of the timeline in words.
type spell struct {
	Condition condition
	From      instant
	Took      string
}

// entry is a line of the history.
type entry struct {
	ID      string // the same line has the same one in the next answer
	Key     worker.Key
	Name    string
	Began   instant
	Outcome outcome
	Tone    string
	Fault   worker.Fault
	Intent  worker.Intent
	Heal    worker.HealAction
	Reason  worker.Reason
	Attempt int
	Took    string
	Exit    string
	Detail  string
	Line    string // the first of Output
	Output  string
}

func (l look) frame(files assets) shown {
	v := judge(l.view)
	return shown{
		Title: v.Text, Version: l.version, Assets: files, Now: l.now.UTC().Format("2006-01-02T15:04:05.000Z"), Kinds: kinds(),
		Verdict: v, Link: linkOf(l.view.Engine, l.now),
	}
}

// all is the page of all workers.
func (l look) all(files assets) shown {
	s := l.frame(files)
	s.Rows = l.rows()
	s.History = l.entries(l.notes, mostHistory, outputShown)
	return s
}

// one is the page of one worker, and false when nothing is known of it.
func (l look) one(key worker.Key, files assets) (shown, bool) {
	index := slices.IndexFunc(l.view.Workers, func(w fleet.WorkerView) bool { return w.Key == key })
	notes := l.past.notes[key]
	if index < 0 && len(notes) == 0 {
		return shown{}, false
	}
	w := fleet.WorkerView{Key: key, State: fleet.StateUnknown}
	if index >= 0 {
		w = l.view.Workers[index]
	}
	spans := l.spans(w)
	d := &detail{
		row: l.row(w), Here: index >= 0, ID: brief(plain(w.ID), 12), Expected: w.Expected, Scope: plain(w.Scope),
		Timeline: draw(spans, l.now.Add(-day), l.now, 720, 64), History: l.entries(notes, mostOfOne, outputOfOne),
	}
	for hours := 24; hours >= 0; hours -= 6 {
		d.Ticks = append(d.Ticks, instantOf(l.now.Add(-time.Duration(hours)*time.Hour), l.now))
	}
	d.Spells, d.More = l.spells(spans)
	s := l.frame(files)
	s.One, s.Title = d, d.Name
	return s, true
}

func (l look) spells(spans []span) (spells []spell, more int) {
	for _, s := range slices.Backward(spans) {
		if len(spells) == mostSpells {
			return spells, len(spans) - mostSpells
		}
		spells = append(spells, spell{s.Condition, instantOf(s.From, l.now), lasting(s.To.Sub(s.From))})
	}
	return spells, 0
}

func (l look) entries(notes []worker.Event, most, output int) []entry {
	records := recordsOf(notes, l.now)
	entries := make([]entry, 0, min(most, len(records)))
	for _, r := range records[:cap(entries)] {
		entries = append(entries, l.entry(r, output))
	}
	return entries
}

func (l look) entry(r record, output int) entry {
	n := r.Note
	e := entry{
		Key: n.Key, Name: plain(string(n.Key)), Began: instantOf(r.Began, l.now), Outcome: r.Outcome, Tone: tone(r.Outcome),
		Fault: n.Fault, Intent: n.Intent, Heal: n.Heal, Reason: n.Reason, Attempt: n.Attempt, Detail: cut(plain(n.Detail), output),
		Output: cut(plain(n.Output), output),
	}
	e.ID = strings.Join([]string{strconv.FormatInt(r.Began.UnixNano(), 36), r.about(), e.Name}, " ")
	e.Line = firstLine(e.Output)
	if r.Took > 0 {
		e.Took = lasting(r.Took)
	}
	if n.Fault == worker.FaultExited || n.Fault == worker.FaultOOM {
		e.Exit = strconv.Itoa(n.ExitCode)
	}
	if n.Kind == worker.EventQuota || n.Kind == worker.EventQuotaFailed {
		e.Detail = strings.TrimSpace(cpus(n.From) + " → " + cpus(n.CPUs) + " CPUs " + e.Detail)
	}
	return e
}

// tone is the colour of an outcome.
func tone(o outcome) string {
	switch o {
	case healed, recovered, linkUp, hostWell, followed:
		return "ok"
	case underWay:
		return "busy"
	case failed, refused, quotaFailed, badLabels:
		return "warn"
	case gaveUp, linkLost, hostIll:
		return "bad"
	case dropped, held, released, quotaSet:
	}
	return "idle"
}

// kinds are the names under which the server sends notes.
func kinds() string {
	var names []string
	for _, k := range worker.EventKinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, " ")
}
