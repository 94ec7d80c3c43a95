package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

var verdicts = map[string]worker.Verdict{
	"success": worker.VerdictSuccess, "refused": worker.VerdictBad, "silent": worker.VerdictNoAnswer,
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
		{"whether it is starved is asked again once only its own health check fails", `
			given health cpus=0.5 probe=http://:8000/health unhealthy-for=1m
			up
			outside success
			unhealthy timed-out
			> sample
			reads 0.02 0 1
			outside refused
			outside refused
			outside refused
			= reason outside-probe-failed
			> nothing
			outside success
			= reason probe-timed-out
			> sample`},
		{"three failures in a row, and the heal ends with a successful probe", `
			given probe=http://:8000/health
			up
			= outside starting
			= probe-due 30s
			+30s
			outside success
			= outside healthy
			= probe-due 30s
			outside refused
			outside refused
			outside success
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
			outside success
			= phase watching
			= event healed
			= attempts 1`},
		{"either makes it unhealthy", `
			given health probe=tcp://:1 probe-retries=1
			up
			outside success
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
			outside success
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
			outside success
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
			outside success
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
			outside success
			unhealthy timed-out
			> sample
			reads 0.03 1 1
			= held starved
			outside success
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
			outside success
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
			outside success
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
			outside success
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
			outside success
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
			outside success
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
		outside success`)
	s.step(worker.ProbeAnswered{Incarnation: before, Answer: worker.ProbeAnswer{Verdict: worker.VerdictBad}})
	s.goOn("= outside healthy")
}

// After a step back of the clock no probe waits for the old time.
func TestProbeAfterAStepOfTheClock(t *testing.T) {
	s := play(t, `
		given probe=tcp://:1
		up
		outside success`)
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

// A target with a host is no address of the worker's, so an inspect could not update it.
func TestAFailureOfANamedHostLeadsToNoInspect(t *testing.T) {
	s := play(t, "given probe=tcp://host:1\nup\n> inspect\noutside refused")
	require.Empty(t, s.did)
}
