package worker_test

import "testing"

func TestStarting(t *testing.T) {
	run(t, []scenario{
		{"rule 13: healed when it runs", `
			up
			die 1
			> start 1
			start
			= phase starting
			answer running
			= event healed
			= free
			= attempts 1`},
		{"rule 13: the answer before its event", `
			up
			die 1
			> start 1
			+200ms
			answer running new
			= event healed
			late start
			= free
			= attempts 1
			+1m
			= event stable
			= attempts 0`},
		{"rule 13: healed when it is healthy", `
			given health
			up
			die 1
			> start 1
			start
			answer running starting
			= phase verifying
			= no-event healed
			+20s
			healthy
			= event healed
			= free`},
		{"rule 12: a second crash backs off", `
			up
			die 1
			> start 1
			start
			answer running
			+10s
			die 1
			> nothing
			= due 800ms..1s
			= attempts 1
			+1s
			> start 2`},
		{"rule 12: stable resets", `
			up
			die 1
			> start 1
			start
			answer running
			+1m
			= attempts 0
			+1ms
			die 1
			> start 1`},
		{"rule 12: the wait doubles up to its cap", `
			given backoff-max=3s
			up
			die 1
			> start 1
			answer down 1 new
			late start
			late die 1
			= due 800ms..1s
			+1s
			> start 2
			answer down 1 new
			late start
			late die 1
			= due 1600ms..2s
			+2s
			> start 3
			answer down 1 new
			late start
			late die 1
			+2399ms
			> nothing
			+601ms
			> recreate 4`},
		{"rule 12: died at once, the events first", `
			up
			die 1
			> start 1
			start
			die 1
			> nothing
			answer down 1
			= due 800ms..1s
			= attempts 1
			+1s
			> start 2`},
		{"rule 12: died at once, an old inspect in the answer", `
			up
			die 1
			> start 1
			start
			+5ms
			die 1
			answer stale running
			= due 700ms..1s
			= attempts 1
			+1s
			> start 2`},
		{"rule 12: died at once, the answer first and no events", `
			up
			die 1
			> start 1
			+300ms
			answer down 1 new
			+2s
			= attempts 1
			= due 800ms..1s
			+1s
			> start 2`},
		{"rule 11: the start failed", `
			up
			die 1
			> start 1
			answer failed port is already allocated
			= fault start-failed
			= event heal-failed
			= due 800ms..1s
			+1s
			> start 2
			start
			answer running
			= event healed`},
		{"rule 14: no answer to the start, and it happened", `
			up
			die 1
			> start 1
			list running new
			answer unknown
			+1s
			> inspect
			= event healed
			late start
			= attempts 1`},
		{"rule 14: no answer to the start, and nothing happened", `
			up
			die 1
			> start 1
			answer unknown
			> nothing
			+1s
			> inspect
			= due 800ms..1s
			+1s
			> start 2`},
		{"rule 14: no answer to the start, and it happened and came to nothing", `
			up
			die 1
			> start 1
			answer unknown
			+100ms
			late:10ms start
			die 1
			= due 700ms..1s
			+1s
			> start 2`},
		{"rule 14: no answer to the start, and the next one is due: an inspect comes first", `
			up
			die 1
			> start 1
			start
			die 1
			+10s
			answer unknown
			> nothing
			+1s
			> start 2`},
		{"the engine could not be asked: the attempt is refunded", `
			up
			die 1
			> start 1
			answer unreachable
			= attempts 0
			+1s
			> start 1
			answer unreachable
			+1s
			> start 1
			start
			answer running
			= attempts 1`},
		{"the container is gone", `
			up
			die 1
			> start 1
			answer missing
			> nothing
			destroy
			= over`},
		{"the container is gone without an event", `
			up
			die 1
			> start 1
			answer missing
			> nothing
			+1900ms
			mute update
			+200ms
			answer missing
			= over`},
		{"dry run", `
			up
			die 1
			> start 1
			answer skipped
			= held dry-run
			= attempts 0
			+1h
			> nothing
			start
			= free`},
		{"dry run is forgotten by a Stoker that means it", `
			up
			die 1
			> start 1
			answer skipped
			stoker-killed
			up
			+2s
			> start 1`},
		{"docker start during the back-off", `
			up
			die 1
			> start 1
			start
			answer running
			die 1
			start
			= event recovered
			= attempts 0
			+1h
			> nothing`},
		{"docker restart during the back-off", `
			up
			die 1
			> start 1
			start
			answer running
			die 1
			start
			= free
			die 1
			> start 1`},
		{"docker restart while the start is on its way", `
			up
			die 1
			> start 1
			start
			kill TERM
			die 143
			= held stopped-by-operator
			stop
			start
			answer running
			= free`},
		{"docker stop while the start is on its way", `
			up
			die 1
			> start 1
			start
			+10ms
			kill TERM
			die 143
			stop
			answer stale running
			+1h
			> nothing
			= held stopped-by-operator`},
		{"docker stop right after the start, the answer first", `
			up
			die 1
			> start 1
			answer running new
			late start
			kill TERM
			die 143
			+1h
			= held stopped-by-operator`},
		{"rule 5: docker stop of a worker that had just crashed, and the start fails", `
			up
			die 1
			> start 1
			late stop
			answer failed no such device
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: docker stop of a worker that had just crashed, and the start works", `
			up
			die 1
			> start 1
			late stop
			start
			answer running
			= free
			+1m
			die 1
			> start 1`},
		{"docker rm during the back-off", `
			up
			die 1
			> start 1
			start
			die 1
			answer down 1
			destroy
			= over`},
		{"docker update during the back-off", `
			up
			die 1
			> start 1
			start
			answer running
			die 1
			update
			+1s
			> start 2`},
		{"the engine's clock steps back during a heal", `
			up
			die 1
			> start 1
			late:-1h die 1
			list running
			answer running
			late start
			= free`},
		{"renamed by compose, about to be replaced", `
			up
			rename 0123456789ab_w
			die 1
			+1h
			> nothing
			= held being-replaced`},
		{"renamed by a person", `
			up
			rename other
			die 1
			> start 1`},
	})
}
