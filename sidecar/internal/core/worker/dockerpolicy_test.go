package worker_test

import "testing"

func TestDockersOwnRestarts(t *testing.T) {
	run(t, []scenario{
		{"rule 10: Docker is at it", `
			given docker=always
			up
			mute die 1
			answer restarting
			> nothing
			= held docker-restarting
			start
			= free
			= attempts 0`},
		{"the engine reports that it will start it again: an operator's restart whose signal was not seen", `
			up
			die 137 restarting
			> nothing
			= held docker-restarting
			+9s
			> nothing
			start
			= free
			= attempts 0`},
		{"the engine reports so, and does not", `
			up
			die 137 restarting
			+10s
			> start 1`},
		{"the engine reports so for one with --rm", `
			given rm
			up
			die 137 restarting
			+9s
			> nothing`},
		{"Docker restarted it while no Stoker ran, and the engine then ended it: no new attempts", `
			given docker=on-failure:2 max-attempts=2 stop-signal=USR1
			up
			die 1
			> start 1
			start
			answer running
			stoker-killed
			+5s
			old die 1
			world running new restarts:1
			old start
			+1s
			old:1ms die 1
			world down 1 restarts:1
			engine restarted
			list down 1
			= attempts 1`},
		{"another client's signal that it might have survived, and Docker restarts it: no new attempts", `
			given docker=on-failure:2 max-attempts=2 stop-signal=USR1
			up
			die 1
			> start 1
			start
			answer running
			kill TERM
			die 1
			= held stopped-by-operator
			world restarts:1
			start
			= free
			= attempts 1`},
		{"the same, and the event of that start is lost", `
			given docker=on-failure:2 max-attempts=2 stop-signal=USR1
			up
			die 1
			> start 1
			start
			answer running
			kill TERM
			die 1
			list running new restarts:1
			+2s
			= free
			= attempts 1`},
		{"the same, and an operator starts it", `
			given docker=on-failure:2 max-attempts=2 stop-signal=USR1
			up
			die 1
			> start 1
			start
			answer running
			kill TERM
			die 1
			start
			= free
			= attempts 0`},
		{"rule 10: on-failure is used up", `
			given docker=on-failure:2
			up
			die 1
			> start 1
			= reason docker-gave-up`},
		{"rule 10: on-failure calls exit 0 done", `
			given docker=on-failure
			up
			die 0
			> nothing
			= held finished`},
		{"rule 10: the worker's own label overrules that", `
			given docker=on-failure on-exit=always
			up
			die 0
			> start 1`},
		{"rule 10: Docker's own start failed", `
			given docker=always
			up
			mute die 1
			answer restarting
			list down 1 port-taken
			+1s
			> start 1
			= fault start-failed`},
		{"rule 10: killed in Docker's wait, for which there is no event", `
			given docker=always
			up
			mute die 1
			answer restarting
			list down 1
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 10: stopped in Docker's wait, the event first", `
			given docker=always
			up
			mute die 1
			answer restarting
			stop
			list down 1
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 10: stopped in Docker's wait, an inspect first", `
			given docker=always
			up
			mute die 1
			answer restarting
			list down 1
			+1s
			> nothing
			late stop
			+1h
			= held stopped-by-operator`},
		{"rule 10: an operator's stop", `
			given docker=always
			up
			kill TERM
			die 143
			stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 10: unhealthy is Stoker's", `
			given docker=always health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			answer down 143
			> start 1
			start
			answer running new
			healthy
			= free`},
		{"rule 10: Docker's restart is no reason to forget the attempts", `
			given docker=always health
			up
			unhealthy
			> stop 1
			die 143
			answer down 143
			> start 1
			answer running new starting
			late start
			healthy
			+10s
			mute die 1
			answer restarting
			start
			= attempts 1`},
	})
}
