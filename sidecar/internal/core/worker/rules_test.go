package worker_test

import "testing"

// scenario is a script with the rule that it checks.
type scenario struct {
	name   string
	script string
}

func run(t *testing.T, scenarios []scenario) {
	t.Helper()
	for _, c := range scenarios {
		t.Run(c.name, func(t *testing.T) { play(t, c.script) })
	}
}

func TestExits(t *testing.T) {
	run(t, []scenario{
		{"rule 11: a crash is healed at once", `
			up
			die 1
			> start 1
			= reason crashed
			= event fault`},
		{"rule 11: exit 0 is healed at once", `
			up
			die 0
			> start 1
			= reason exited-zero`},
		{"rule 11: out of memory is healed at once", `
			up
			oom
			die 137 oom
			> start 1
			= fault oom`},
		{"rule 11: out of memory, reported after the exit", `
			up
			die 137
			> start 1
			= fault exited
			oom
			= fault oom
			= reason out-of-memory`},
		{"rule 11: out of memory, reported long after the exit", `
			up
			die 137
			> start 1
			+6s
			oom
			= fault exited`},
		{"rule 11: a start that is due does not wait for an inspect that is due", `
			up
			mute update
			late die 1
			answer down 1
			> start 1`},
		{"rule 5: stop", `
			up
			kill TERM
			die 143
			> nothing
			= held stopped-by-operator
			stop
			= held stopped-by-operator
			= idle`},
		{"rule 5: stop before die", `
			up
			kill TERM
			stop
			die 143
			> nothing
			= held stopped-by-operator`},
		{"rule 5: kill", `
			up
			kill KILL
			die 137
			> nothing
			= held stopped-by-operator`},
		{"rule 5: the container's own stop signal", `
			given stop-signal=USR1
			up
			kill USR1
			die 0
			> nothing
			= held stopped-by-operator`},
		{"rule 5: a signal that does not mean stop", `
			up
			kill HUP
			kill USR1
			die 129
			> start 1`},
		{"rule 5: restart", `
			up
			kill TERM
			die 143
			stop
			start
			> nothing
			= free
			= event recovered`},
		{"rule 5: held until an operator starts it, then managed again", `
			up
			kill TERM
			die 143
			stop
			+10h
			start
			= free
			+1h
			die 1
			> start 1`},
		{"rule 5: a worker that ignored the signal and crashed much later was not stopped", `
			up
			kill TERM
			+5m
			die 1
			> nothing
			+5s
			> start 1`},
		{"rule 5: a late exit with a stop event was a stop", `
			given grace=5m
			up
			kill TERM
			+5m
			kill KILL
			+100ms
			die 137
			= held stopped-by-operator`},
		{"rule 5: the stop event outlasts the window of the signal", `
			up
			kill TERM
			+5m
			die 143
			+10ms
			stop
			> nothing
			= held stopped-by-operator`},
		{"rule 5: removal by force", `
			up
			kill KILL
			die 137
			> nothing
			destroy
			= over`},
		{"on-exit=failure", `
			given on-exit=failure
			up
			die 0
			> nothing
			= held finished
			start
			die 3
			> start 1`},
		{"on-exit=failure: out of memory is a failure", `
			given on-exit=failure
			up
			oom
			die 137
			> start 1`},
		{"on-exit=never", `
			given on-exit=never
			up
			die 1
			> nothing
			= held finished`},
		{"--rm: a crash's own removal", `
			given rm
			up
			die 1
			+1m
			> nothing
			destroy
			> recreate 1
			= fault exited
			answer made running
			= event healed
			= free`},
		{"--rm: finished", `
			given rm on-exit=failure
			up
			die 0
			> nothing
			destroy
			= over`},
		{"--rm: stopped", `
			given rm
			up
			kill TERM
			die 143
			stop
			destroy
			= over
			> nothing`},
		{"--rm: killed by an operator", `
			given rm on-missing=recreate
			up
			kill KILL
			die 137
			destroy
			= over
			> nothing`},
		{"rule 9: paused", `
			given health
			up
			pause
			= held paused
			unhealthy
			list paused unhealthy
			+1h
			> nothing
			unpause
			healthy
			= free`},
		{"rule 5: a paused worker is stopped, the stop event first", `
			up
			pause
			kill TERM
			stop
			die 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 9: what a pause made of the health is no fault", `
			given health
			up
			pause
			list paused unhealthy
			unpause
			list running
			+10s
			> nothing
			+1m
			list unhealthy          # a probe of its own now
			+2s
			> stop 1`},
		{"rule 9: barred", `
			given barred=bad-labels health
			up
			unhealthy
			die 1
			list down 1
			start
			stop
			+1h
			= idle
			= held bad-labels`},
	})
}

func TestExitsObservedLater(t *testing.T) {
	run(t, []scenario{
		{"rule 8: no memory, a failure", `
			given down=1
			up
			+2s
			> start 1
			= intent unknown`},
		{"rule 8: no memory, out of memory", `
			given down=137
			list down 137 oom
			up
			+2s
			> start 1
			= fault oom`},
		{"rule 8: no memory, exit 143", `
			given down=143
			up
			+2s
			= held exit-not-observed
			= idle`},
		{"rule 8: no memory, exit 0", `
			given down=0
			up
			+1h
			= held exit-not-observed`},
		{"rule 8: no memory, never started", `
			given never-started
			up
			+1h
			= held never-started`},
		{"rule 8: no memory, the start failed", `
			given never-started
			up created port-taken
			+2s
			> start 1
			= fault start-failed`},
		{"rule 8: restored as running", `
			given remembered down=0
			up
			+2s
			> start 1
			= reason exit-not-observed`},
		{"rule 8: restored, and the replay shows a stop", `
			given remembered down=143
			old kill TERM
			old die 143
			old stop
			up
			+1h
			= held stopped-by-operator
			= idle`},
		{"rule 8: restored, and the replay shows only the exit of a stop", `
			given remembered down=143
			old die 143
			old stop
			up
			+1h
			= held stopped-by-operator`},
		{"rule 8: restored, and the replay shows a crash", `
			given remembered down=143
			old die 143
			up
			> start 1
			= intent none`},
		{"rule 8: the replay shows a stop and a start", `
			given remembered
			old:3s kill TERM
			old:3s die 143
			old:3s stop
			up running new
			= free`},
		{"rule 2: a list that leads the events of a stop", `
			up
			list down 143
			+500ms
			late kill TERM
			late die 143
			late stop
			+1h
			= held stopped-by-operator`},
		{"rule 2: a list that leads the event of a crash", `
			up
			list down 1
			+100ms
			late die 1
			> start 1`},
		{"rule 2: a crash without an event", `
			up
			list down 1
			+1900ms
			> nothing
			+2100ms
			> start 1
			= intent unknown`},
		{"rule 2: a start without an event", `
			up
			kill TERM
			die 143
			list running new
			+2s
			= free`},
		{"rule 2: a stop before a start without an event does not explain the next exit", `
			up
			kill TERM
			stop
			+1s
			list running new
			+2s
			late die 1
			> start 1`},
	})
}
