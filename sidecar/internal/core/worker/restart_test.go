package worker_test

import "testing"

func TestRestarting(t *testing.T) {
	run(t, []scenario{
		{"rule 13: unhealthy, stopped, started, healthy", `
			given health
			up
			unhealthy
			> stop 1
			= reason probe-failed
			kill TERM
			die 143
			stop
			> nothing
			answer down 143
			> start 1
			start
			answer running starting
			= phase verifying
			+5s
			healthy
			= event healed
			= attempts 1
			+1m
			= attempts 0`},
		{"rule 13: still unhealthy after the restart", `
			given health
			up
			unhealthy
			> stop 1
			die 143
			answer down 143
			> start 1
			start
			answer running starting
			unhealthy
			= event heal-failed
			= attempts 1
			= due 800ms..1s
			+1s
			> stop 2`},
		{"rule 7: own events come late, after the start", `
			given health
			up
			unhealthy
			> stop 1
			answer down 143
			+2s
			> start 1
			late:3s kill TERM
			late:3s die 143
			late:3s stop
			answer running starting new
			late start
			healthy
			= free
			= attempts 1`},
		{"rule 7: own events come late, before the start", `
			given health
			up
			unhealthy
			> stop 1
			answer down 143
			> nothing
			late kill TERM
			late die 143
			> start 1
			late stop
			start
			answer running
			healthy
			= free`},
		{"rule 7: a worker that ignores the stop signal", `
			given health grace=5s
			up
			unhealthy
			> stop 1
			kill TERM
			+5s
			kill KILL
			die 137
			stop
			answer down 137
			> start 1
			start
			answer running
			healthy
			= free`},
		{"rule 7: own stop of a worker with its own stop signal", `
			given health stop-signal=INT
			up
			unhealthy
			> stop 1
			kill INT
			die 130
			stop
			answer down 130
			> start 1`},
		{"a crash during the own stop", `
			given health
			up
			unhealthy
			> stop 1
			die 1
			answer refused down 1
			> start 1`},
		{"on-exit=never concerns ends, not restarts", `
			given health on-exit=never
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			answer down 143
			> start 1`},
		{"recovered before the stop", `
			given health unhealthy-for=30s
			up
			unhealthy
			+10s
			healthy
			= event recovered
			+1h
			> nothing
			= attempts 0`},
		{"recovered in the inspect before the stop", `
			given health
			up
			unhealthy
			> stop 1
			answer refused healthy
			= event recovered
			= attempts 0
			= free`},
		{"unhealthy-for counts from the first sign, and again in each incarnation", `
			given health unhealthy-for=30s
			up
			unhealthy
			+20s
			update
			+9s
			> nothing
			+1s
			> stop 1
			answer down 143
			+2s
			> start 1
			answer running starting new
			late start
			+10s
			unhealthy
			= due 30s..30s`},
		{"a probe that timed out waits for company", `
			given health
			up
			unhealthy timed-out
			= reason probe-timed-out
			= due 3s..3s
			+3s
			> stop 1`},
		{"on-unhealthy=ignore", `
			given health on-unhealthy=ignore
			up
			unhealthy
			+1h
			> nothing
			= held unhealthy-ignored
			die 1
			> start 1`},
		{"--rm: a stop would remove it", `
			given health rm
			up
			unhealthy
			> recreate 1
			answer made running starting
			healthy
			= event healed
			= free`},
		{"--rm: a stop would remove it, and it cannot be recreated", `
			given health rm
			up
			unhealthy
			> recreate 1
			answer unfit HostConfig.Isolation
			= event refused
			+1h
			> nothing
			= held needs-recreate
			healthy
			= free`},
		{"rule 4: unhealthy means nothing for a stopped worker", `
			given health
			up
			kill TERM
			die 143
			stop
			unhealthy
			list down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"paused during the heal", `
			given health
			up
			unhealthy
			> stop 1
			die 143
			answer down 143
			> start 1
			start
			answer running starting
			pause
			= held paused
			+1h
			> nothing
			unpause
			healthy
			= event healed`},
		{"paused while the restart waits", `
			given health unhealthy-for=5s
			up
			unhealthy
			pause
			+1m
			> nothing
			= held paused`},
		{"crash during verify", `
			given health
			up
			unhealthy
			> stop 1
			die 143
			answer down 143
			> start 1
			start
			answer running starting
			+1s
			die 1
			= event heal-failed
			+1s
			> start 2`},
		{"rule 14: no answer to the stop, and it happened", `
			given health
			up
			unhealthy
			> stop 1
			answer unknown
			list down 137
			+1s
			> nothing
			late die 137
			> start 1`},
		{"rule 14: no answer to the stop, and nothing happened", `
			given health grace=5s
			up
			unhealthy
			> stop 1
			answer unknown
			+34s
			> nothing
			+2s
			> stop 1`},
		{"the stop failed", `
			given health
			up
			unhealthy
			> stop 1
			answer failed permission denied
			= event heal-failed
			+1s
			> stop 2`},
		{"rm -f during the own stop", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			kill KILL
			die 137
			destroy
			= over`},
	})
}
