package fleet

import (
	"fmt"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// maxFollows bounds how many groups of dependents are healed at once. Whoever is due at the same time goes in one action, so
// that a storm costs few lists.
const maxDependentGroups = 4

// followDeadline bounds one action: lists, looks, and slow stops one below the other.
const dependentsDeadline = 5 * time.Minute

// followDue sends for the dependents of all workers that began a new life.
func (f *Fleet) restartDependents(now time.Time) {
	if !f.engine.Connected || f.closing || f.set.DryRun || f.restartingDependents >= maxDependentGroups {
		return
	}
	var parents []worker.Parent
	var leaders []*member
	var first time.Time
	for _, s := range f.schedule.dependents.sorted() {
		m := s.m
		if p, due, ok := m.machine.DependentsDue(); ok && !due.After(now) && !m.restartingDependents && f.bound(m) {
			if first.IsZero() || due.Before(first) {
				first = due
			}
			parents, leaders = append(parents, p), append(leaders, m)
		}
	}
	if len(parents) == 0 || f.gathers(now, first) {
		return
	}
	for _, m := range leaders {
		m.restartingDependents = true
	}
	f.restartingDependents++
	spare := map[string]bool{}
	for id := range f.byID {
		spare[id] = true
	}
	f.send(inFlight{parents: parents, leaders: leaders, session: f.session}, worker.Action{
		Key: parents[0].Key, Verb: worker.RestartDependents, Reason: worker.ReasonParentRestarted, Parents: parents, Managed: spare,
		Names: f.names(), Deadline: dependentsDeadline,
	})
}

// followGather is how long dependents wait for those of other workers whose starts are under way: a storm of starts ends one by
// one, and each list costs the engine as much.
const dependentsGather = time.Second

// gathers reports whether it is worth waiting for more, given since when the first one waits.
func (f *Fleet) gathers(now, first time.Time) bool {
	return f.inClass[worker.ClassStart] > 0 && now.Sub(first) < dependentsGather
}

// followWake is when the next dependents are due.
func (f *Fleet) dependentsWake(now time.Time) time.Time {
	var wake time.Time
	for _, s := range f.schedule.dependents.slots {
		due := s.due
		if f.gathers(now, due) {
			due = due.Add(dependentsGather)
		}
		if !s.m.restartingDependents && due.After(now) {
			wake = earliest(wake, due)
		}
	}
	return wake
}

// followed tells the parents what became of their dependents, and those of them that are workers that they are orphaned. A parent may
// have another container by now.
func (f *Fleet) dependentsRestarted(now time.Time, flight inFlight, o worker.Outcome) {
	parents := flight.parents
	f.restartingDependents--
	for i, p := range parents {
		f.reportDependents(now, p, o)
		m := flight.leaders[i]
		m.restartingDependents = false
		if f.byID[m.id] != m {
			continue
		}
		f.step(now, m, worker.DependentsRestarted{Incarnation: p.Incarnation, Again: o.Result != worker.Done})
	}
	for _, d := range o.Dependents {
		if m := f.byID[d.ID]; d.Managed && m != nil {
			f.step(now, m, worker.Orphaned{Parent: d.Parent, Heal: d.Heal, Since: sinceOf(parents, d.Parent)})
		}
	}
}

func sinceOf(parents []worker.Parent, key worker.Key) time.Time {
	for _, p := range parents {
		if p.Key == key {
			return p.StartedAt
		}
	}
	return time.Time{}
}

// tellFollowed makes one record of a group.
func (f *Fleet) reportDependents(now time.Time, p worker.Parent, o worker.Outcome) {
	var words []string
	for _, d := range o.Dependents {
		switch {
		case d.Parent != p.Key:
		case d.Err != "":
			words = append(words, fmt.Sprintf("%s: %s failed: %s", d.Key, d.Heal, d.Err))
		default:
			words = append(words, fmt.Sprintf("%s: %s", d.Key, d.Heal))
		}
	}
	if len(words) == 0 && o.Err == "" {
		return
	}
	if o.Err != "" {
		words = append(words, o.Err)
	}
	f.out.Events = append(f.out.Events, worker.Event{
		At: now, Kind: worker.EventDependentsRestarted, Key: p.Key, ID: p.ID, Reason: worker.ReasonParentRestarted, Detail: strings.Join(words, "; "),
	})
}
