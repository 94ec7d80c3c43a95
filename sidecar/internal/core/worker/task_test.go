package worker_test

import "testing"

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
