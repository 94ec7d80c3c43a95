package fleet_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// TestInvariants subjects a few workers to operators, crashes, failing probes, engine faults and Stoker's own crashes. The world records what
// really happened; its checkers verify the documented invariants against it.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newSimHost(dockertest.Config{Seed: rapid.Uint64().Draw(t, "seed")}, fleet.Settings{Parallel: 2})
		names := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "workers")]
		for _, name := range names {
			h.w.Operator().Run(drawSpec(t, name))
		}
		h.w.Operator().Run(dockertest.Spec{Name: "other"})
		h.live(time.Second)
		names = append(names, h.addDependents(t)...)
		h.startStoker()
		h.live(2 * time.Second)
		for range rapid.IntRange(1, 12).Draw(t, "action") {
			play(t, h, rapid.SampledFrom(names).Draw(t, "who"))
			h.live(drawPause(t))
		}
		h.settleDown()
		wrong := append(h.check(), dockertest.CheckRunning(h.w, h.wanted)...)
		wrong = append(wrong, h.checkWhole()...)
		if len(wrong) > 0 {
			t.Fatalf("%s\n%s", strings.Join(wrong, "\n"), strings.Join(h.log, "\n"))
		}
	})
}

// check checks the invariants that hold at any time.
func (h *simHost) check() []string {
	wrong := h.wrong
	if !h.stepped && !h.lagged { // it compares engine times, and depends on earlier events
		wrong = append(wrong, slices.DeleteFunc(dockertest.CheckIncarnation(h.w), func(line string) bool {
			return strings.Contains(line, "stoker's start of") // an exited worker has no incarnation to hit
		})...)
	}
	wrong = append(wrong, dockertest.CheckOnlyWorkers(h.w, isWorker)...)
	if !h.forgot {
		wrong = append(wrong, dockertest.CheckOperatorObeyed(h.w)...)
	}
	if h.most[worker.Start] > h.set.Parallel {
		wrong = append(wrong, "more starts at once than allowed")
	}
	return wrong
}

// wanted reports whether the last operator request for a worker was a start. Requests may be concurrent; then the engine's order counts.
func (h *simHost) wanted(truth dockertest.Truth) bool {
	wanted, signalled, finished := false, false, false
	for _, e := range h.w.History(truth.ID) {
		if e.Action == "die" {
			finished = e.ExitCode == 0 && e.By == dockertest.ByItself
		}
		operator := e.By == dockertest.ByOperator
		switch {
		case e.Action == "start":
			wanted, signalled = true, false
		case operator && e.Action == "kill":
			signalled = signalled || e.Signal != int(syscall.SIGHUP)
		case operator && e.Action == "stop", e.Action == "die" && signalled:
			wanted = false
		}
	}
	switch held := h.held(truth.Key); {
	case h.cannotStart(truth):
		return false
	case held == worker.HeldExitNotObserved:
		return false // rule 8: started, and ended as if stopped, all while Stoker was down
	case held == worker.HeldFinished && finished:
		return false
	case held == worker.HeldOperator && h.midwayAtLoss(truth):
		return false
	}
	return wanted && isWorker(truth.Labels)
}

// settleDown ends all faults and gives Stoker the documented time.
func (h *simHost) settleDown() {
	if h.f == nil {
		h.startStoker()
	}
	h.logf("quiet")
	for range 3 { // a worker that was removed returns with the same behaviour
		h.calm()
		h.live(5 * time.Second)
	}
	h.live(4 * time.Minute)
}

func (h *simHost) calm() {
	for _, truth := range h.w.Truths() {
		if name := string(truth.Key); !truth.Gone {
			h.w.Behave(name, dockertest.Behaviour{})
			h.w.SetHealthCheck(name, dockertest.Passing)
			h.w.Operator().Unpause(name)
		}
	}
}

func drawSpec(t *rapid.T, name string) dockertest.Spec {
	s := newWorker(name)
	if rapid.Bool().Draw(t, "probed") {
		s.Health = &dockertest.Healthcheck{Interval: 2 * time.Second, Timeout: time.Second, Retries: 2}
	}
	s.RestartPolicy.Name = rapid.SampledFrom([]string{"no", "no", "no", "always", "unless-stopped", "on-failure"}).Draw(t, "docker")
	if s.RestartPolicy.Name == "on-failure" {
		s.RestartPolicy.MaxRetries = rapid.IntRange(0, 2).Draw(t, "retries")
		if rapid.Bool().Draw(t, "on exit 0 too") {
			s.Labels["stoker.on-exit"] = "always"
		}
	}
	s.StopTimeout = time.Duration(rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "grace")) * time.Second
	drawRecreate(t, &s)
	s.Behaviour.IgnoreTerm = rapid.Bool().Draw(t, "stubborn")
	return s
}

// drawPause is mostly short, because faults close to each other find most bugs.
func drawPause(t *rapid.T) time.Duration {
	scale := rapid.SampledFrom([]time.Duration{
		time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
	}).Draw(t, "scale")
	return scale * time.Duration(rapid.IntRange(0, 20).Draw(t, "pause"))
}

// play plays one action.
func play(t *rapid.T, h *simHost, name string) {
	all := allActions()
	if h.stepped { // a replay across a step of the clock is ambiguous, and no past times are used
		all = append(operatorActions(), workerActions()...)
	}
	which := all[rapid.IntRange(0, len(all)-1).Draw(t, "action")]
	h.logf("%s %s", which.name, name)
	which.do(t, h, name)
}

type actionKind struct {
	name string
	do   func(t *rapid.T, h *simHost, name string)
}

func allActions() []actionKind {
	return append(append(operatorActions(), append(workerActions(), worldActions()...)...), recreateActions()...)
}

func operatorActions() []actionKind {
	grace := dockertest.OwnGrace
	return []actionKind{
		{"docker stop", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Stop(n, grace) }},
		{"docker stop -t 0", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Stop(n, 0) }},
		{"docker start", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Start(n) }},
		{"docker restart", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Restart(n, grace) }},
		{"docker kill", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Kill(n, syscall.SIGKILL) }},
		{"docker kill -s TERM", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Kill(n, syscall.SIGTERM) }},
		{"docker pause", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Pause(n) }},
		{"docker unpause", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Unpause(n) }},
		{"docker update", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Update(n, 0.5) }},
		{"docker rename", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Rename(n, n+"x") }},
		{"docker rename back", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Rename(n+"x", n) }},
		{"docker rm -f", func(_ *rapid.T, h *simHost, n string) { h.w.Operator().Remove(n, true) }},
		{"docker run", func(t *rapid.T, h *simHost, n string) { h.w.Operator().Run(drawSpec(t, n)) }},
	}
}

func workerActions() []actionKind {
	return []actionKind{
		{"crash", func(_ *rapid.T, h *simHost, n string) { h.crash(n, syscall.SIGSEGV) }},
		{"killed from the host", func(_ *rapid.T, h *simHost, n string) { h.crash(n, syscall.SIGKILL) }},
		{"exit", func(t *rapid.T, h *simHost, n string) {
			h.w.Exit(n, rapid.SampledFrom([]int{0, 1, 143}).Draw(t, "code"))
		}},
		{"oom", func(_ *rapid.T, h *simHost, n string) { h.w.OOM(n) }},
		{"turn unhealthy", func(_ *rapid.T, h *simHost, n string) { h.w.SetHealthCheck(n, dockertest.Failing) }},
		{"hang", func(_ *rapid.T, h *simHost, n string) { h.w.SetHealthCheck(n, dockertest.Hanging) }},
		{"recover", func(_ *rapid.T, h *simHost, n string) { h.w.SetHealthCheck(n, dockertest.Passing) }},
		{"loop", func(t *rapid.T, h *simHost, n string) {
			ms := rapid.IntRange(1, 3000).Draw(t, "run for")
			h.w.Behave(n, dockertest.Behaviour{RunFor: time.Duration(ms) * time.Millisecond, ExitCode: 1})
		}},
		{"be good", func(_ *rapid.T, h *simHost, n string) { h.w.Behave(n, dockertest.Behaviour{}) }},
		{"starts fail", func(_ *rapid.T, h *simHost, n string) { h.w.FailStarts(n, "no such device", "no such device") }},
	}
}

func worldActions() []actionKind {
	plan := func(f dockertest.Fault) func(*rapid.T, *simHost, string) {
		return func(_ *rapid.T, h *simHost, _ string) { h.w.Plan(f) }
	}
	return []actionKind{
		{"Stoker killed", func(_ *rapid.T, h *simHost, _ string) {
			if h.linked() {
				h.killStoker()
			}
		}},
		{"Stoker started", func(_ *rapid.T, h *simHost, _ string) {
			if h.f == nil {
				h.startStoker()
			}
		}},
		{"Stoker restarted", func(_ *rapid.T, h *simHost, _ string) {
			if h.linked() {
				h.killStoker()
				h.startStoker()
			}
		}},
		{"stream cut", plan(dockertest.Fault{Kind: dockertest.CutStream})},
		{"refused", plan(dockertest.Fault{Kind: dockertest.Refuse, Text: "no"})},
		{"timed out, done", plan(dockertest.Fault{Kind: dockertest.TimeOutDone})},
		// Only for starts: a stop of Stoker's that was not carried out and an operator's stop have the same signal.
		{"timed out, undone", plan(dockertest.Fault{Kind: dockertest.TimeOutUndone, Op: dockertest.OpStart})},
		{"slow", plan(dockertest.Fault{Kind: dockertest.Slow, Op: dockertest.OpInspect, Delay: 3 * time.Second})},
		{"events late", func(t *rapid.T, h *simHost, _ string) {
			lag := time.Duration(rapid.IntRange(1, 4000).Draw(t, "lag")) * time.Millisecond
			h.lagged = true
			h.w.Plan(dockertest.Fault{Kind: dockertest.DelayEvents, Count: rapid.IntRange(1, 6).Draw(t, "events"), Delay: lag})
		}},
		{"clock stepped", func(t *rapid.T, h *simHost, _ string) {
			if !h.linked() {
				return
			}
			h.stepped = true
			h.w.StepClock(time.Duration(rapid.IntRange(-3600, 3600).Draw(t, "by")) * time.Second)
		}},
		{"engine restarted", fall(dockertest.RestartEngine)},
		{"engine restarted, Stoker in it", func(t *rapid.T, h *simHost, n string) {
			fall(dockertest.RestartEngine)(t, h, n)
			if h.f != nil && !h.w.EngineUp() {
				h.live(time.Duration(rapid.IntRange(0, 1000).Draw(t, "stopped after")) * time.Millisecond)
				h.apply(h.f.Close(h.w.Now()))
				h.killStoker()
				h.live(15 * time.Second)
			}
		}},
		{"engine crashed", fall(dockertest.CrashEngine)},
		{"host crashed", fall(dockertest.CrashHost)},
	}
}

// crash kills a process from the host. A frozen one is skipped: the world could not attribute its exit later.
func (h *simHost) crash(name string, sig syscall.Signal) {
	if h.status(name) != worker.StatusPaused {
		h.w.Crash(name, sig)
	}
}

// linked reports whether a Stoker is connected to a running engine.
func (h *simHost) linked() bool {
	return h.f != nil && h.w.EngineUp() && h.f.View(h.w.Now()).Engine.Connected
}

// fall stops the engine for a second. A restart by an operator that the fall interrupts would look like a stop forever, so it is given the time
// to end.
func fall(kind dockertest.FaultKind) func(*rapid.T, *simHost, string) {
	return func(_ *rapid.T, h *simHost, _ string) {
		h.live(12 * time.Second)
		h.logf("%s now", kind)
		if h.w.EngineUp() {
			h.w.Plan(dockertest.Fault{Kind: kind, Delay: time.Second})
			h.live(time.Millisecond)
		}
	}
}
