package fleet_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

func asking(level policy.EvidenceLevel) fleet.Settings {
	var set fleet.Settings
	set.Rules.Defaults = workers.Defaults
	set.Rules.Policy.Evidence.Level = level
	return set
}

// turnUnhealthy makes a worker unhealthy, and answers its inspect.
func (d *harness) turnUnhealthy(name string, code int) {
	d.event(worker.Unhealthy, name)
	for _, a := range d.verb(worker.Inspect) {
		s := d.running(a)
		s.HasHealthcheck, s.Health = true, worker.HealthUnhealthy
		s.Probes = []worker.Probe{{At: d.now, ExitCode: code}}
		d.do = nil
		d.answer(a, s)
	}
}

// When a worker exits while evidence is collected, the collection is cancelled and nothing waits for it any longer.
func TestDeathGivesUpTheCollecting(t *testing.T) {
	d := newHarness(t, asking(policy.EvidenceBasic))
	d.up("w")
	d.turnUnhealthy("w", 1)
	collects := d.verb(worker.Collect)
	require.Len(t, collects, 1)
	d.do = nil
	d.event(worker.Exited, "w")
	require.Equal(t, []uint64{collects[0].ID}, d.turn.GiveUp, "at once")
	require.Empty(t, d.verb(worker.Start), "one action at a time")
	d.take(d.f.Finish(d.now, worker.Outcome{Action: collects[0], Result: worker.Failed, Failure: worker.Failure{Err: "context canceled"}}))
	require.Equal(t, []worker.Key{"w"}, keys(d.verb(worker.Start)))
}

// Reading alone begins no restart: the overload guard still holds the stop after it.
func TestGuardHoldsTheStopAfterReadings(t *testing.T) {
	d := newHarness(t, asking(policy.EvidenceBasic))
	all := names(8)
	d.up(all...)
	d.turnUnhealthy(all[0], worker.ProbeTimedOut)
	d.pass(3 * time.Second)
	collects := d.verb(worker.Collect)
	require.Len(t, collects, 1)
	d.do = nil
	for _, name := range all[1:] {
		d.turnUnhealthy(name, worker.ProbeTimedOut)
	}
	require.Contains(t, d.events, worker.EventHostOverloaded)
	d.take(d.f.Finish(d.now, worker.Outcome{Action: collects[0], Result: worker.Done, Answer: worker.Answer{Evidence: &worker.HealEvidence{}}}))
	d.pass(time.Minute)
	require.Empty(t, d.verb(worker.Stop))
	d.pass(5 * time.Minute)
	require.Len(t, append(d.verb(worker.Stop), d.verb(worker.Collect)...), 1, "one at a time, and one turn for both")
}

// The overload guard is checked once for each restart, before the first action on the worker.
func TestGuardHoldsTheCollectingAndNotTheStopAfterIt(t *testing.T) {
	set := asking(policy.EvidenceOff)
	set.Rules.Policy.Evidence.BeforeStop = []string{"drain"}
	d := newHarness(t, set)
	all := names(8)
	d.up(all...)
	d.turnUnhealthy(all[0], worker.ProbeTimedOut)
	d.pass(3 * time.Second)
	collects := d.verb(worker.Collect)
	require.Len(t, collects, 1)
	d.do = nil
	for _, name := range all[1:] {
		d.turnUnhealthy(name, worker.ProbeTimedOut)
	}
	d.pass(3 * time.Second)
	require.Contains(t, d.events, worker.EventHostOverloaded)
	require.Empty(t, d.verb(worker.Collect), "those wait")
	d.take(d.f.Finish(d.now, worker.Outcome{Action: collects[0], Result: worker.Done, Answer: worker.Answer{Evidence: &worker.HealEvidence{Command: &worker.CommandEvidence{}}}}))
	require.Equal(t, keys(collects), keys(d.verb(worker.Stop)), "this one was begun")
}

// Log reads are separate from all other actions: bounded, and delaying no start.
func TestLogReadsAreBounded(t *testing.T) {
	set := asking(policy.EvidenceLogs)
	set.Parallel = 1000
	d := newHarness(t, set)
	all := names(400)
	d.up(all...)
	for _, name := range all {
		d.event(worker.Exited, name)
	}
	require.Len(t, d.verb(worker.Start), 400)
	reads := d.verb(worker.ReadLogs)
	require.Len(t, reads, 8)
	require.Equal(t, d.now, reads[0].Evidence.Until, "the end of the incarnation")
	answered := 0
	for ; len(reads) > 0; answered++ {
		a := reads[0]
		d.do = nil
		code := a.Evidence.ExitCode
		d.take(d.f.Finish(d.now, worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Evidence: &worker.HealEvidence{ExitCode: &code, Logs: "x"}}}))
		reads = append(reads[1:], d.verb(worker.ReadLogs)...)
	}
	require.Equal(t, 8+256, answered, "the others are left out")
	require.Equal(t, answered, count(d.events, worker.EventEvidence))
}

func count(kinds []worker.EventKind, one worker.EventKind) (n int) {
	for _, k := range kinds {
		if k == one {
			n++
		}
	}
	return n
}

// A read belongs to its heal, even if the worker has another container by then, or none.
func TestLogsOfAWorkerThatIsGone(t *testing.T) {
	d := newHarness(t, asking(policy.EvidenceLogs))
	d.up("w")
	d.event(worker.Exited, "w")
	reads := d.verb(worker.ReadLogs)
	require.Len(t, reads, 1)
	d.event(worker.Gone, "w")
	d.events = nil
	d.take(d.f.Finish(d.now, worker.Outcome{Action: reads[0], Result: worker.Done, Answer: worker.Answer{Evidence: &worker.HealEvidence{Logs: "x"}}}))
	require.Equal(t, []worker.EventKind{worker.EventEvidence}, d.events)
	require.Equal(t, worker.Key("w"), d.turn.Events[0].Key)
	require.NotZero(t, d.turn.Events[0].HealID)
}

func TestDryRunReadsNoLogs(t *testing.T) {
	set := asking(policy.EvidenceLogs)
	set.DryRun = true
	d := newHarness(t, set)
	d.up("w")
	d.event(worker.Exited, "w")
	require.Empty(t, d.verb(worker.ReadLogs))
}

// before returns an unhealthy worker with a command before its stop.
func before(command string, more map[string]string) dockertest.Spec {
	s := recreatedOnFailure("w")
	maps.Copy(s.Labels, more)
	s.Labels["stoker.before-stop"], s.Labels["stoker.evidence"] = command, "logs"
	return s
}

// A recreate also runs the command before it stops the old container. If the command ends the worker, that counts as the stop.
func TestCommandBeforeARecreate(t *testing.T) {
	for _, command := range []string{dockertest.CommandDrains, dockertest.CommandHangs, dockertest.CommandEnds} {
		h := simHostWith(before(command, map[string]string{"stoker.before-stop-timeout": "3s", "stoker.max-attempts": "1"}))
		id := mustTruth(t, h, "w").ID
		h.w.SetHealthCheck("w", dockertest.Failing)
		for h.f.Transactions() == 0 {
			h.live(time.Millisecond)
		}
		h.w.SetHealthCheck("w", dockertest.Passing)
		h.live(2 * time.Minute)
		h.whole(t, "w")
		require.NotEqual(t, id, mustTruth(t, h, "w").ID, "%s: %v", command, h.log)
		require.Equal(t, 2, h.eventCount(worker.EventEvidence), "%s: before the stop, and the log lines: %v", command, h.log)
	}
}

// An operator stops the worker during the command of a recreate: it stays stopped, and nothing of the transaction is left.
func TestStoppedDuringTheCommandOfARecreate(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, time.Second, 2500 * time.Millisecond} {
		h := simHostWith(before(dockertest.CommandHangs, map[string]string{"stoker.before-stop-timeout": "3s"}))
		h.w.SetHealthCheck("w", dockertest.Failing)
		for h.f.Transactions() == 0 {
			h.live(time.Millisecond)
		}
		h.live(after)
		h.w.Operator().Stop("w", dockertest.OwnGrace)
		h.live(2 * time.Minute)
		require.Equal(t, worker.HeldOperator, h.held("w"), "%v", h.log)
		require.Equal(t, worker.StatusExited, h.status("w"), "%v", h.log)
		require.Len(t, h.existing(), 1, "%v", h.log)
	}
}

func mustTruth(t *testing.T, h *simHost, name string) dockertest.Truth {
	t.Helper()
	truth, ok := h.named(name)
	require.True(t, ok, fmt.Sprint(h.log))
	return truth
}
