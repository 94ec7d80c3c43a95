package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/enginetest"
	"stoker/sidecar/internal/fleet"
	"stoker/sidecar/internal/lifecycle"
	"stoker/sidecar/internal/policy"
)

// What needs the whole story is checked at the end of a run, and what needs quiet at the end of each quiet.

// checkQuiet is I5, and more: when faults have ceased for long enough, what should run runs, what does not has an honest
// reason, and Stoker shows things as they are.
func (r *run) checkQuiet() {
	v := r.view()
	shown := map[string]fleet.Worker{}
	for _, w := range v.Workers {
		shown[w.ID] = w
	}
	if !v.Link.Up {
		r.blame("I5: the link is down at the end of a quiet")
		return
	}
	for _, t := range r.w.Truths() {
		if !t.Gone {
			w, ok := shown[t.ID]
			delete(shown, t.ID)
			r.checkOne(t, w, ok)
		}
	}
	for _, w := range shown {
		r.checkMissing(w)
	}
	r.checkWhole()
}

func (r *run) checkOne(t enginetest.Truth, w fleet.Worker, ok bool) {
	if strings.HasSuffix(string(t.Key), lifecycle.NewSuffix) || strings.HasSuffix(string(t.Key), lifecycle.AsideSuffix) {
		return // it is half of a worker
	}
	ours := r.isWorker(t)
	if ours != ok && len(barred(t)) == 0 {
		r.blame("%s: worker %v, shown %v", t.Key, ours, ok)
	}
	if !ours || !ok {
		return
	}
	if w.Key != t.Key || w.Status != t.Status || t.Status == lifecycle.StatusRunning && w.Health != t.Health {
		r.blame("%s is %s %s, and shown as %s %s %s", t.Key, t.Status, t.Health, w.Key, w.Status, w.Health)
	}
	if t.Status == lifecycle.StatusRunning {
		if w.State != fleet.StateRunning && w.State != fleet.StateStarting {
			r.blame("I5: %s runs, and its state is %s (%s, heal %s)", t.Key, w.State, w.Held, w.Heal)
		}
		return
	}
	if t.Wanted && !r.plan.DryRun {
		if why := r.mayBeDown(t, w); why != "" {
			r.blame("I5: %s is %s (code %d %s), state %s %s: %s", t.Key, t.Status, t.ExitCode, t.StartError, w.State, w.Held, why)
		}
	}
}

// checkMissing: a worker without a container is one that is to be made anew, and cannot be.
func (r *run) checkMissing(w fleet.Worker) {
	t, _ := r.w.TruthByID(w.ID)
	unfit := r.homeless(t) || r.specs[strings.TrimSuffix(string(w.Key), "x")].Unfit != ""
	if w.Heal == lifecycle.HealRecreate && unfit || w.Held == lifecycle.HeldExhausted || w.Held == lifecycle.HeldDryRun {
		return
	}
	r.blame("I5: %s has no container at the end of a quiet (%s %s %s)", w.Key, w.State, w.Held, w.Heal)
}

// checkWhole is I6: no transaction is left in the middle, and no worker is two containers or none.
func (r *run) checkWhole() {
	alive, lost := map[string]int{}, map[string]bool{}
	for _, t := range r.w.Truths() {
		root := r.root(t)
		if t.Gone {
			byStoker := r.removedBy(t.ID) == enginetest.ByStoker
			if before, known := lost[root]; !known || before {
				lost[root] = byStoker
			}
			continue
		}
		name := string(t.Key)
		if !r.acting() && (strings.HasSuffix(name, lifecycle.NewSuffix) || strings.HasSuffix(name, lifecycle.AsideSuffix)) {
			r.blame("I6: %s is left behind", name)
		}
		if alive[root]++; alive[root] > 1 && !r.acting() && !r.renamed(root) {
			r.blame("I6: there are two containers of %s", name)
		}
	}
	for _, t := range r.w.Truths() {
		if lost[t.ID] && alive[t.ID] == 0 {
			r.blame("I6: Stoker has lost %s", t.Key)
		}
	}
	r.checkStranded()
}

func (r *run) removedBy(id string) enginetest.Actor {
	for _, e := range r.w.Events() {
		if e.ID == id && e.Action == "destroy" {
			return e.By
		}
	}
	return ""
}

// renamed tells whether people have renamed one of the containers that replaced each other: then both may be theirs.
func (r *run) renamed(root string) bool {
	return slices.ContainsFunc(r.w.Events(), func(e enginetest.Event) bool {
		t, _ := r.w.TruthByID(e.ID)
		return e.Action == "rename" && e.By == enginetest.ByOperator && r.root(t) == root
	})
}

// acting tells whether a transaction is under way: who cannot start is tried for ever.
func (r *run) acting() bool {
	for _, a := range r.stoker.flying {
		if a.Verb == lifecycle.Recreate || a.Verb == lifecycle.Resume || a.Verb == lifecycle.Follow {
			return true
		}
	}
	return false
}

// root is the first of the containers that replaced each other up to this one.
func (r *run) root(t enginetest.Truth) string {
	for {
		_, of, ok := lifecycle.Heir(t.Labels)
		old, found := r.w.TruthByID(of)
		if !ok || !found {
			return t.ID
		}
		t = old
	}
}

// checkStranded: whoever runs, runs in namespaces that somebody else is in. Without the journal nobody knows what lives a
// worker had before, events that are lost tell of none, and a clock that stepped does not tell which came first.
func (r *run) checkStranded() {
	if r.plan.DryRun || !r.amnesia.IsZero() || len(r.steps) > 0 || len(r.drops) > 0 || r.acting() {
		return
	}
	for _, t := range r.w.Stranded() {
		if p, ok := r.w.Truth(guestsOf); ok && !p.Gone && p.Status == lifecycle.StatusRunning && r.leads(t, p) {
			r.blame("%s is stranded", t.Key)
		}
	}
}

// leads tells whether a container is one that Stoker has to heal after its parent.
func (r *run) leads(t, parent enginetest.Truth) bool {
	same := slices.ContainsFunc(t.Parents, func(ref string) bool {
		p, _ := r.w.TruthByID(ref)
		return r.root(p) == r.root(parent)
	})
	return same && r.isWorker(parent) && t.Unfit == "" && parent.Labels["stoker.dependents"] != "none"
}

// barred is why a container that Stoker shows is never touched.
func barred(t enginetest.Truth) string {
	l := t.Labels
	return l["com.docker.swarm.task.id"] + l["com.docker.compose.oneoff"] + l["stoker.max-atempts"] + l["stoker.on-exit"]
}

// homeless tells whether a container cannot start: what it lives in does not run, or was made anew while it was down, and it
// is not to be made anew itself, or not before its attempts are used up.
func (r *run) homeless(t enginetest.Truth) bool {
	p := r.policyOf(t)
	never := t.Unfit != "" || p.RecreateAfter == 0 || p.MaxAttempts > 0
	for _, ref := range t.Parents {
		parent, _ := r.w.TruthByID(ref)
		up := slices.ContainsFunc(r.w.Truths(), func(other enginetest.Truth) bool {
			return !other.Gone && other.Status == lifecycle.StatusRunning && r.root(other) == r.root(parent)
		})
		if !up || (parent.Gone && never) {
			return true
		}
	}
	return false
}

// nameOf is the name that a container was made under by its plan.
func nameOf(t enginetest.Truth) string {
	_, name, cut := strings.Cut(string(t.Key), "_")
	if !cut {
		name = string(t.Key)
	}
	return strings.TrimSuffix(name, "x")
}

// mayBeDown says what is wrong about a worker that is down although an operator wants it, or nothing.
func (r *run) mayBeDown(t enginetest.Truth, w fleet.Worker) string {
	if taken := r.specs[nameOf(t)].HostPort; r.homeless(t) || (taken != 0 && strings.Contains(t.StartError, "address already in use")) {
		return "" // one that was renamed, or that a compose which was cut short left behind, has the port
	}
	p := r.policyOf(t)
	clean := t.ExitCode == 0 && !t.OOMKilled && t.StartError == ""
	done := p.OnExit == policy.OnExitNever || clean && p.OnExit == policy.OnExitFailure ||
		clean && t.RestartPolicy.Name == "on-failure" && !p.OnExitExplicit
	switch w.Held {
	case lifecycle.HeldExhausted:
		if p.MaxAttempts > 0 && w.Attempts >= p.MaxAttempts && p.WhenExhausted == policy.WhenExhaustedHold {
			return ""
		}
		return fmt.Sprintf("%d attempts of %d", w.Attempts, p.MaxAttempts)
	case lifecycle.HeldFinished:
		if done || r.lastWord(t.ID) {
			return ""
		}
		return "its work is not done"
	case lifecycle.HeldEndUnseen:
		if !r.amnesia.IsZero() || !r.journal.expected[t.ID] || !r.heardStart(t.ID) {
			return ""
		}
		return "its end was seen, or it was expected to run"
	case lifecycle.HeldReplaced:
		if strings.Contains(string(t.Key), "_") {
			return ""
		}
		return "nobody replaces it"
	case lifecycle.HeldOperator:
		if r.lastWord(t.ID) || r.untold() || r.strayStop(t.ID) || len(r.drops) > 0 || !r.amnesia.IsZero() {
			return ""
		}
		return "no operator stopped it"
	}
	return "it should run"
}

// heardStart tells whether Stoker ever heard of the last start of a container.
func (r *run) heardStart(id string) bool {
	heard := false
	for _, e := range r.w.Events() {
		if e.ID == id && e.Action == "start" {
			_, heard = r.journal.heard[sound{id, lifecycle.Started, e.At.UnixNano()}]
		}
	}
	return heard
}

// lastWord tells whether an operator's restart left a container stopped: its start came to nothing, and none came after it.
func (r *run) lastWord(id string) bool {
	down := false
	for _, a := range r.w.Audit() {
		if a.By != enginetest.ByOperator || a.Incarnation.ID != id {
			continue
		}
		switch {
		case a.Op == enginetest.OpRestart:
			down = !a.Effect
		case a.Op == enginetest.OpStart && a.Effect:
			down = false
		}
	}
	return down
}

// untold tells whether Stoker could not see a shutdown of the engine for what it was: because Stoker ended in the midst of it,
// because events of it were lost, because the clock stepped in it, or because a container was started in the midst of it, which a shutdown does not do.
func (r *run) untold() bool {
	const longest = 40 * time.Second
	within := func(at, fall time.Time) bool { return !at.Before(fall) && at.Sub(fall) < longest }
	for _, fall := range r.falls {
		for _, at := range r.deaths {
			if within(at, fall) {
				return true
			}
		}
		for _, at := range slices.Concat(r.drops, r.steps) {
			if within(at, fall.Add(-longest)) || within(at, fall) {
				return true
			}
		}
		for _, e := range r.w.Events() {
			if e.Action == "start" && e.By != enginetest.ByEngine && within(e.TrueAt, fall) {
				return true
			}
		}
	}
	return false
}

// strayStop tells whether a stop of Stoker's own took so long on its way that it hit a later life than it was meant for.
func (r *run) strayStop(id string) bool {
	return slices.ContainsFunc(r.w.Audit(), func(a enginetest.Record) bool {
		return a.By == enginetest.ByStoker && a.Op == enginetest.OpStop && a.Incarnation.ID == id &&
			!a.Incarnation.StartedAt.Equal(a.Action.Incarnation.StartedAt)
	})
}

// checkWorld holds the whole run against I1 over several Stokers, I2, I4 and I7.
func (r *run) checkWorld() {
	truths := map[string]enginetest.Truth{}
	for _, t := range r.w.Truths() {
		truths[t.ID] = t
	}
	mine := map[string][]enginetest.Record{}
	for _, a := range r.w.Audit() {
		if a.By != enginetest.ByStoker || a.Incarnation.ID == "" {
			continue
		}
		t := truths[a.Incarnation.ID]
		switch {
		case a.Op == enginetest.OpStop && a.Action.Verb == lifecycle.Stop:
			r.checkLife(a, t)
			r.checkSecondStop(a, mine[t.ID])
		case a.Op == enginetest.OpStop: // a transaction's, which the next one goes on with
		case a.Op == enginetest.OpStart, a.Op == enginetest.OpRestart:
			r.checkObeyed(a, t, r.w.History(t.ID))
		default:
			continue
		}
		r.starts++
		mine[t.ID] = append(mine[t.ID], a)
	}
	for _, t := range r.w.Truths() {
		r.checkBudget(t, mine[t.ID])
	}
}

// checkLife is I2 and rule 1: right before its stop Stoker looked, so that a life or a health that is older than that was
// known.
func (r *run) checkLife(a enginetest.Record, t enginetest.Truth) {
	const looked = 20 * time.Millisecond
	decided := a.Action.Incarnation
	for _, l := range t.Lives {
		if l.Incarnation.StartedAt.After(decided.StartedAt) && l.Began.Before(a.Sent.Add(-looked)) && l.Incarnation.StartedAt != decided.StartedAt {
			if l.Began.After(a.Sent.Add(-time.Hour)) && a.Incarnation.StartedAt.Equal(l.Incarnation.StartedAt) {
				r.blame("I2: %s was decided on the life of %s", &a, decided.StartedAt.Format("15:04:05.000"))
			}
		}
	}
}

// checkSecondStop is I1 across Stokers: the stop that an earlier one sent is known from the journal.
func (r *run) checkSecondStop(a enginetest.Record, before []enginetest.Record) {
	if len(before) == 0 {
		return
	}
	last := before[len(before)-1]
	running := last.Op == enginetest.OpStop && (last.Done.IsZero() || last.Done.After(a.Sent)) && last.Effect
	if running && last.Done.After(a.Sent) && (!r.amnesia.After(last.Sent) || !r.amnesia.Before(a.Sent)) {
		r.blame("I1: %s while %s is under way", &a, &last)
	}
}

// heardBy tells whether Stoker had heard an event when it sent a request, and had not lost it with its journal.
func (r *run) heardBy(e enginetest.Event, kind lifecycle.Kind, a enginetest.Record) bool {
	at, ok := r.journal.heard[sound{e.ID, kind, e.At.UnixNano()}]
	return ok && at.Before(a.Sent)
}

// checkObeyed is I4: no start against an operator's word that Stoker had heard. A signal is a word if the end comes within
// the time in which it explains one; a completed stop is one in any case.
func (r *run) checkObeyed(a enginetest.Record, t enginetest.Truth, events []enginetest.Event) {
	if !a.Effect {
		return
	}
	var signal, stop *enginetest.Event
	window := policy.Default().Grace(t.StopTimeout) + 10*time.Second
	for i := range events {
		e := &events[i]
		if e.TrueAt.After(a.Arrived) {
			break
		}
		switch {
		case e.Action == "start", e.Action == "destroy" && r.w.MayComeBack(*e):
			signal, stop = nil, nil
		case e.Action == "kill" && e.By == enginetest.ByOperator && meansStop(e.Signal, t) && r.heardBy(*e, lifecycle.Signalled, a):
			signal = e
		case e.Action == "die" && e.By == enginetest.ByOperator && signal != nil && e.TrueAt.Sub(signal.TrueAt) <= window:
			stop = e
		case e.Action == "stop" && e.By == enginetest.ByOperator && r.heardBy(*e, lifecycle.Stopped, a):
			stop = e
		}
	}
	switch {
	case !r.amnesia.IsZero() && len(r.steps) > 0: // nothing is left to tell one life from another
	case stop == nil, r.fellAfter(stop.TrueAt, a.Sent), r.mistaken(a, stop), r.dropped(stop.TrueAt):
	case signal != nil && r.stepped(signal.TrueAt, stop.TrueAt): // nobody can tell how long it was between them
	default:
		r.blame("I4: %s undoes the operator's %s of %s", &a, stop.Action, stop.TrueAt.Sub(r.start))
	}
}

// dropped tells whether events were lost shortly before.
func (r *run) dropped(at time.Time) bool {
	return slices.ContainsFunc(r.drops, func(drop time.Time) bool { return drop.Before(at) && at.Sub(drop) < 2*time.Minute })
}

// mistaken tells whether an operator's stop came while a stop of Stoker's own was on its way, which came to nothing: then
// the one signal that was seen may be either's.
func (r *run) mistaken(start enginetest.Record, stop *enginetest.Event) bool {
	return slices.ContainsFunc(r.w.Audit(), func(a enginetest.Record) bool {
		return a.By == enginetest.ByStoker && a.Op == enginetest.OpStop && (a.Action.Incarnation.ID == start.Incarnation.ID || a.Incarnation.ID == stop.ID) &&
			a.Sent.Before(stop.TrueAt) && (a.Arrived.After(stop.TrueAt) || !a.Effect && a.Answered.After(stop.TrueAt.Add(-time.Second)))
	})
}

// stepped tells whether the clock stepped between two times.
func (r *run) stepped(from, to time.Time) bool {
	return slices.ContainsFunc(r.steps, func(at time.Time) bool { return !at.Before(from) && !at.After(to) })
}

func meansStop(signal int, t enginetest.Truth) bool {
	return signal == 15 || signal == 9 || signal == 2 || signal == 3 || signal == int(t.StopSignal)
}

// fellAfter tells whether the engine went down so soon after a stop that the stop may have been its own.
func (r *run) fellAfter(stop, sent time.Time) bool {
	for _, fall := range r.falls {
		if fall.Before(sent) && fall.Sub(stop) < 36*time.Second && fall.Sub(stop) > -36*time.Second {
			return true
		}
	}
	return false
}

// checkBudget is I7, counted in the engine.
func (r *run) checkBudget(t enginetest.Truth, mine []enginetest.Record) {
	p := r.policyOf(t)
	if p.MaxAttempts == 0 || p.WhenExhausted == policy.WhenExhaustedRetry || !r.amnesia.IsZero() {
		return
	}
	limit := p.MaxAttempts + r.forgiven[string(t.Key)] + len(r.drops) // a life whose end was not told is longer than it was
	attempts := 0
	var since time.Time
	for _, a := range mine {
		if a.Op != enginetest.OpStart || a.Action.Verb != lifecycle.Start {
			continue
		}
		if settled(t, since, a.Sent, p.StableAfter) {
			attempts = 0
		}
		since = a.Sent
		if attempts++; attempts > limit {
			r.blame("I7: %s is attempt %d of %d", &a, attempts, limit)
			return
		}
	}
}

// settled tells whether a container had between two times a life long enough, or one that an operator started.
func settled(t enginetest.Truth, from, to time.Time, stable time.Duration) bool {
	for _, l := range t.Lives {
		ended := l.Ended
		if ended.IsZero() || ended.After(to) {
			ended = to
		}
		other := l.StartedBy == enginetest.ByOperator || l.StartedBy == enginetest.ByEngine // one cannot be told from the other
		byOperator := other && l.Began.After(from) && l.Began.Before(to)
		if byOperator || ended.After(from) && ended.Sub(l.Began) >= stable {
			return true
		}
	}
	return false
}
