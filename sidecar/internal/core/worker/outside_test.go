package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

var verdicts = map[string]worker.Verdict{
	"well": worker.VerdictWell, "refused": worker.VerdictBad, "silent": worker.VerdictNoAnswer,
	"unmade": worker.VerdictNotMade, "impossible": worker.VerdictImpossible,
}

// outside answers a probe of the present incarnation.
func (s *script) outside(at string, w []string) {
	s.t.Helper()
	verdict := verdicts[w[0]]
	require.NotZero(s.t, verdict, at)
	s.step(worker.ProbeAnswered{Incarnation: s.m.Saved().Incarnation, Answer: worker.ProbeAnswer{
		Verdict: verdict, Address: "172.17.0.2:8000", Detail: strings.Join(w[1:], " "),
	}})
}

func TestProbesFromOutside(t *testing.T) {
	run(t, []scenario{
		{"three failures in a row, and the heal ends with a successful probe", `
			given probe=http://:8000/health
			up
			= outside starting
			= probe-due 30s
			+30s
			outside well
			= outside healthy
			= probe-due 30s
			outside refused
			outside refused
			outside well
			outside refused
			outside refused
			> nothing
			= outside healthy
			outside refused
			= outside unhealthy
			> stop 1
			= fault unhealthy
			= reason outside-probe-failed
			kill TERM
			die 0
			answer down 0
			> start 1
			= unprobed
			start
			= unprobed
			answer running
			= outside starting
			= probe-due 30s
			= phase verifying
			+30s
			outside refused
			= phase verifying
			outside well
			= phase watching
			= event healed
			= attempts 1`},
		{"either makes it unhealthy", `
			given health probe=tcp://:1 probe-retries=1
			up
			outside well
			unhealthy
			> stop 1
			= reason probe-failed`},
		{"both have to be well", `
			given health probe=tcp://:1 probe-retries=1 unhealthy-for=1h
			up
			outside refused no-one
			= phase stop-due
			healthy
			= phase stop-due
			= no-event recovered
			outside well
			= phase watching
			= event recovered`},
		{"the engine's own healthy is not enough after a heal", `
			given health probe=tcp://:1
			up
			die 1
			> start 1
			start
			answer running starting
			healthy
			= phase verifying
			outside well
			= phase watching`},
		{"each incarnation starts over", `
			given probe=tcp://:1 probe-retries=2
			up
			outside refused
			die 1
			= unprobed
			> start 1
			start
			answer running
			outside refused
			> nothing
			outside refused
			> nothing
			= outside unhealthy
			+2s
			> stop 2`},
		{"a pause begins again too", `
			given probe=tcp://:1 probe-retries=2
			up
			outside refused
			pause
			= unprobed
			unpause
			outside refused
			> nothing
			= outside starting`},
		{"start period", `
			given probe=tcp://:1 probe-retries=1 probe-start-period=1m
			up
			= probe-due 5s
			outside refused
			+59s
			outside refused
			= outside starting
			+1s
			outside refused
			> stop 1`},
		{"a success ends the start period", `
			given probe=tcp://:1 probe-retries=1 probe-start-period=1m
			up
			outside well
			outside refused
			> stop 1`},
		{"without an answer: company is waited for, as a host that is overloaded has it", `
			given probe=tcp://:1 probe-retries=1
			up
			+1m
			outside silent
			> nothing
			= reason outside-probe-timed-out
			+3s
			> stop 1`},
		{"an answer at last, and a wrong one", `
			given probe=tcp://:1 probe-retries=1 unhealthy-for=1h
			up
			outside silent
			= reason outside-probe-timed-out
			outside refused
			= reason outside-probe-failed
			outside silent
			= reason outside-probe-failed`},
		{"each failure leads to an inspect, for the address may be another one", `
			given probe=tcp://:1
			up
			> inspect
			outside refused
			> inspect`},
		{"starved by its own check, and answering from outside: as without the probe", `
			given health cpus=0.03 probe=tcp://:1 starved-grace=2m
			up
			outside well
			unhealthy timed-out
			> sample
			reads 0.03 1 1
			= held starved
			outside well
			+119s
			= held starved
			> nothing
			+1s
			> stop 1
			= reason starved`},
		{"a starved worker that fails from outside waits no longer", `
			given health cpus=0.1 probe=tcp://:1 probe-retries=1 starved-grace=10m
			up
			+1m
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			= held starved
			+1s
			outside refused
			> stop 1
			= reason outside-probe-failed`},
		{"well again from outside, and the engine's check was cut off: it may be starved", `
			given health cpus=0.1 probe=tcp://:1 probe-retries=1 unhealthy-for=10m
			up
			outside refused
			= reason outside-probe-failed
			unhealthy timed-out
			= reason outside-probe-failed
			outside well
			= reason probe-timed-out
			> sample`},
		{"it cannot be probed: reported once, and the worker counts as one without a probe", `
			given probe=tcp://:1
			up
			outside impossible no network
			= event unprobed
			= outside none
			die 1
			> start 1
			start
			answer running
			= phase watching
			outside impossible no network
			= no-event unprobed
			outside well
			= outside healthy
			outside impossible no network
			= event unprobed`},
		{"a failure on Stoker's own side does not count", `
			given probe=tcp://:1 probe-retries=1
			up
			outside unmade
			outside unmade
			= outside starting
			> nothing
			= probe-due 30s`},
		{"ignored", `
			given probe=tcp://:1 probe-retries=1 on-unhealthy=ignore
			up
			outside refused
			= held unhealthy-ignored
			outside well
			= free`},
		{"stopped permanently", `
			given probe=tcp://:1 probe-retries=1 on-unhealthy=stop
			up
			outside refused
			> stop 0`},
		{"reported, and nothing done", `
			given probe=tcp://:1 probe-retries=1 on-unhealthy=notify
			up
			outside refused
			> nothing
			= event unhealthy
			outside well
			= event recovered
			= free`},
		{"recreated", `
			given probe=tcp://:1 probe-retries=1 on-unhealthy=recreate
			up
			outside refused
			> recreate 1
			answer running made
			= phase verifying
			= outside starting
			outside well
			= phase watching`},
		{"off for one that is held for its labels", `
			given probe=tcp://:1 barred=bad-labels
			up
			= unprobed`},
	})
}

// The inspect before the stop shows only the engine's health, which must not refuse a stop caused by a probe from outside (rule
// 1).
func TestTheStopAfterAProbeDoesNotAskTheEngine(t *testing.T) {
	s := play(t, `
		given health probe=tcp://:1 probe-retries=1
		up
		outside refused
		> stop 1`)
	require.False(t, s.flight.OnlyIfUnhealthy)
	s = play(t, `
		given health probe=tcp://:1
		up
		unhealthy
		> stop 1`)
	require.True(t, s.flight.OnlyIfUnhealthy)
	s = play(t, `
		given health probe=tcp://:1 probe-retries=1 on-unhealthy=recreate
		up
		outside refused
		> recreate 1`)
	require.False(t, s.flight.OnlyIfUnhealthy)
}

// An answer that was under way when the worker was restarted does not concern the present incarnation.
func TestLateProbeAnswer(t *testing.T) {
	s := play(t, `
		given probe=tcp://:1 probe-retries=1
		up`)
	before := s.m.Saved().Incarnation
	s.goOn(`
		die 1
		> start 1
		start
		answer running
		outside well`)
	s.step(worker.ProbeAnswered{Incarnation: before, Answer: worker.ProbeAnswer{Verdict: worker.VerdictBad}})
	s.goOn("= outside healthy")
}

// After a step back of the clock no probe waits for the old time.
func TestProbeAfterAStepOfTheClock(t *testing.T) {
	s := play(t, `
		given probe=tcp://:1
		up
		outside well`)
	s.now = s.now.Add(-time.Hour)
	s.step(s.list())
	s.goOn("= probe-due 30s")
}

func TestProbeState(t *testing.T) {
	state := func(text string) [2]bool {
		watched, timedOut := play(t, text).m.ProbeState()
		return [2]bool{watched, timedOut}
	}
	require.Equal(t, [2]bool{true, true}, state("given probe=tcp://:1 probe-retries=1\nup\noutside silent"))
	require.Equal(t, [2]bool{true, false}, state("given probe=tcp://:1 probe-retries=1 unhealthy-for=1h\nup\noutside refused"))
	require.Equal(t, [2]bool{true, false}, state("given health probe=tcp://:1 probe-retries=1 unhealthy-for=1h\nup\nunhealthy timed-out\noutside refused"))
	require.Equal(t, [2]bool{true, false}, state("given probe=tcp://:1\nup"))
	require.Equal(t, [2]bool{false, false}, state("given probe=tcp://:1\nup\noutside impossible"))
}

// The worker is healed if and only if the engine's check fails, or the configured number of consecutive probes has failed in the
// present incarnation.
func TestEitherKindOfCheckMakesItUnhealthy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policy.Default()
		p.Probe.Target, p.UnhealthyFor = policy.ProbeTarget{Kind: policy.ProbeTCP, Port: "1"}, 10*time.Hour
		p.Probe.Retries = rapid.IntRange(1, 4).Draw(t, "retries")
		now, streak, docker := noon, 0, worker.HealthHealthy
		life := worker.Incarnation{ID: containerID, StartedAt: noon.Add(-time.Hour)}
		m := worker.New(worker.Identity{Key: "w", ID: containerID, Policy: p})
		feed := func(in worker.Input) {
			effects := step(t, m, now, in)
			for effects.Class == worker.ClassInspect && !effects.Due.IsZero() {
				now = latest(now, effects.Due)
				effects = step(t, m, now, worker.Dispatch{ActionID: 1})
				require.NotNil(t, effects.Do)
				effects = step(t, m, now, worker.Outcome{Action: *effects.Do, Result: worker.Done, Answer: worker.Answer{Snapshot: &worker.Snapshot{
					Incarnation:  life,
					Key:          "w",
					ProcessState: worker.ProcessState{Status: worker.StatusRunning},
					HealthState:  worker.HealthState{HasHealthcheck: true, Health: docker},
					Definition:   []byte("{}"),
				}}})
			}
		}
		feed(worker.Observation{Kind: worker.Listed, At: now, ID: containerID, Key: "w", ListState: worker.ListState{Status: worker.StatusRunning, Health: docker}})
		answered := false
		for range rapid.IntRange(1, 40).Draw(t, "inputs") {
			now = now.Add(5 * time.Second) // no two starts count as one
			switch rapid.IntRange(0, 3).Draw(t, "input") {
			case 0:
				docker = worker.HealthUnhealthy
				feed(worker.Observation{Kind: worker.Unhealthy, At: now, ID: containerID, Key: "w"})
			case 1:
				docker = worker.HealthHealthy
				feed(worker.Observation{Kind: worker.Healthy, At: now, ID: containerID, Key: "w"})
			case 2:
				well := rapid.Bool().Draw(t, "well")
				answer := worker.ProbeAnswer{Verdict: worker.VerdictBad}
				if streak++; well {
					answer.Verdict, streak = worker.VerdictWell, 0
				}
				answered = answered || well || streak >= p.Probe.Retries
				feed(worker.ProbeAnswered{Incarnation: m.Saved().Incarnation, Answer: answer})
			case 3: // another client restarts it
				life.StartedAt, streak, answered, docker = now, 0, false, worker.HealthStarting
				feed(worker.Observation{Kind: worker.Started, At: now.Add(time.Millisecond), ID: containerID, Key: "w"})
			}
			sick := docker == worker.HealthUnhealthy || streak >= p.Probe.Retries
			if sick || answered && docker == worker.HealthHealthy { // otherwise it is not known yet, and a heal that was opened before waits for it
				require.Equal(t, sick, m.View().Heal.Open(), "engine: %s, %d failures of %d", docker, streak, p.Probe.Retries)
			}
			want := worker.HealthHealthy
			switch {
			case !answered:
				want = worker.HealthStarting
			case streak >= p.Probe.Retries:
				want = worker.HealthUnhealthy
			}
			require.Equal(t, want, m.View().Probe.Status)
		}
	})
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func TestReach(t *testing.T) {
	a, b := worker.Endpoint{Network: "a", Addresses: []string{"10.0.0.2", "fd00::2"}}, worker.Endpoint{Network: "b", Addresses: []string{"10.1.0.2"}}
	own := worker.Reach{Endpoints: []worker.Endpoint{{Network: "a", Addresses: []string{"10.0.0.9"}}}}
	require.Equal(t, []string{"10.0.0.2", "fd00::2"}, worker.Reach{Endpoints: []worker.Endpoint{a, b}}.From(own))
	require.Empty(t, worker.Reach{Endpoints: []worker.Endpoint{b}}.From(own))
	require.Empty(t, worker.Reach{Host: true}.From(own))
	require.Equal(t, []string{"10.0.0.2", "fd00::2", "10.1.0.2"}, worker.Reach{Endpoints: []worker.Endpoint{a, b}}.From(worker.Reach{Host: true}))
	require.Equal(t, worker.Loopback(), worker.Reach{Host: true}.From(worker.Reach{Host: true}))
}

func TestProbeView(t *testing.T) {
	view := func(text string) worker.ProbeView { return play(t, text).m.View().Probe }
	require.Equal(t, worker.HealthNone, view("given\nup").Status)
	v := view("given probe=tcp://:1\nup\noutside refused connection refused")
	require.Equal(t, []any{worker.HealthStarting, "tcp://:1", "172.17.0.2:8000", "connection refused", false}, []any{v.Status, v.Target.String(), v.Address, v.Detail, v.Impossible})
	require.Equal(t, noon, v.Since)
	v = view("given probe=tcp://:1\nup\noutside impossible no network")
	require.Equal(t, []any{worker.HealthNone, "no network", true}, []any{v.Status, v.Detail, v.Impossible})
	s := play(t, "given probe=tcp://:1\nup\noutside impossible no network")
	require.Equal(t, []policy.Problem{{Label: "stoker.probe", Value: "tcp://:1", Message: "no network"}}, s.m.View().Problems)
	require.Equal(t, worker.HealthNone, view("given probe=tcp://:1\nup\noutside well\npause").Status)
}

// A target with a host is no address of the worker's, so an inspect could not update it.
func TestAFailureOfANamedHostLeadsToNoInspect(t *testing.T) {
	s := play(t, "given probe=tcp://host:1\nup\n> inspect\noutside refused")
	require.Empty(t, s.did)
}
