package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// TestLateEvents: events that come behind the answer that showed what they report.
func TestLateEvents(t *testing.T) {
	run(t, []scenario{
		{"the answer to the own stop is lost, and an operator starts the worker before that stop has reached it", `
			given health
			up
			unhealthy
			> stop 1
			die 2
			start
			answer unknown
			+2s
			= phase stopping
			kill TERM
			die 143
			stop
			> start 1`},
		{"the same, and the event of the exit is lost", `
			given health
			up
			unhealthy
			> stop 1
			start
			answer unknown
			+2s
			= phase stopping
			kill TERM
			die 143
			stop
			> start 1`},
		{"the start after an own stop has failed, and the events of that stop come later: they do not bring the next start forward", `
			given health backoff-initial=30s
			up
			unhealthy
			> stop 1
			answer down 143
			+2s
			> start 1
			answer failed no
			late kill TERM
			late die 143
			late stop
			= due 15s..30s
			> nothing`},
		{"an operator stops and removes the worker right before its recreate, and the events come after the answer", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer vanished
			= attempts 0
			> nothing
			late kill TERM
			late die 143
			late stop
			late destroy
			= over
			+1h
			> nothing`},
		{"an operator removes the worker by force right before its recreate, and its label asks for a recreate", `
			given health on-unhealthy=recreate on-missing=recreate
			up
			unhealthy
			> recreate 1
			answer vanished
			late kill KILL
			late die 137
			late destroy
			= missing
			> recreate 1`},
		{"an operator stops and removes the worker right before its recreate, without events", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer vanished
			+1999ms
			mute update
			+1ms
			answer missing
			= over
			+1h
			> nothing`},
		{"an operator's start succeeds beside a start that fails, and the answer has no inspect", `
			up
			die 1
			> start 1
			start
			answer uninspected port is already allocated
			> inspect
			= event healed
			= phase watching`},
		{"the same, and the answer has an inspect from before it", `
			up
			die 1
			> start 1
			start
			answer outdated port is already allocated
			> inspect
			= event healed
			= phase watching`},
		{"an operator's start succeeds beside a start that was never sent", `
			up
			die 1
			> start 1
			start
			answer unreachable
			= attempts 0
			> inspect
			= phase watching`},
		{"an operator stops the worker with its own signal, and another signal follows before the first inspect", `
			given remembered stop-signal=USR1
			old start
			old:10m kill USR1
			old:10m kill HUP
			old:10m die 1
			list down 1
			= held stopped-by-operator`},
		{"an operator starts the worker after Stoker's stop, whose answer is late, and kills it", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			start
			= phase stopping
			+10s
			old:0s kill KILL
			old:0s die 137
			= held stopped-by-operator`},
		{"an operator stops the worker during Stoker's stop, and its signal comes after the inspect that shows the end", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			answer down 137
			> inspect
			= phase backing-off
			late kill TERM
			= held stopped-by-operator
			+1h
			> nothing`},
		{"an operator starts the worker, Stoker stops it for its heal, and inspects are ahead of all the events", `
			given health
			up
			+1h
			list running unhealthy new
			+2s
			> stop 1
			answer down 143
			+1s
			late start
			late:1s kill TERM
			late:1s die 143
			late:1s stop
			> start 1`},
	})
}

// TestListBeforeTheEnd: the first list is older than the end of a container that is never inspected. It does not count as running.
func TestListBeforeTheEnd(t *testing.T) {
	s := play(t, "")
	s.m = worker.New(worker.Identity{Key: "w", ID: containerID, Policy: scriptPolicy(), Unmanageable: worker.HeldOneOff})
	listed := worker.Observation{Kind: worker.Listed, ID: containerID, Key: "w", At: s.now, ListState: worker.ListState{Status: worker.StatusRunning}}
	s.step(worker.Observation{Kind: worker.Exited, ID: containerID, Key: "w", At: s.now.Add(time.Millisecond)})
	s.step(listed)
	require.False(t, s.m.RunningUndisturbed())
	listed.At = s.now.Add(time.Minute)
	s.step(listed)
	require.True(t, s.m.RunningUndisturbed())
}

// TestStartAfterAStepBack: the clock steps back while the worker is down, and an operator starts it. The start seems to come before the end.
func TestStartAfterAStepBack(t *testing.T) {
	s := play(t, `
		up
		kill TERM
		die 143
		stop
		update
		= held stopped-by-operator`)
	began := s.now.Add(-10 * time.Minute)
	s.describe([]string{"running", "new"})
	s.world.StartedAt = began
	s.step(worker.Observation{Kind: worker.Started, ID: containerID, Key: "w", At: began.Add(time.Millisecond)})
	s.goOn("= phase watching")
}
