package fleet_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// simHost is a simulated host with a Stoker, driven by one goroutine: the fleet decides, the world acts and sends events.
type simHost struct {
	w     *dockertest.World
	sim   *dockertest.Sim
	f     *fleet.Fleet
	set   fleet.Settings
	owner string
	wake  time.Time
	notes []worker.Event
	wrong []string
	log   []string
	simJournal
	simCalls
	disturbed
}

// simJournal is what a Stoker leaves to the next one.
type simJournal struct {
	memories map[worker.Key][]byte
	mark     worker.Bookmark
	forgot   bool // it was lost
	lostAt   time.Time
}

// simCalls counts a Stoker's actions.
type simCalls struct {
	flying map[worker.Verb]int
	most   map[worker.Verb]int    // maximum at once
	acting map[string]worker.Verb // by container
	sent   map[worker.Verb]int    // total
}

// disturbed is what makes the engine's events doubtful: the checks of a property excuse more then.
type disturbed struct {
	stepped bool // the engine's clock stepped
	lagged  bool // the engine's events were late
}

var workers = policy.Rules{Defaults: policy.Defaults{Policy: policy.Default()}}

func isWorker(labels map[string]string) bool { return labels["stoker.enable"] == "true" }

func newSimHost(config dockertest.Config, set fleet.Settings) *simHost {
	h := &simHost{
		w: dockertest.New(config), set: set, simJournal: simJournal{memories: map[worker.Key][]byte{}},
		simCalls: simCalls{most: map[worker.Verb]int{}, sent: map[worker.Verb]int{}},
	}
	if h.set.Parallel == 0 {
		h.set.Parallel = 4
	}
	h.set.Rules = workers
	return h
}

// startStoker starts a Stoker with the journal.
func (h *simHost) startStoker() {
	h.set.Saved, h.set.Bookmark = nil, h.mark
	for _, key := range slices.Sorted(maps.Keys(h.memories)) {
		var mem worker.Saved
		if err := json.Unmarshal(h.memories[key], &mem); err != nil {
			panic(err)
		}
		h.set.Saved = append(h.set.Saved, mem)
	}
	h.flying, h.acting = map[worker.Verb]int{}, map[string]worker.Verb{}
	h.set.Owner = h.owner
	h.f = fleet.New(h.w.Now(), h.set)
	read := h.mark
	if read.EventAt.IsZero() {
		read.EventAt = h.w.EngineNow() // the watch without a bookmark requests all events
	}
	h.sim = dockertest.NewSim(h.w, dockertest.SimConfig{Bookmark: read, Select: h.keep})
	h.apply(h.f.Tick(h.w.Now()))
}

func (h *simHost) keep(o worker.Observation) bool {
	return h.set.Keep(o)
}

// killStoker kills the current Stoker.
func (h *simHost) killStoker() {
	h.sim.Close()
	h.sim, h.f = nil, nil
	h.wake = time.Time{}
}

func (h *simHost) apply(t fleet.Effects) {
	for _, key := range t.Drop {
		delete(h.memories, key)
	}
	for _, mem := range t.Save {
		raw, err := json.Marshal(mem)
		if err != nil {
			panic(err)
		}
		h.memories[mem.Key] = raw
	}
	h.mark = h.f.Bookmark()
	h.notes = append(h.notes, t.Events...)
	for _, n := range t.Events {
		h.log = append(h.log, fmt.Sprintf("%s note %s %s %s%s%s", h.stamp(), n.Key, n.Kind, n.Fault, n.Reason, n.Detail))
	}
	for _, id := range t.GiveUp {
		h.log = append(h.log, fmt.Sprintf("%s give up %d", h.stamp(), id))
		h.sim.GiveUp(id)
	}
	for _, a := range t.Do {
		if other, ok := h.acting[a.Incarnation.ID]; ok && ofOne(a) {
			h.wrong = append(h.wrong, fmt.Sprintf("I1: %s %s of %s during its %s", h.stamp(), a.Verb, a.Key, other))
		}
		if ofOne(a) {
			h.acting[a.Incarnation.ID] = a.Verb
		}
		h.flying[a.Verb]++
		h.sent[a.Verb]++
		h.most[a.Verb] = max(h.most[a.Verb], h.flying[a.Verb])
		h.log = append(h.log, fmt.Sprintf("%s do %s %s%s", h.stamp(), a.Verb, a.Key, stepOf(a)))
		h.sim.Do(a)
	}
	h.wake = t.Wake
}

// ofOne reports whether an action is on one incarnation.
func ofOne(a worker.Action) bool {
	inspects := a.Call != nil && a.Call.Do == worker.CallInspect || a.Verb == worker.Inspect && a.Reason == worker.ReasonParentRestarted
	return a.Verb != worker.ListDependents && a.Verb != worker.ReadStats && a.Verb != worker.ReadLogs && !inspects
}

// live lets time pass.
func (h *simHost) live(d time.Duration) {
	end := h.w.Now().Add(d)
	for h.sim == nil || h.sim.Now().Before(end) {
		if h.sim == nil {
			h.w.AdvanceTo(end)
			return
		}
		limit := end
		if !h.wake.IsZero() && h.wake.Before(limit) {
			limit = h.wake
		}
		out, ok := h.sim.Until(limit)
		switch now := h.w.Now(); {
		case !ok:
			h.apply(h.f.Tick(now))
		case out.Observation != nil:
			if out.Observation.Origin != worker.OriginRepeated {
				h.observe(*out.Observation)
			}
			h.apply(h.f.Observe(now, *out.Observation))
		default:
			h.flying[out.Outcome.Action.Verb]--
			if ofOne(out.Outcome.Action) {
				delete(h.acting, out.Outcome.Action.Incarnation.ID)
			}
			h.log = append(h.log, fmt.Sprintf("%s %s %s %s %s", h.stamp(), out.Outcome.Action.Verb, out.Outcome.Action.Key, out.Outcome.Result, found(out.Outcome)))
			h.apply(h.f.Finish(now, *out.Outcome))
		}
	}
}

// stepOf returns the step of a recreate that an action carries out.
func stepOf(a worker.Action) string {
	if a.Call == nil {
		return ""
	}
	return ": " + a.Call.Step
}

func found(o *worker.Outcome) string {
	if o.Snapshot == nil {
		return o.Err
	}
	return fmt.Sprintf("%s/%s since %s %s", o.Snapshot.Status, o.Snapshot.Health, o.Snapshot.StartedAt.Format("04:05.000"), o.Err)
}

func (h *simHost) observe(o worker.Observation) {
	line := fmt.Sprintf("%s observed %s %s", h.stamp(), o.Kind, o.Key)
	switch o.Kind {
	case worker.Exited:
		line += fmt.Sprint(" ", o.ExitCode)
	case worker.Signalled:
		line += fmt.Sprint(" ", int(o.Signal))
	case worker.Listed:
		line += fmt.Sprint(" ", o.Status, o.Health)
	}
	h.log = append(h.log, line)
}

func (h *simHost) stamp() string { return h.w.Now().Format("04:05.000") }

func (h *simHost) logf(format string, args ...any) {
	h.log = append(h.log, h.stamp()+" ==== "+fmt.Sprintf(format, args...))
}

// newWorker returns a managed worker, with limits that suit a test.
func newWorker(name string, labels ...string) dockertest.Spec {
	s := dockertest.Spec{Name: name, Labels: map[string]string{"stoker.enable": "true", "stoker.backoff-max": "10s"}}
	for i := 0; i+1 < len(labels); i += 2 {
		s.Labels["stoker."+labels[i]] = labels[i+1]
	}
	return s
}

func (h *simHost) eventCount(kind worker.EventKind) int {
	n := 0
	for _, note := range h.notes {
		if note.Kind == kind {
			n++
		}
	}
	return n
}

func (h *simHost) held(key worker.Key) worker.Reason {
	for _, w := range h.f.View(h.w.Now()).Workers {
		if w.Key == key {
			return w.Held
		}
	}
	return "not in view"
}

func (h *simHost) status(key string) worker.Status {
	t, _ := h.w.Truth(key)
	return t.Status
}
