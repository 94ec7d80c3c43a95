package recreate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// The first inspect may forbid the recreate: then nothing is sent.
func TestRefusals(t *testing.T) {
	down := func(e *engine, _ *Request) { e.stop(oldID) }
	for name, c := range map[string]struct {
		arrange func(e *engine, req *Request)
		want    Ending
		text    string
	}{
		"it is paused":        {func(e *engine, _ *Request) { e.has[oldID].Status = worker.StatusPaused }, Refused, "paused"},
		"it has another name": {func(e *engine, _ *Request) { e.has[oldID].Key = "v" }, Refused, "is called v now, not w"},
		"it was restarted since": {func(_ *engine, r *Request) {
			r.Expect = &Expectation{StartedAt: noon}
		}, Refused, "restarted since"},
		"it exists after all": {func(_ *engine, r *Request) { r.Expect = &Expectation{Gone: true} }, Refused, "exists after all"},
		"it is down, and was to run": {func(e *engine, r *Request) {
			down(e, r)
			r.Expect = &Expectation{Status: worker.StatusRunning}
		}, Refused, "it is exited"},
		"it waits for Docker": {func(e *engine, r *Request) {
			e.has[oldID].Status, r.Expect = worker.StatusRestarting, &Expectation{}
		}, Refused, "it is restarting"},
		"it is healthy again": {func(e *engine, r *Request) {
			e.has[oldID].Health, r.Expect = worker.HealthHealthy, &Expectation{OnlyIfUnhealthy: true}
		}, Refused, "its health is healthy"},
		"the temporary name is taken":     {func(e *engine, _ *Request) { e.add("third", "w.stoker-new") }, Refused, "the name w.stoker-new is needed"},
		"the backup name is taken":        {func(e *engine, _ *Request) { e.add("third", "w.stoker-old") }, Refused, "the name w.stoker-old is needed"},
		"it is gone without a definition": {func(e *engine, _ *Request) { delete(e.has, oldID) }, Refused, "its definition is not known"},
		"it is gone, and another has its name": {func(e *engine, r *Request) {
			delete(e.has, oldID)
			e.add("third", "w")
			r.Definition = []byte("old")
		}, Refused, "another client recreated the worker"},
		"the engine cannot be asked": {func(e *engine, _ *Request) {
			e.faults = func(Step, int) fault { return unreachable }
		}, Unknown, "no connection"},
	} {
		t.Run(name, func(t *testing.T) {
			e, req := newEngine(t), request()
			c.arrange(e, &req)
			r := e.run(req)
			require.Equal(t, c.want, r.Ending)
			require.ErrorContains(t, r.Err, c.text)
			require.True(t, r.Untouched)
			require.Len(t, e.steps, 1)
		})
	}
}

// A container that matches the expectation is recreated.
func TestExpected(t *testing.T) {
	for name, arrange := range map[string]func(e *engine, req *Request){
		"it runs": func(_ *engine, r *Request) { r.Expect = &Expectation{StartedAt: noon.Add(-time.Hour)} },
		"it is unhealthy": func(e *engine, r *Request) {
			e.has[oldID].Health, r.Expect = worker.HealthUnhealthy, &Expectation{OnlyIfUnhealthy: true}
		},
		"it is down, and not unhealthy": func(e *engine, r *Request) {
			e.stop(oldID)
			r.Expect = &Expectation{OnlyIfUnhealthy: true}
		},
		"it removes itself when it is stopped": func(e *engine, _ *Request) { e.has[oldID].AutoRemove = true },
		"it is gone, with a definition": func(e *engine, r *Request) {
			delete(e.has, oldID)
			r.Definition, r.Expect = []byte("old"), &Expectation{Gone: true}
		},
		"it has nothing to connect or copy": func(e *engine, _ *Request) { e.plan = worker.Plan{} },
	} {
		t.Run(name, func(t *testing.T) {
			e, req := newEngine(t), request()
			arrange(e, &req)
			r := e.run(req)
			require.Equal(t, Done, r.Ending, "%v: %v", r.Err, e.steps)
			require.Equal(t, len(req.Definition) > 0, r.Gone)
			require.Equal(t, []string{"w"}, e.running())
			require.Equal(t, []string{"w"}, e.names())
			if r.Gone {
				require.Equal(t, "true", e.has[r.ID].Labels[worker.MarkMissing])
			}
		})
	}
}

// A recreate whose result was not recorded is not repeated.
func TestDoneBefore(t *testing.T) {
	e := newEngine(t)
	first := e.run(request())
	steps := len(e.steps)
	again := e.run(request())
	require.Equal(t, Done, again.Ending)
	require.Equal(t, first.ID, again.ID)
	require.Len(t, e.steps, steps+1)
	nothing := e.sweep()
	require.Equal(t, Nothing, nothing.Ending)
	require.Equal(t, first.ID, nothing.ID)
	require.Equal(t, first.ID, nothing.Holder.ID)
}

// A container under the temporary name belongs to this transaction if both of its labels match.
func TestNewOneIsKnownByItsLabels(t *testing.T) {
	e := newEngine(t)
	e.faults = func(s Step, _ int) fault {
		if s == CreateNew {
			return lostAnswer
		}
		return works
	}
	require.Equal(t, Done, e.run(request()).Ending, "the answer was lost, and the inspect behind it finds the new one: %v", e.steps)

	for _, label := range []string{worker.MarkAttempt, worker.MarkBy} {
		e := newEngine(t)
		e.before = func(_ *Transaction, step Step) {
			if step == CreateNew {
				third := e.add("third", "w.stoker-new")
				third.Labels = map[string]string{worker.MarkAttempt: fmt.Sprintf("%x-1", e.now.UnixNano()), worker.MarkBy: mine}
				third.Labels[label] = "another"
			}
		}
		require.Equal(t, Busy, e.run(request()).Ending)
		require.Contains(t, e.has, "third")
		require.Equal(t, []string{"inspect", "create new"}, e.steps)
	}
}

// A call without an answer may still take effect: the state is inspected every second. If nothing was sent, or the call does not
// touch the worker, one inspect is enough.
func TestEffectIsLookedFor(t *testing.T) {
	for _, c := range []struct {
		step  Step
		f     fault
		pause time.Duration
	}{
		{CreateNew, unanswered, 3 * effectPause}, {CreateNew, unreachable, 0}, {CreateNew, denied, 0},
		{Compare, unanswered, 0}, {StopOld, denied, 3 * effectPause}, {RenameOld, unanswered, 3 * effectPause}, {RenameOld, denied, 0},
	} {
		e := newEngine(t)
		failed, turned := time.Time{}, time.Time{}
		e.faults = func(s Step, _ int) fault {
			switch {
			case s == c.step && failed.IsZero():
				failed = e.now
				return c.f
			case !failed.IsZero() && turned.IsZero() && s != InspectState:
				turned = e.now
			}
			return works
		}
		e.run(request())
		if turned.IsZero() {
			turned = e.now
		}
		require.Equal(t, c.pause, turned.Sub(failed).Truncate(time.Second), "%s, %d: %v", c.step, c.f, e.steps)
	}
}

// unfinished leaves a transaction of another owner after that many calls.
func unfinished(t *testing.T, owner string, calls int) *engine {
	t.Helper()
	e, req := newEngine(t), request()
	req.Owner = owner
	e.resume(New(e.now, req), calls)
	return e
}

// Another Stoker's transaction is left alone for ten minutes, unless that Stoker is a container that no longer runs.
func TestAnotherStokers(t *testing.T) {
	stoker := strings.Repeat("5", 64)
	for name, c := range map[string]struct {
		owner  string
		after  time.Duration
		status worker.Status // of the other Stoker's container; empty for none
		want   Ending
	}{
		"of a process": {"host/1", time.Minute, "", Busy},
		"of a process, just before its lease ends": {"host/1", ownersLease - time.Millisecond, "", Busy},
		"of a process, after its lease":            {"host/1", ownersLease, "", Done},
		"of a container that runs":                 {stoker + "/x", time.Minute, worker.StatusRunning, Busy},
		"of a container that is paused":            {stoker, time.Minute, worker.StatusPaused, Busy},
		"of a container that is restarted":         {stoker, time.Minute, worker.StatusRestarting, Busy},
		"of a container that exited":               {stoker + "/x", time.Minute, worker.StatusExited, Done},
		"of a container that is gone":              {stoker, time.Minute, "", Done},
		"of this Stoker":                           {mine, time.Minute, "", Done},
	} {
		t.Run(name, func(t *testing.T) {
			e := unfinished(t, c.owner, 7)
			if c.status != "" {
				e.add(stoker, "stoker").Status = c.status
			}
			for _, one := range e.has {
				if one.Key == "w.stoker-new" {
					one.Created = e.now
				}
			}
			e.now = e.now.Add(c.after - 2*e.lag) // the decision follows the second inspect
			r := e.run(request())
			require.Equal(t, c.want, r.Ending, "%v", e.steps)
			if c.want == Busy {
				require.ErrorIs(t, r.Err, errUnderWay)
				require.Contains(t, r.Err.Error(), c.owner)
			}
		})
	}
}

// Another Stoker renames its new container between two inspects of a search, which misses it under both names. The next step
// decides.
func TestMissedWhileItWasRenamed(t *testing.T) {
	for name, c := range map[string]struct {
		then func(e *engine, made *worker.Snapshot)
		want Ending
	}{
		"the transaction goes on": {func(e *engine, made *worker.Snapshot) { e.has[made.ID] = made }, Busy},
		"it is rolled back, because an operator stopped the worker": {func(e *engine, _ *worker.Snapshot) {
			e.has[oldID].Key, e.has[oldID].Status = "w", worker.StatusExited
		}, Nothing},
	} {
		t.Run(name, func(t *testing.T) {
			e := unfinished(t, "host/1", 7)
			made := e.find("w.stoker-new")
			made.Created = e.now
			inspects := 0
			e.before = func(*Transaction, Step) {
				if inspects++; inspects == 1 {
					delete(e.has, made.ID)
				} else if inspects == 2 {
					c.then(e, made)
				}
			}
			e.faults = func(Step, int) fault { return works }
			e.steps = nil
			req := request()
			req.ResumeOnly = true
			require.Equal(t, c.want, e.run(req).Ending)
			for _, step := range e.steps {
				require.Equal(t, string(InspectState), step)
			}
		})
	}
}

// A lease expires by the engine's clock, not by Stoker's.
func TestLeaseOnTheEnginesClock(t *testing.T) {
	e, req := unfinished(t, "host/1", 7), request()
	req.Skew = ownersLease
	require.Equal(t, Done, e.run(req).Ending)
}

// A container without the labels of a transaction is no leftover, whatever its name.
func TestUnmarkedContainers(t *testing.T) {
	e := newEngine(t)
	other := e.add("third", "w.stoker-new")
	other.Labels = map[string]string{worker.MarkOf: oldID, worker.MarkName: "another"}
	require.Equal(t, Nothing, e.sweep().Ending)
	require.Contains(t, e.names(), "w.stoker-new")
}

// A renamed old container gets its name back if nothing else is left of its transaction.
func TestOnlyTheBackupIsLeft(t *testing.T) {
	e := unfinished(t, mine, 7)
	for id, one := range e.has {
		if one.Key == "w.stoker-new" {
			delete(e.has, id)
		}
	}
	require.Equal(t, []string{"w.stoker-old"}, e.names())
	r := e.sweep()
	require.Equal(t, []string{"w"}, e.names())
	require.Equal(t, []string{"w"}, e.running())
	require.Equal(t, oldID, r.ID)
}

// A backup is left, and the name belongs to a container that replaced another one: the search ends, and leaves that container alone.
func TestBackupBesideAnothersReplacement(t *testing.T) {
	e := newEngine(t)
	e.has[oldID].Key, e.has[oldID].Status = "w.stoker-old", worker.StatusExited
	holder := e.add("holder", "w")
	holder.Labels = map[string]string{worker.MarkOf: "third", worker.MarkName: "w"}
	e.sweep()
	require.Less(t, len(e.steps), 20)
	require.Equal(t, worker.Key("w"), holder.Key)
	require.Equal(t, worker.StatusRunning, holder.Status)
}

// A third container that takes the name meanwhile keeps it.
func TestNameTakenMeanwhile(t *testing.T) {
	e := newEngine(t)
	e.before = func(_ *Transaction, step Step) {
		if step == RenameNew && e.has["third"] == nil {
			e.add("third", "w")
		}
	}
	r := e.run(request())
	require.NotEqual(t, Done, r.Ending)
	require.Equal(t, worker.Key("w"), e.has["third"].Key)
	require.Equal(t, worker.StatusRunning, e.has["third"].Status)
	require.Contains(t, e.has, oldID)
	require.NotContains(t, e.names(), "w.stoker-new")
	require.Equal(t, oldID, r.Leftover)
}

// Another client changes the old container before the transaction touches it: it is left unchanged.
func TestChangedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		change func(old *worker.Snapshot)
		want   Ending
	}{
		"stopped":             {func(o *worker.Snapshot) { o.Status = worker.StatusExited }, Refused},
		"restarted":           {func(o *worker.Snapshot) { o.StartedAt = noon }, Refused},
		"renamed":             {func(o *worker.Snapshot) { o.Key = "v" }, Refused},
		"restarted by Docker": {func(o *worker.Snapshot) { o.Status = worker.StatusRestarting }, Done},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.before = func(_ *Transaction, step Step) {
				if step == Connect {
					c.change(e.has[oldID])
				}
			}
			r := e.run(request())
			require.Equal(t, c.want, r.Ending, "%v: %v", r.Err, e.steps)
			if c.want == Refused {
				require.ErrorIs(t, r.Err, errChanged)
				require.Len(t, e.has, 1)
			}
		})
	}
}

// An operator renames the old container while an unfinished transaction waits for the next Stoker: the worker is not lost.
func TestRenamedBesideAnUnfinishedTransaction(t *testing.T) {
	for calls := 2; calls <= 5; calls++ {
		e := unfinished(t, mine, calls)
		e.has[oldID].Key = "v"
		r := e.run(request())
		require.Contains(t, []Ending{Undone, Refused}, r.Ending, "%v", e.steps)
		out := r.Outcome(request().Action)
		require.False(t, out.Missing)
		require.NotNil(t, out.Snapshot)
		require.Equal(t, oldID, out.Snapshot.ID)
		require.Equal(t, []string{"v"}, e.names(), "%v", e.steps)
	}
}

// A proxy that blocks the create always does: the worker is not touched.
func TestForbiddenCreate(t *testing.T) {
	e := newEngine(t)
	tx := New(e.now, request())
	e.resume(tx, 1)
	a := tx.Next(e.now)
	tx.Finish(e.now, worker.Outcome{
		Action:  *a,
		Result:  worker.Failed,
		Failure: worker.Failure{Err: "403"},
		Answer:  worker.Answer{Report: &worker.StepReport{Forbidden: true, Seen: map[string]worker.Snapshot{oldID: *e.has[oldID]}}},
	})
	out := e.resume(tx, 10).Outcome(worker.Action{})
	require.True(t, out.CannotRecreate)
	require.Equal(t, worker.Failed, out.Result)
	require.Equal(t, oldID, out.Snapshot.ID)
}
