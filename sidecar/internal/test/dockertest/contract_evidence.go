package dockertest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios about what is kept of a life that ends, and about the command before a stop.
func evidences() []scenario {
	return []scenario{
		{name: "evidence/the stacks of a hung worker, by the command before its stop", play: dumped},
		{name: "evidence/the log lines of a crash", play: logsOfCrash},
		{name: "evidence/a command that hangs, and an operator who stops the worker meanwhile", play: stoppedDuringCommand},
		{name: "evidence/a command that does not exist", play: noSuchCommand},
		{name: "evidence/kept when Stoker is killed", play: evidenceAcrossDeath},
		{name: "evidence/of a recreate", play: evidenceOfRecreate},
		{name: "evidence/killed at the end of its grace under throttling", real: true, play: graceUnderThrottling, podman: noThrottling},
	}
}

// kept is a heal as the API returns it.
type kept struct {
	HealID uint64 `json:"heal_id"`
	Fault  worker.Fault
	Heal   worker.HealAction
	worker.HealEvidence
}

// ask reads an answer of Stoker's API; false when there is none.
func (s *fixture) ask(path string, into any) bool {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.stoker.Addr() + path)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	return json.NewDecoder(answer.Body).Decode(into) == nil
}

// evidence is what Stoker keeps of a worker, newest first.
func (s *fixture) evidence(w Worker) []kept {
	var all struct{ Heals []kept }
	s.ask("/api/v1/workers/"+url.PathEscape(w.Name)+"/evidence", &all)
	return all.Heals
}

// keeps waits for evidence of a worker's last heal that is as wanted.
func (s *fixture) keeps(w Worker, what string, wanted func(kept) bool) kept {
	s.t.Helper()
	var last []kept
	defer func() {
		if s.t.Failed() {
			s.t.Logf("kept of %s: %+v", w.Name, last)
		}
	}()
	s.await("evidence: "+what, func() bool {
		last = s.evidence(w)
		return len(last) > 0 && wanted(last[0])
	})
	return last[0]
}

// quit is stoker.before-stop of a sample worker, whose image has no kill.
const quit = `["/worker","signal","QUIT"]`

// dumped: the command ends the worker, and what it has printed is in its log.
func dumped(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{
		Health: true, Probes: WorkerProbes{Timeout: 3 * time.Second}, Labels: labels("evidence", "logs", "before-stop", quit, "on-exit", "never"),
	})
	before := s.State(w.Name)
	if s.Real() && !onPodman(s.Host) {
		s.SetHealthCheck(w.Name, Hung)
	} else {
		s.SetHealthCheck(w.Name, Failing)
	}
	s.back(w, before)
	e := s.keeps(w, "the stacks", func(e kept) bool { return strings.Contains(e.Logs, "goroutine ") })
	require.Equal(s.t, worker.FaultUnhealthy, e.Fault)
	require.Equal(s.t, worker.HealRestart, e.Heal)
	require.NotEmpty(s.t, e.Health)
	require.Contains(s.t, e.Processes, "worker")
	require.NotNil(s.t, e.Command)
	if e.Command.ExitCode != nil { // the start does not wait for it once the worker has ended
		require.Zero(s.t, *e.Command.ExitCode)
		require.Contains(s.t, e.Command.Output, "sent")
	}
	require.Equal(s.t, 2, *e.ExitCode)
	if s.Real() {
		require.NotNil(s.t, e.Usage)
		require.NotZero(s.t, e.Usage.Memory)
	}
	got, _ := s.seen(w.Name)
	require.Equal(s.t, 1, got.Attempts, "that it ended by the command is no crash")
}

// logsOfCrash: they are of the life that is over, and its start does not wait for them.
func logsOfCrash(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("evidence", "logs")})
	s.crashed(w)
	e := s.keeps(w, "log lines", func(e kept) bool { return e.Logs != "" })
	require.Equal(s.t, 137, *e.ExitCode)
	require.Empty(s.t, e.Processes, "nothing is left of them")
	require.Nil(s.t, e.Command)
	if !s.Real() {
		require.Equal(s.t, 1, strings.Count(e.Logs, "begins"), "of one life")
	}
}

// stoppedDuringCommand: until the command ends, no stop of Stoker's is on its way.
func stoppedDuringCommand(s *fixture) {
	s.startStoker()
	command := `["hang"]`
	if s.Real() {
		command = `["/worker"]` // a second one computes in the same container
	}
	w := s.work(WorkerSpec{Health: true, Labels: labels("before-stop", command, "before-stop-timeout", "1m", "evidence", "off")})
	s.SetHealthCheck(w.Name, Failing)
	s.shown(w, "acting", func(got fleet.WorkerView) bool { return got.Heal == worker.HealRestart })
	s.Operate(OpStop, w.Name)
	s.leftAlone(w, worker.HeldOperator)
	require.NotContains(s.t, s.story(w), "start")
}

func noSuchCommand(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Labels: labels("before-stop", "echo hello")}) // there is no shell
	before := s.State(w.Name)
	s.SetHealthCheck(w.Name, Failing)
	s.back(w, before)
	e := s.keeps(w, "why it was not run", func(e kept) bool { return e.Command != nil })
	printed := strings.ToLower(e.Command.Output + e.Command.Err)
	require.Contains(s.t, printed, "no such file or directory")
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

// evidenceAcrossDeath: it is on the disk with the events.
func evidenceAcrossDeath(s *fixture) {
	s.spawn()
	w := s.work(WorkerSpec{Labels: labels("evidence", "logs")})
	s.Crash(w.Name, syscall.SIGKILL)
	before := s.keeps(w, "log lines", func(e kept) bool { return e.Logs != "" })
	s.running(w)
	s.await("the evidence to be on disk", func() bool { // the API has it before
		text, err := os.ReadFile(filepath.Join(s.dir, "history.jsonl"))
		return err == nil && bytes.Contains(text, []byte(`"kind":"evidence"`))
	})
	s.stoker.Kill()
	s.spawn()
	require.Equal(s.t, before, s.keeps(w, "the same", func(e kept) bool { return e.HealID == before.HealID }))
}

func evidenceOfRecreate(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Labels: labels("evidence", "logs", "on-unhealthy", "recreate", "before-stop", `["/worker","version"]`)})
	s.SetHealthCheck(w.Name, Failing)
	s.shown(w, "recreated", func(got fleet.WorkerView) bool { return got.ID != w.ID && got.State == fleet.StateRunning })
	e := s.keeps(w, "of both its parts", func(e kept) bool { return e.Command != nil && e.Logs != "" })
	require.Equal(s.t, worker.HealRecreate, e.Heal)
	require.NotEmpty(s.t, e.Health)
}

// graceUnderThrottling: a worker that computes with too little CPU does not come to its end. The engine reports 137, and no more.
func graceUnderThrottling(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{
		CPUs: 0.03, Health: true, Probes: WorkerProbes{Timeout: time.Second, Effort: 150 * time.Millisecond}, Behaviour: WorkerBehaviour{IgnoreTerm: true},
		Labels: labels("on-starved", "restart", "stop-timeout", "1s"),
	})
	var answer struct {
		Events []struct{ Reason, Detail string }
	}
	s.await("the grace to be named", func() bool {
		return s.ask("/api/v1/history?kind=grace-too-short&worker="+url.QueryEscape(w.Name), &answer) && len(answer.Events) > 0
	})
	require.Equal(s.t, string(worker.ReasonGraceTooShort), answer.Events[0].Reason)
	require.Contains(s.t, answer.Events[0].Detail, "raise stoker.stop-timeout")
	e := s.keeps(w, "that it was throttled", func(e kept) bool { return e.Usage != nil })
	require.Greater(s.t, *e.Usage.Throttled, 0.2)
}
