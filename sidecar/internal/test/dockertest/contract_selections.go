package dockertest

import (
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

func selections() []scenario {
	return []scenario{
		{name: "select/bad labels", play: badLabels},
		{name: "select/not enabled", fake: true, play: notEnabled},
		{name: "select/two scopes", play: twoScopes},
		{name: "select/labels of other healers", play: otherHealers},
		{name: "select/labels of a healer that was not named", fake: true, play: healerNotNamed},
		{name: "select/quota", play: byQuota},
		{name: "select/dry run", play: dryRun},
		{name: "select/never started", fake: true, play: neverStarted},
		{name: "select/one-off of compose", fake: true, play: oneOff},
	}
}

// badLabels: such a worker is held and shown with its problems, whatever happens to it, and the others go on.
func badLabels(s *fixture) {
	s.startStoker()
	bad := s.run(WorkerSpec{Name: "bad", Labels: labels("on-exit", "sometimes", "backof-max", "1s")})
	s.held(bad, worker.HeldBadLabels)
	s.Crash(bad.Name, syscall.SIGKILL)
	s.requireEvents(bad, "die 137")
	s.leftAlone(bad, worker.HeldBadLabels)
	got, _ := s.seen(bad.Name)
	require.Len(s.t, got.Problems, 2)
	require.Equal(s.t, fleet.StateHeld, got.State)
	require.Equal(s.t, worker.StatusExited, s.State(bad.Name).Status)
	s.requireEvents(bad, "die 137")
}

// untouched: a container that is not Stoker's crashes, and nothing comes of it.
func (s *fixture) untouched(w Worker) {
	s.t.Helper()
	s.Crash(w.Name, syscall.SIGKILL)
	s.requireEvents(w, "die 137")
	s.canary()
	s.requireEvents(w, "die 137")
	_, known := s.seen(w.Name)
	require.False(s.t, known, "%s is not shown", w.Name)
}

func notEnabled(s *fixture) {
	s.startStoker()
	scope := map[string]string{LabelScope: s.Scope()}
	silent := s.run(WorkerSpec{Name: "silent", Unlabelled: true, Labels: scope})
	refused := s.run(WorkerSpec{Name: "refused", Labels: labels("enable", "off")})
	s.untouched(silent)
	s.untouched(refused)
}

// twoScopes: each Stoker looks after its own, also when the other one is not there.
func twoScopes(s *fixture) {
	s.startStoker()
	scope := s.Scope() + "-other"
	theirs := s.run(WorkerSpec{Name: "theirs", Labels: map[string]string{LabelScope: scope}})
	nobodys := s.run(WorkerSpec{Name: "nobodys", Unlabelled: true, Labels: map[string]string{LabelEnable: "true"}})
	s.Exit(theirs.Name, 3)
	s.requireEvents(theirs, "die 3")
	s.untouched(nobodys)
	s.requireEvents(theirs, "die 3")

	before, first := s.State(theirs.Name), s.stoker
	s.startStoker("STOKER_SCOPE="+scope, "STOKER_STATE_DIR="+s.t.TempDir())
	s.back(theirs, before)
	require.Len(s.t, s.stoker.View().Workers, 1)
	require.Equal(s.t, scope, s.stoker.View().Workers[0].Scope)
	s.crashed(theirs)
	s.requireEvents(theirs, "die 3", "start", "die 137", "start")
	for _, w := range first.View().Workers {
		require.NotEqual(s.t, theirs.Name, string(w.Key))
	}
}

// otherHealers: with their labels comes their meaning: only the unhealthy are restarted, with autoheal's own stop timeout.
func otherHealers(s *fixture) {
	s.startStoker("STOKER_COMPAT=autoheal, deunhealth")
	auto := s.run(WorkerSpec{
		Name: "auto", Unlabelled: true, Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true},
		EndRules: worker.EndRules{StopTimeout: time.Hour},
		Labels:   map[string]string{LabelScope: s.Scope(), "autoheal": "true", "autoheal.stop.timeout": "1"},
	})
	other := s.run(WorkerSpec{Name: "other", Unlabelled: true, Health: true, Labels: map[string]string{
		LabelScope: s.Scope(), "deunhealth.restart.on.unhealthy": "true",
	}})
	both := []Worker{auto, other}
	before := map[string]State{}
	for _, w := range both {
		s.running(w)
		before[w.Name] = s.State(w.Name)
		s.SetHealthCheck(w.Name, Failing)
	}
	for _, w := range both {
		s.back(w, before[w.Name])
		s.Crash(w.Name, syscall.SIGKILL)
		s.held(w, worker.HeldFinished)
	}
	s.leftAlone(auto, worker.HeldFinished)
	s.requireEvents(auto, "kill 15", "kill 9", "die 137", "stop", "start", "die 137")
	s.requireEvents(other, "kill 15", "die 0", "stop", "start", "die 137")
}

func healerNotNamed(s *fixture) {
	s.startStoker("STOKER_COMPAT=autoheal")
	s.untouched(s.run(WorkerSpec{Unlabelled: true, Labels: map[string]string{
		LabelScope: s.Scope(), "deunhealth.restart.on.unhealthy": "true",
	}}))
}

// byQuota: with STOKER_SELECT=quota a quota takes a container in, and its own stoker.enable=false keeps it out.
func byQuota(s *fixture) {
	s.startStoker("STOKER_SELECT=quota")
	scope := map[string]string{LabelScope: s.Scope()}
	w := s.work(WorkerSpec{Name: "quota", Unlabelled: true, CPUs: 0.2, Labels: scope})
	free := s.run(WorkerSpec{Name: "free", Unlabelled: true, CPUs: Unlimited, Labels: scope})
	refused := s.run(WorkerSpec{Name: "refused", CPUs: 0.2, Labels: labels("enable", "false")})
	got := s.crashed(w)
	require.InDelta(s.t, 0.2, got.CPUs, 0.001)
	s.untouched(free)
	s.untouched(refused)
}

// dryRun decides and shows, and touches nothing; without it, the next Stoker does what this one announced.
func dryRun(s *fixture) {
	s.startStoker("STOKER_DRY_RUN=true")
	dead := s.work(WorkerSpec{Name: "dead"})
	ill := s.work(WorkerSpec{Name: "ill", Health: true})
	before := s.State(dead.Name)
	s.SetHealthCheck(ill.Name, Failing)
	s.held(ill, worker.HeldDryRun)
	s.Crash(dead.Name, syscall.SIGKILL)
	s.held(dead, worker.HeldDryRun)
	// What is done in earnest is done within 5 ms of the die; a second is long for a start that must not come.
	time.Sleep(time.Second)
	s.held(dead, worker.HeldDryRun)
	s.requireEvents(dead, "die 137")
	s.requireEvents(ill)
	s.stoker.Stop()
	s.startStoker()
	s.back(dead, before)
	s.shown(ill, "healed", func(got fleet.WorkerView) bool { return got.Attempts == 1 && got.State == fleet.StateRunning })
	s.requireEvents(dead, "die 137", "start")
	s.requireEvents(ill, "kill 15", "die 0", "stop", "start")
}

// neverStarted: what was only created is not dead.
func neverStarted(s *fixture) {
	made := s.Create(WorkerSpec{Name: "made"})
	s.startStoker()
	s.leftAlone(made, worker.HeldNeverStarted)
	s.Operate(OpStart, made.Name)
	s.workers = append(s.workers, made)
	s.running(made)
	s.crashed(made)
}

// oneOff: what compose run made is meant to end.
func oneOff(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{Labels: map[string]string{"com.docker.compose.oneoff": "True"}})
	s.held(w, worker.HeldOneOff)
	s.Crash(w.Name, syscall.SIGKILL)
	s.requireEvents(w, "die 137")
	s.leftAlone(w, worker.HeldOneOff)
}
