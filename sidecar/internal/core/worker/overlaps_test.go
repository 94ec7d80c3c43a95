package worker_test

import "testing"

// Two overlapping events, each found by the simulation.
func TestOverlaps(t *testing.T) {
	run(t, []scenario{
		{"the probe timed out at first, and fails by the time of the restart", `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.15 0 0.1
			update unhealthy
			= reason probe-failed
			+3s
			> stop 1`},
		{"an operator restarts the worker, an inspect shows the crash of the new incarnation, and the events of the restart come after it", `
			up
			+1h
			world down 139 new:2s
			late:4s kill TERM
			late:4s die 0
			> nothing
			late:4s stop
			late:3s start
			late:1s die 139
			> start 1`},
		{"attempts are used up, and an inspect shows an operator's start before its event", `
			given max-attempts=1
			up
			die 1
			> start 1
			start
			answer running
			die 1
			= held exhausted
			+20s
			list running new
			+2s
			= free
			= attempts 0
			start
			= free`},
		{"the clock steps back during the stop of the Stoker before this one", `
			given demand
			up
			sleep
			> stop 0
			stoker-killed
			old:0s kill TERM
			up
			+5s
			late:1h kill KILL
			late:1h die 137
			= phase asleep`},
		{"the engine's clock steps back during the own stop, whose first event was late", `
			given demand
			up
			sleep
			> stop 0
			+2s
			late:2s kill TERM
			+8s
			late:1h kill KILL
			late:1h die 137
			= phase asleep`},
		{"the same, and an operator kills the worker before its grace is over", `
			given demand
			up
			sleep
			> stop 0
			+2s
			late:2s kill TERM
			+5s
			late:1h kill KILL
			late:1h die 137
			= held stopped-by-operator`},
		{"the event of Stoker's start is lost, and an operator stops the worker when it is healthy", `
			given health
			up
			mute die 1
			> start 1
			answer new running starting
			+1s
			healthy
			kill TERM
			die 1
			= held stopped-by-operator`},
		{"the event of Stoker's start is lost, and an operator stops the worker a while later", `
			up
			mute die 1
			> start 1
			answer new running
			+10s
			kill TERM
			die 1
			= held stopped-by-operator`},
		{"the events of an own stop come after a recreate that was rolled back", `
			given health on-unhealthy=recreate grace=2s
			up
			unhealthy
			> recreate 1
			transaction stops
			+2s
			answer undone unstarted down 143
			late:1s kill TERM
			late:1s die 143
			late:1s stop
			= phase recreate-due
			+1s
			> recreate 2`},
		{"a client pauses the new incarnation before the answer to the start", `
			up
			die 1
			> start 1
			+1s
			mute update running new
			answer paused
			= phase verifying`},
		{"the stop signal of a container is saved: a stop, and then docker rm -f, while no Stoker was there", `
			given on-missing=recreate stop-signal=USR1
			up
			stoker-killed
			old:3s kill USR1
			old:2s kill KILL
			old:1s die 137
			destroy
			= over`},
		{"a worker with --rm that an operator stops, without an exit event", `
			given health rm
			up
			unhealthy timed-out
			mute kill TERM
			answer missing
			+1999ms
			mute update
			+1ms
			answer missing
			= over`},
		{"started and exited unobserved, after the engine's clock stepped back", `
			up
			kill TERM
			die 143
			stoker-killed
			+5s
			list down 3 new:2h
			+2s
			> start 1`},
		{"an unobserved incarnation, while the exit of the one before was not explained yet", `
			up
			list down 1
			+2s
			list down 2 new:1s
			+1h
			> start 1`},
		{"the event of the own start comes 5.9 s after the start, after the answer", `
			given max-attempts=3
			up
			die 1
			> start 1
			answer running new
			= event healed
			+5900ms
			slow:5900ms start
			= no-event recovered
			= attempts 1
			die 1
			= attempts 1
			+4s
			> start 2`},
		{"the event of the own recreate's start comes 5.9 s after it", `
			given max-attempts=3 on-missing=recreate
			up
			kill KILL
			die 137
			destroy
			> recreate 1
			answer made running
			= event healed
			+5900ms
			slow:5900ms start
			= no-event recovered
			= attempts 1`},
		{"another client starts it after the own start: the second start event is that client's", `
			up
			die 1
			> start 1
			answer running new
			slow:100ms start
			die 1
			+100ms
			start
			= event recovered
			= attempts 0`},
		{"the signal of the own stop comes when the starts after it have failed and a recreate is due", `
			given health recreate-after=1 grace=1s
			up
			unhealthy
			> stop 1
			list down 143
			answer down 143
			+2s
			> start 1
			answer failed no such device
			= phase recreate-due
			late:5s kill TERM
			late:5s die 143
			late:5s stop
			= no-event held
			= phase recreate-due
			+2s
			> recreate 2`},
		{"Stoker is killed during its own stop, and the engine's clock is an hour behind", `
			given health grace=15s
			up
			unhealthy
			> stop 1
			kill TERM
			stoker-killed
			up
			+15s
			late:1h kill KILL
			late:1h die 137
			> start 1`},
		{"an operator's signal to a past incarnation does not put off the stop of the next one", `
			given health
			up
			kill HUP
			kill TERM
			stoker-killed
			world running unhealthy new
			list running unhealthy
			answer running unhealthy new
			> stop 1`},
		{"started and stopped unobserved, without a clock step", `
			given grace=1s
			up
			+20m
			kill TERM
			die 143
			stoker-killed
			+5s
			list down 3 new:10m
			+2s
			> nothing`},
		{"the event of the own start, and those of the stop after it, come after both answers", asleep + `
			wake
			> start 0
			answer running new
			+2s
			sleep
			> stop 0
			world down 143
			answer down 143
			= phase asleep
			late:3s stop
			slow:5ms start
			= phase asleep
			late:50ms kill TERM
			late:20ms die 143
			late:0s stop
			= phase asleep`},
		{"an operator kills it during the own stop before SIGKILL is due, while no Stoker is there", `
			given health grace=15s
			up
			unhealthy
			> stop 1
			kill TERM
			stoker-killed
			+30s
			old:20s kill KILL
			old:20s die 137
			list down 137
			= held stopped-by-operator`},
		{"the engine's shutdown ends one that is held under a backup name, and removes it", `
			given rm
			up
			rename w.stoker-old
			= held being-replaced
			kill TERM
			die 143
			stop
			= held being-replaced
			engine restarted
			old:0s destroy
			= over`},
		{"two consecutive Stokers see the signal of the own stop in their replays", `
			given health
			up
			unhealthy
			> stop 1
			+2s
			stoker-killed
			old:1s kill TERM
			stoker-killed
			old:1001ms kill TERM
			list running unhealthy
			die 143
			+2s
			> start 1`},
		{"it exits by itself while the own stop is on its way, and Docker starts it: the stop hits the next incarnation", `
			given health docker=always
			up
			unhealthy
			> stop 1
			die 2
			start
			kill TERM
			die 143
			stop
			answer down 143
			> start 1`},
		{"it exits by itself while the own stop is on its way, and Docker starts it: the stop was for the previous incarnation", `
			given health docker=always
			up
			unhealthy
			> stop 1
			die 2
			start
			answer running
			= phase watching
			= no-event healed
			= no-event held
			die 1
			> start 1`},
		{"it exits by itself while the own stop is on its way, and Docker starts it: the stop is never answered and hits nothing", `
			given health docker=always grace=5s
			up
			unhealthy
			> stop 1
			die 2
			start
			answer unknown
			+1m
			> nothing
			= phase watching`},
		{"the events of the own stop come when the start after it has used up the attempts", `
			given health max-attempts=1
			up
			unhealthy
			> stop 1
			world down 143
			answer down 143
			+2s
			> start 1
			answer failed mount is gone
			= held exhausted
			late:3s kill TERM
			late:2s die 143
			late:2s stop
			= held exhausted
			> nothing`},
		{"the answer to the own stop is lost, and an operator starts the worker meanwhile and stops it later", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			start
			= phase stopping
			answer unknown
			+2s
			= phase watching
			kill TERM
			die 143
			= held stopped-by-operator`},
	})
}
