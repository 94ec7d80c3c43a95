package worker_test

import "testing"

func TestAcrossTheEnginesDeath(t *testing.T) {
	run(t, []scenario{
		{"rule 5: stopped right before it went down", `
			up
			kill TERM
			die 143
			stop
			+1s
			engine restarted -5s
			up
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: and Stoker was killed too", `
			up
			kill TERM
			die 143
			stop
			stoker-killed
			engine restarted -5s
			up
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 6: its shutdown stopped the worker", `
			up
			engine gone
			kill TERM
			die 143
			stop
			= held stopped-by-operator
			engine restarted -5s
			up
			+2s
			> start 1
			= intent engine`},
		{"rule 6: its shutdown took long to reach the last of them", `
			up
			mute kill TERM
			answer unreachable
			engine gone
			die 143
			stop
			+20s
			= held stopped-by-operator
			engine restarted -5s
			up
			+2s
			> start 1
			= intent engine`},
		{"rule 6: the exit was not observed", `
			up
			kill TERM
			+1m
			engine restarted -2m
			list down 143
			+2s
			> start 1
			= intent engine`},
		{"rule 6: nothing was observed", `
			up
			+1m
			engine restarted
			list down 0
			+2s
			> start 1
			= intent engine`},
		{"rule 6: on-exit=failure does not count it as finished", `
			given on-exit=failure
			up
			+1m
			engine restarted
			list down 0
			+2s
			> start 1`},
		{"rule 6: it was killed, and stopped the worker when it booted", `
			given docker=on-failure
			up
			+1m
			engine restarted
			old:0s die 0
			list down 0
			+10s
			> start 1
			= intent engine`},
		{"rule 6: an operator had stopped it before", `
			up
			kill TERM
			die 143
			stop
			+1m
			engine restarted -5s
			up
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 6: it kept running", `
			up
			+1m
			engine restarted
			up
			= free`},
		{"rule 6: during the back-off", `
			up
			die 1
			> start 1
			start
			answer running
			die 1
			engine restarted
			up
			+1s
			> start 2`},
		{"rule 11: a start that is due does not wait for an inspect that is due longer", `
			up
			die 1
			> start 1
			start
			answer running
			die 1
			engine gone
			mute update
			+2s
			list down 1
			> start 2`},
		{"rule 6: during the own stop", `
			given health
			up
			unhealthy
			> stop 1
			engine gone
			kill TERM
			kill TERM
			die 143
			answer unknown
			engine restarted -5s
			up
			+3s
			> start 2`},
		{"rule 6: during the own start", `
			up
			die 1
			> start 1
			answer unknown
			engine restarted
			up
			+1s
			> start 2`},
	})
}
