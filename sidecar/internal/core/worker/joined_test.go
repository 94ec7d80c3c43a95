package worker_test

import "testing"

func TestOperatorJoinsTheOwnStop(t *testing.T) {
	run(t, []scenario{
		{"rule 5: docker restart, and an inspect that is ahead of its last events", `
			up
			mute kill TERM
			die 0
			= held stopped-by-operator
			+100ms
			answer running new
			= free
			late stop
			late start
			die 137
			> start 1`},
		{"rule 5: docker stop during the own stop", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			+1s
			kill TERM
			+1s
			die 143
			stop
			stop
			answer down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: docker stop during the own stop, the answer before the last events", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			kill TERM
			answer down 143
			late die 143
			late stop
			late stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: docker stop during the own stop, the answer before all events", `
			given health
			up
			unhealthy
			> stop 1
			answer down 143
			+1s
			late kill TERM
			late kill TERM
			late die 143
			late stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: docker kill during the own stop", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			+1s
			kill KILL
			die 137
			stop
			answer down 137
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: docker kill before the own signal", `
			given health
			up
			unhealthy
			> stop 1
			kill KILL
			die 137
			answer down 137
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: docker stop just before the own stop", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			kill TERM
			die 143
			stop
			= held stopped-by-operator
			answer refused down 143
			= held stopped-by-operator
			= idle`},
		{"rule 5: docker stop instead of the own stop", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			answer refused down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: the second stop event alone", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			stop
			answer down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: docker restart during the own stop", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			kill TERM
			die 143
			stop
			stop
			start
			answer running starting
			healthy
			= free
			= attempts 0`},
		{"rule 5: docker stop while the restart waits for its time, and takes its time itself", `
			given health unhealthy-for=2s grace=20s
			up
			unhealthy
			+1s
			kill TERM
			+15s
			> nothing
			die 143
			stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: a signal that it survived does not protect an unhealthy worker for ever", `
			given health unhealthy-for=2s
			up
			unhealthy
			kill TERM
			+59m
			> nothing
			+1m
			> stop 1`},
		{"H1: docker stop -t 120 of a worker that drains and fails its health check is not interrupted", `
			given health grace=10s
			up
			kill TERM
			+20s
			unhealthy
			+30s
			> nothing
			die 0
			+2s
			> nothing
			stop
			= held stopped-by-operator
			+1h
			> nothing`},
		{"H1: the same, and the grace of the stop runs out", `
			given health grace=10s
			up
			kill TERM
			+20s
			unhealthy
			+100s
			kill KILL
			+100ms
			die 137
			= held stopped-by-operator
			late:2s stop
			= held stopped-by-operator
			+1h
			> nothing`},
		{"H1: it had failed its health check before, and Stoker was about to restart it", `
			given health unhealthy-for=20s
			up
			unhealthy
			+10s
			kill TERM
			+60s
			> nothing
			die 0
			+1900ms
			stop
			= held stopped-by-operator`},
		{"H1: Stoker was killed meanwhile", `
			given health grace=10s
			up
			kill TERM
			+5s
			stoker-killed
			up unhealthy
			+60s
			> nothing
			die 0
			+2s
			stop
			= held stopped-by-operator`},
	})
}
