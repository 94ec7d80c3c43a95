package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Tasks of Swarm services that Stoker may kill.
func TestTasks(t *testing.T) {
	run(t, []scenario{
		{"Swarm acts on the event: nothing is done", `
			given health task
			up
			unhealthy
			+100ms
			kill TERM
			+1m
			> nothing
			die 0
			= held swarm-task
			stop
			= held swarm-task
			+1h
			> nothing`},
		{"Swarm missed the event: one kill, and Swarm handles the exit", `
			given health task
			up
			unhealthy
			= due 15s..15s
			+14s
			> nothing
			+1s
			> kill 1
			kill KILL
			die 137
			= event stopped
			= held swarm-task
			answer ok
			+1h
			> nothing`},
		{"healthy again in time", `
			given health task
			up
			unhealthy
			+5s
			healthy
			= event recovered
			+1h
			> nothing`},
		{"unhealthy-for is longer", `
			given health task unhealthy-for=2m
			up
			unhealthy
			+119s
			> nothing
			+1s
			> kill 1
			kill KILL
			die 137
			answer ok
			= held swarm-task`},
		{"it exits by itself: no start", `
			given task
			up
			die 1
			= held swarm-task
			+1h
			> nothing`},
		{"it exits with 0: no start", `
			given task
			up
			die 0
			= held swarm-task
			+1h
			> nothing`},
		{"refused, as during an update of the service: asked again later", `
			given health task
			up
			unhealthy
			+15s
			> kill 1
			answer refused
			> nothing
			+9s
			> nothing
			+1s
			> kill 1
			kill KILL
			die 137
			answer ok
			= held swarm-task`},
		{"starved: never killed, however long", `
			given health task cpus=0.5 starved-grace=2m
			up
			unhealthy timed-out
			> sample
			reads 0.5 0.9 1
			= held starved
			+2m
			> sample
			reads 0.5 0.9 1
			= held starved
			+2m
			> sample
			reads 0.5 0.9 1
			= held starved
			> nothing`},
		{"starved, and hung later: killed", `
			given health task cpus=0.5 starved-grace=2m
			up
			unhealthy timed-out
			> sample
			reads 0.5 0.9 1
			= held starved
			+2m
			> sample
			reads 0.01 0 0.1
			> kill 1
			kill KILL
			die 137
			answer ok
			= held swarm-task`},
		{"hung: killed", `
			given health task cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.01 0 0.1
			= event hung
			+15s
			> kill 1
			kill KILL
			die 137
			answer ok
			= held swarm-task`},
		{"Stoker dies between the kill and its event", `
			given health task
			up
			unhealthy
			+15s
			> kill 1
			stoker-killed
			kill KILL
			die 137
			= held swarm-task
			+1h
			> nothing`},
	})
}

// A displayed task is inspected once, and nothing more.
func TestObservedTask(t *testing.T) {
	run(t, []scenario{
		{"unhealthy", `
			given health barred=swarm-task cpus=0.5
			up unhealthy
			> nothing
			+1h
			> nothing
			= held swarm-task
			die 1
			+1h
			> nothing`},
	})
}

// A displayed task is inspected once if it runs, for its quota, and not at all if it has ended.
func TestInspectOfAnObservedTask(t *testing.T) {
	s := play(t, "given barred=swarm-task cpus=0.5\nup\n+1h\nlist running\n> inspect")
	require.True(t, s.m.View().Inspected)
	require.InDelta(t, 0.5, s.m.View().CPUs, 0)
	s = play(t, "given barred=swarm-task down=0\nup\n+1h\nlist down 0")
	require.Empty(t, s.did)
}

// Of the signals during a kill by Stoker one SIGKILL is its own; every other one that means stop is another client's.
func TestWhoseSignalsOfATask(t *testing.T) {
	for signals, others := range map[string]bool{"kill KILL": false, "kill KILL\nkill HUP": false, "kill TERM": true, "kill KILL\nkill KILL": true, "kill KILL\nkill TERM": true} {
		s := play(t, "given health task\nup\nunhealthy\n+15s\n> kill 1\n"+signals)
		_, stopped := s.m.StoppedAt()
		require.Equal(t, others, stopped, signals)
	}
}

// The stop event after the end of a task is part of that end: the task stays Swarm's.
func TestStopEventAfterATask(t *testing.T) {
	s := play(t, "given task\nup\nkill TERM\ndie 0\n= event held\nstop\n= no-event held")
	require.Equal(t, worker.HeldSwarm, s.m.Saved().State.Hold.Reason)
}
