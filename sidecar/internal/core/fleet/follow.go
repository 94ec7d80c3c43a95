package fleet

import (
	"fmt"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// maxFollows bounds how many groups of dependents are healed at once. Whoever is due at the same time goes in one action, so
// that a storm costs few lists.
const maxFollows = 4

// followDeadline bounds one action: lists, looks, and slow stops one below the other.
const followDeadline = 5 * time.Minute

// followDue sends for the dependents of all workers that began a new life.
func (f *Fleet) followDue(now time.Time) {
	if !f.link.Up || f.closing || f.set.DryRun || f.following >= maxFollows {
		return
	}
	var parents []worker.Parent
	var leaders []*member
	var first time.Time
	for _, m := range f.sorted() {
		if p, due, ok := m.machine.Leads(); ok && !due.After(now) && !m.following && f.seated(m) {
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
		m.following = true
	}
	f.following++
	spare := map[string]bool{}
	for id := range f.byID {
		spare[id] = true
	}
	f.send(flight{parents: parents, leaders: leaders, session: f.session}, worker.Action{
		Key: parents[0].Key, Verb: worker.Follow, Reason: worker.ReasonParentHealed, Parents: parents, Spare: spare,
		Names: f.names(), Deadline: followDeadline,
	})
}

// followGather is how long dependents wait for those of other workers whose starts are under way: a storm of starts ends one by
// one, and each list costs the engine as much.
const followGather = time.Second

// gathers tells whether it is worth waiting for more, given since when the first one waits.
func (f *Fleet) gathers(now, first time.Time) bool {
	return f.inLane[worker.LaneStart] > 0 && now.Sub(first) < followGather
}

// followWake is when the next dependents are due.
func (f *Fleet) followWake(now time.Time, wake time.Time) time.Time {
	for _, m := range f.byID {
		_, due, ok := m.machine.Leads()
		if ok && f.gathers(now, due) {
			due = due.Add(followGather)
		}
		if ok && !m.following && due.After(now) && (wake.IsZero() || due.Before(wake)) {
			wake = due
		}
	}
	return wake
}

// followed tells the parents what became of their dependents, and those of them that are workers that they are stranded. A parent may
// have another container by now.
func (f *Fleet) followed(now time.Time, flight flight, o worker.Outcome) {
	parents := flight.parents
	f.following--
	for i, p := range parents {
		f.tellFollowed(now, p, o)
		m := flight.leaders[i]
		m.following = false
		if f.byID[m.id] != m {
			continue
		}
		f.step(now, m, worker.Followed{Incarnation: p.Incarnation, Again: o.Result != worker.Done})
	}
	for _, d := range o.Dependents {
		if m := f.byID[d.ID]; d.Spared && m != nil {
			f.step(now, m, worker.Stranded{Parent: d.Parent, Heal: d.Heal, Since: sinceOf(parents, d.Parent)})
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
func (f *Fleet) tellFollowed(now time.Time, p worker.Parent, o worker.Outcome) {
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
	f.out.Notes = append(f.out.Notes, worker.Note{
		At: now, Kind: worker.NoteFollowed, Key: p.Key, ID: p.ID, Reason: worker.ReasonParentHealed, Detail: strings.Join(words, "; "),
	})
}
