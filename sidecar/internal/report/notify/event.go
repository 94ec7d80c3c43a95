package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stoker/sidecar/internal/core/worker"
)

// The events that have a name of their own, because their note has another or because one note can be two events. All
// other notes are events under their own name.
const (
	eventAll        = "all"
	eventNone       = "none"
	eventGaveUp     = "gave-up"
	eventRecreate   = "recreate"
	eventRefused    = "refused"
	eventEngineLost = "engine-disconnected"
	eventEngineBack = "engine-connected"
	eventHostIll    = "host-overloaded"
	eventHostWell   = "host-recovered"
)

// Defaults is what is told when nobody chose: what a person may have to look at, and not each restart.
func Defaults() []string {
	return []string{eventGaveUp, eventRecreate, eventRefused, eventEngineLost, eventHostIll}
}

// row says how a kind of note is told.
type row struct {
	kind  string // the note's
	event string // what STOKER_NOTIFY_ON calls it
	// one and many follow the name of a worker, or a number of workers. Where there is no worker, one is the sentence.
	one, many string
	meaning   string // for the documentation
}

// rows is every note that can be told. A new kind of note is one line here; without one it can be told by all only.
func rows() []row {
	return []row{
		{"exhausted", eventGaveUp, "has no attempts left", "have no attempts left", "the attempts of a worker are used up"},
		{kindAnew, eventRecreate, "was recreated", "were recreated", "a worker was recreated, or could not be"},
		{kindNotAnew, eventRecreate, "could not be recreated", "could not be recreated", ""},
		{"refused", eventRefused, "cannot be recreated as it is", "cannot be recreated as they are",
			"a recreate would lose something: Stoker restarts the worker instead"},
		{"engine-disconnected", eventEngineLost, "the engine does not answer", "", "Docker does not answer"},
		{"engine-connected", eventEngineBack, "the engine answers again", "", "it does again; also told after `engine-disconnected` was"},
		{"host-overloaded", eventHostIll, "the host is ill: restarts of running workers wait", "",
			"most workers fail together, or the host is out of CPU: restarts of running ones wait"},
		{"host-recovered", eventHostWell, "the host is well again", "", "that is over; also told after `host-overloaded` was"},
		{"problem", "problem", "has wrong labels and is held", "have wrong labels and are held", "labels are wrong, the worker is held"},
		{"fault", "fault", "needs healing", "need healing", "something is wrong with a worker, and a heal was decided on"},
		{"heal-failed", "heal-failed", "was not cured", "were not cured", "one attempt did not cure a worker"},
		{"healed", "healed", "is back", "are back", "a worker is back"},
		{"recovered", "recovered", "is back without Stoker", "are back without Stoker", "cured by itself or by someone else"},
		{"stable", "stable", "is stable", "are stable", "the attempts are counted from 0 again"},
		{"held", "held", "is left alone", "are left alone", "left alone on purpose"},
		{"hung", "hung", "hangs", "hang", "the probe timed out with an idle CPU"},
		{"stats-unavailable", "stats-unavailable", "was judged without CPU readings", "were judged without CPU readings", "decided without CPU readings"},
		{"quota", "quota", "was given its CPU quota", "were given their CPU quota", "a CPU quota was set"},
		{"quota-failed", "quota-failed", "could not be given its CPU quota", "could not be given their CPU quota", "it could not be"},
		{"dependents-restarted", "dependents-restarted", "had its dependents healed", "had their dependents healed", "what lives in a worker's namespaces was healed with it"},
		{"managed", "managed", "is managed", "are looked after", "a worker is looked after from now on"},
		{kindTest, kindTest, "this is a test, notifications work", "", "`stoker notify-test`, whatever is chosen"},
		{"unmanaged", "unmanaged", "is gone", "are gone", "a worker is gone or no longer selected"},
	}
}

// Kinds that are made of another: a heal's end, where the heal was a recreate.
const (
	kindAnew    = "anew"
	kindNotAnew = "not-anew"
	// kindTest is of no note: somebody wants to see a message.
	kindTest = "test"
)

// pairs are the notes that tell of one thing being ill, and well again.
type pair struct{ ill, well string }

func pairs() []pair {
	return []pair{{"engine-disconnected", "engine-connected"}, {"host-overloaded", "host-recovered"}}
}

// book is rows and pairs, to look things up in, and what of them is wanted.
type book struct {
	rows  map[string]row
	pairs map[string]pair // by either kind
	want  map[string]bool
}

// newBook knows which events are wanted; none named is the default ones. Names are events or kinds of notes. The error names
// those that are neither.
func newBook(on []string) (book, error) {
	b := book{rows: map[string]row{}, pairs: map[string]pair{}, want: map[string]bool{}}
	for _, p := range pairs() {
		b.pairs[p.ill], b.pairs[p.well] = p, p
	}
	alias := map[string]string{eventAll: eventAll, eventNone: eventNone}
	var names []string
	for _, r := range rows() {
		b.rows[r.kind] = r
		if r.kind == kindTest {
			continue
		}
		alias[r.kind], alias[r.event] = r.event, r.event
		if !slices.Contains(names, r.event) {
			names = append(names, r.event)
		}
	}
	if len(on) == 0 {
		on = Defaults()
	}
	var problems []error
	for _, name := range on {
		event, ok := alias[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			problems = append(problems, fmt.Errorf("%.40q is not an event; write all, none, or a comma list of %s", name, strings.Join(names, ", ")))
		}
		b.want[event] = true
	}
	if b.want[eventNone] && len(on) > 1 {
		problems = append(problems, errors.New("none stands alone"))
	}
	return b, errors.Join(problems...)
}

func (b book) wants(event string) bool { return b.want[event] || b.want[eventAll] }

// row is how a kind is told; a kind that nobody has written a line for is told by its name.
func (b book) row(kind string) row {
	if r, ok := b.rows[kind]; ok {
		return r
	}
	return row{kind: kind, event: kind, one: "tells: " + kind, many: "tell: " + kind}
}

// kind is what a note is told as: its own kind, or that of a recreate where those are wanted.
func (b book) kind(n worker.Event) string {
	if n.Heal == worker.HealRecreate && b.wants(eventRecreate) {
		switch n.Kind { //nolint:exhaustive // the ends of a heal
		case worker.EventHealed:
			return kindAnew
		case worker.EventHealFailed:
			return kindNotAnew
		}
	}
	return string(n.Kind)
}

// may reports whether a note can be told at all. Whether it is depends on what was told before.
func (b book) may(n worker.Event) bool {
	if p, ok := b.pairs[string(n.Kind)]; ok {
		return b.wants(b.row(p.ill).event) || b.wants(b.row(p.well).event)
	}
	return b.wants(b.row(b.kind(n)).event)
}
