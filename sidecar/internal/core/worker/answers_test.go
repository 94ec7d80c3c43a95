package worker_test

import "testing"

// TestFinalCodes: some exit codes are no fault, whatever on-exit is.
func TestFinalCodes(t *testing.T) {
	run(t, []scenario{
		{"a final code", `
			given final-codes=2,64-78
			up
			die 70
			= held finished
			> nothing`},
		{"another code", `
			given final-codes=2,64-78
			up
			die 3
			> start 1`},
		{"also where exit 0 is none", `
			given final-codes=2 on-exit=always
			up
			die 0
			> start 1`},
		{"killed for want of memory, with a final code", `
			given final-codes=137
			up
			oom
			die 137 oom
			> start 1`},
		{"with a demand it sleeps, and is woken for work", `
			given demand final-codes=2
			up
			die 2
			= phase asleep
			wake
			> start 0`},
	})
}

// TestOtherAnswersToUnhealthy: stop the worker permanently, or only notify.
func TestOtherAnswersToUnhealthy(t *testing.T) {
	run(t, []scenario{
		{"stop: it is left down, and an event is emitted", `
			given health on-unhealthy=stop
			up
			unhealthy
			> stop 0
			kill TERM
			die 143
			stop
			answer down 143
			= held stopped-unhealthy
			= event stopped
			= attempts 0
			+1h
			> nothing`},
		{"stop, and an operator starts it", `
			given health on-unhealthy=stop
			up
			unhealthy
			> stop 0
			die 143
			answer down 143
			start
			= free
			healthy
			die 1
			> start 1`},
		{"stop needs no attempt", `
			given health on-unhealthy=stop max-attempts=1
			up
			die 1
			> start 1
			start
			answer running starting
			unhealthy
			> stop 0`},
		{"Stoker is killed during that stop", `
			given health on-unhealthy=stop
			up
			unhealthy
			> stop 0
			stoker-killed
			list down 143
			+2s
			= held stopped-unhealthy
			> nothing`},
		{"stop, of a worker that removes itself: its removal is no reason to make it again", `
			given health rm on-unhealthy=stop on-missing=recreate
			up
			unhealthy
			> stop 0
			kill TERM
			die 143
			stop
			destroy
			= over`},
		{"stop, not while it is starved", `
			given health cpus=0.5 on-unhealthy=stop starved-grace=2m
			up
			unhealthy timed-out
			> sample
			reads 0.5 0.9 1
			= held starved
			+1m
			healthy
			= free
			= no-event stopped`},
		{"notify: nothing is done, and one event is emitted", `
			given health on-unhealthy=notify
			up
			unhealthy
			= held unhealthy-notified
			= event unhealthy
			+10m
			list running unhealthy
			= no-event unhealthy
			> nothing
			healthy
			= free
			= event recovered`},
		{"notify, not before unhealthy-for", `
			given health on-unhealthy=notify unhealthy-for=30s
			up
			unhealthy
			= no-event unhealthy
			+29s
			= no-event unhealthy
			+1s
			= event unhealthy`},
		{"notify, and it dies", `
			given health on-unhealthy=notify
			up
			unhealthy
			die 1
			> start 1`},
	})
}
