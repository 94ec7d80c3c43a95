package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// probedHarness returns a fleet whose workers are all probed every 30 s.
func probedHarness(t *testing.T, target policy.ProbeTarget, names ...string) *harness {
	t.Helper()
	p := policy.Default()
	p.Probe.Target, p.Probe.Retries, p.Evidence.Level = target, 1, policy.EvidenceOff // each stop is sent at once
	d := newHarness(t, fleet.Settings{Rules: policy.Rules{Defaults: policy.Defaults{Policy: p}}})
	d.up(names...)
	d.do = nil
	return d
}

func port(n int) policy.ProbeTarget {
	return policy.ProbeTarget{Kind: policy.ProbeTCP, Port: fmt.Sprint(n)}
}

func (d *harness) probed(a worker.Action, v worker.Verdict) {
	d.take(d.f.Finish(d.now, worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Probe: &worker.ProbeAnswer{Verdict: v, Detail: "detail"}}}))
}

// Workers that do not answer delay no probe and no heal of the others.
func TestSlowProbesDelayNoOther(t *testing.T) {
	slow := []string{}
	for i := range 200 {
		slow = append(slow, fmt.Sprintf("slow%03d", i))
	}
	d := probedHarness(t, port(1), append(slow, "z")...)
	d.pass(30 * time.Second)
	probes := d.verb(worker.RunProbe)
	require.Len(t, probes, 201, "all that are due at once")
	require.Equal(t, worker.Key("z"), probes[200].Key)
	require.Equal(t, 32*time.Second, probes[0].Deadline)
	for range 5 { // z is always answered, the others never
		z := probes[len(probes)-1]
		require.Equal(t, worker.Key("z"), z.Key)
		d.probed(z, worker.VerdictSuccess)
		d.answerInspects()
		d.do = nil
		d.pass(30 * time.Second)
		probes = d.verb(worker.RunProbe)
		require.Len(t, probes, 1, "no second probe of one that is under way")
	}
	d.do = nil
	d.event(worker.Exited, "z")
	require.Equal(t, []worker.Key{"z"}, keys(d.verb(worker.Start)))
}

func TestProbesAreBounded(t *testing.T) {
	for _, c := range []struct {
		target policy.ProbeTarget
		most   int
	}{
		{port(1), 256},
		{policy.ProbeTarget{Kind: policy.ProbeFile, Path: "/beat", MaxAge: time.Minute}, 16},
	} {
		all := []string{}
		for i := range c.most + 2 {
			all = append(all, fmt.Sprintf("w%03d", i))
		}
		d := probedHarness(t, c.target, all...)
		d.pass(30 * time.Second)
		probes := d.verb(worker.RunProbe)
		require.Len(t, probes, c.most)
		d.do = nil
		d.probed(probes[0], worker.VerdictSuccess)
		require.Len(t, d.verb(worker.RunProbe), 1, "the next one gets the place")
		d.do = nil
		d.event(worker.Gone, string(probes[1].Key))
		d.probed(probes[1], worker.VerdictSuccess) // of an ended incarnation
		require.Len(t, d.verb(worker.RunProbe), 1)
	}
}

func TestProbesWaitForTheEngine(t *testing.T) {
	d := probedHarness(t, port(1), "w")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.pass(time.Minute)
	require.Empty(t, d.verb(worker.RunProbe), "what could be done about it is not known")
	d.open()
	d.list("w")
	require.Len(t, d.verb(worker.RunProbe), 1)
	require.Equal(t, worker.HealthStarting, d.newWorker("w").Probe.Status)
	require.Equal(t, fleet.StateStarting, d.newWorker("w").State)
}

func TestAProbeThatFailsLeadsToAStop(t *testing.T) {
	d := probedHarness(t, port(1), "w")
	d.pass(30 * time.Second)
	probe := d.verb(worker.RunProbe)[0]
	d.probed(probe, worker.VerdictBad)
	inspects := d.verb(worker.Inspect)
	require.Len(t, inspects, 1, "the engine's state decides")
	d.answer(inspects[0], d.running(inspects[0]))
	require.Len(t, d.verb(worker.Stop), 1)
	w := d.newWorker("w")
	require.Equal(t, worker.ReasonOutsideFailed, w.Reason)
	require.Equal(t, worker.HealthUnhealthy, w.FullHealth())
	require.Equal(t, "detail", w.Probe.Detail)
}

// A probe without an answer of the prober does not count against the worker.
func TestAProbeWithoutAnOutcome(t *testing.T) {
	d := probedHarness(t, port(1), "w")
	d.pass(30 * time.Second)
	d.take(d.f.Finish(d.now, worker.Outcome{Action: d.verb(worker.RunProbe)[0], Result: worker.Failed, Failure: worker.Failure{Err: "no"}}))
	require.Empty(t, d.verb(worker.Stop))
	require.Equal(t, worker.HealthStarting, d.newWorker("w").Probe.Status)
}

// Most workers stop answering at the same time: the cause is the host or Stoker's own network, and restarts would not help (rule 15).
func TestProbesWithoutAnAnswerAreNoReasonToRestartAll(t *testing.T) {
	d := probedHarness(t, port(1), "a", "b", "c", "d")
	d.pass(30 * time.Second)
	probes := d.verb(worker.RunProbe)
	require.Len(t, probes, 4)
	for _, p := range probes {
		d.probed(p, worker.VerdictNoAnswer)
	}
	d.answerInspects()
	d.do = nil
	d.pass(5 * time.Second)
	require.True(t, d.f.View(d.now).HostOverloaded)
	require.Empty(t, d.verb(worker.Stop))

	d = probedHarness(t, port(1), "a", "b", "c", "d")
	d.pass(30 * time.Second)
	for _, p := range d.verb(worker.RunProbe) {
		d.probed(p, worker.VerdictBad)
	}
	stops := []worker.Action{}
	for inspects := d.verb(worker.Inspect); len(inspects) > 0; inspects = d.verb(worker.Inspect) {
		d.do = nil
		for _, a := range inspects {
			d.answer(a, d.running(a))
		}
		stops = append(stops, d.verb(worker.Stop)...)
	}
	require.Len(t, stops, 4, "what refuses is not overloaded")
}

// The first probe of an incarnation does not wait for an unanswered one of the previous incarnation.
func TestAProbeOfALifeThatIsOverIsGivenUp(t *testing.T) {
	d := probedHarness(t, port(1), "w", "v")
	d.pass(30 * time.Second)
	probes := d.verb(worker.RunProbe)
	d.do = nil
	d.event(worker.Exited, "w")
	require.Equal(t, []uint64{probes[1].ID}, d.turn.GiveUp)
	d.probed(probes[1], worker.VerdictNotMade)
	start := d.verb(worker.Start)[0]
	d.do = nil
	s := d.running(start)
	s.StartedAt = d.now
	d.answer(start, s)
	require.Empty(t, d.turn.GiveUp)
	d.pass(30 * time.Second)
	require.Equal(t, []worker.Key{"w"}, keys(d.verb(worker.RunProbe)))
	d.event(worker.Gone, "v")
	require.Equal(t, []uint64{probes[0].ID}, d.turn.GiveUp)
}
