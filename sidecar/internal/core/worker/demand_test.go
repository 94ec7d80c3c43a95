package worker_test

import (
	"testing"
)

// asleep is a worker that was put to sleep a minute ago.
const asleep = `
	given demand
	up
	sleep
	> stop 0
	kill TERM
	die 143
	stop
	answer down 143
	= phase asleep
	+1m
`

func TestSleepAndWake(t *testing.T) {
	run(t, []scenario{
		{"asleep, and woken", asleep + `
			= held asleep
			= event asleep
			wake
			> start 0
			start
			answer running none
			= phase watching
			= event woken
			= attempts 0
			= free`},
		{"work arrives before the own stop's last event", `
			given demand
			up
			sleep
			> stop 0
			kill TERM
			die 143
			wake
			late:100ms stop
			= no-event held
			answer down 143
			= phase starting
			> start 0`},
		{"an inspect is ahead of the events", `
			given demand
			up
			sleep
			> stop 0
			answer down 143
			= phase asleep
			kill TERM
			die 143
			stop
			= phase asleep
			= held asleep`},
		{"inspects have shown an incarnation from its start to its end before its first event arrives", asleep + `
			world running new
			list running
			+3s
			= event woken
			sleep
			> stop 0
			answer down 143
			= phase asleep
			+2s
			late start
			late:2s kill TERM
			late:2s die 143
			late:2s stop
			= held asleep`},
		{"with a health check it is awake when it is healthy", `
			given demand health
			up
			sleep
			> stop 0
			die 143
			answer down 143
			wake
			> start 0
			start
			answer running starting
			= no-event woken
			+5s
			healthy
			= event woken`},
		{"its exit is no fault, whatever the code", `
			given demand
			up
			sleep
			> stop 0
			kill TERM
			+10s
			kill KILL
			die 137
			answer down 137
			= phase asleep
			= no-event fault`},
		{"another client's stop signal during the stop for lack of work explains nothing, because the exit comes too late: it can be woken", `
			given demand
			up
			sleep
			> stop 0
			kill TERM
			kill TERM
			+25s
			kill KILL
			die 137
			answer down 137
			= phase asleep
			wake
			> start 0`},
		{"a wake changes nothing about one that runs, a sleep nothing about one that sleeps", asleep + `
			sleep
			> nothing
			wake
			> start 0
			start
			answer running none
			wake
			> nothing`},
		{"the start of a wake fails: a fault like any other", asleep + `
			wake
			> start 0
			answer failed no such device
			= fault start-failed
			= attempts 1
			= event fault
			> start 1
			start
			answer running none
			= event healed`},
		{"dead right after the wake", asleep + `
			wake
			> start 0
			start
			answer running none
			die 1
			= fault exited
			> start 1`},
		{"I10: an operator's stop at the same time holds it", `
			given demand
			up
			sleep
			> stop 0
			kill TERM
			kill TERM
			die 143
			stop
			stop
			= held stopped-by-operator
			answer down 143
			= held stopped-by-operator
			wake
			> nothing`},
		{"and so does one whose signal comes after the answer", `
			given demand
			up
			sleep
			> stop 0
			answer down 143
			= phase asleep
			kill TERM
			kill TERM
			die 143
			stop
			stop
			= held stopped-by-operator`},
		{"an operator who stops it first", `
			given demand
			up
			kill TERM
			sleep
			> nothing
			die 143
			stop
			= held stopped-by-operator
			wake
			> nothing`},
		{"an operator's start ends the sleep", asleep + `
			start
			= phase watching
			= event woken
			= free
			die 1
			= fault exited
			> start 1`},
		{"and so does one without an event", asleep + `
			world running new
			list running
			+3s
			= phase watching`},
		{"a removed one is gone", asleep + `
			destroy
			= over`},
		{"Stoker dies while it sleeps", asleep + `
			stoker-killed
			up down 143
			= phase asleep
			wake
			> start 0`},
		{"Stoker dies before the stop has succeeded", `
			given demand
			up
			sleep
			> stop 0
			stoker-killed
			up
			= phase stopping
			old kill TERM
			die 143
			= phase asleep`},
		{"Stoker dies before it sees the stop work", `
			given demand
			up
			sleep
			> stop 0
			stoker-killed
			old kill TERM
			old die 143
			old stop
			up down 143
			= phase asleep
			wake
			> start 0`},
		{"Stoker dies in the middle of a wake", asleep + `
			wake
			> start 0
			stoker-killed
			up down 143
			+3s
			= fault start-failed
			> start 1`},
		{"the engine restarts while it sleeps", asleep + `
			engine restarted
			up down 143
			= phase asleep`},
		{"Docker's own policy starts it again at the engine's start", `
			given demand docker=always
			up
			sleep
			> stop 0
			die 143
			stop
			answer down 143
			= phase asleep
			engine restarted
			world running new
			up
			= phase watching`},
		{"the engine refuses the stop", `
			given demand
			up
			sleep
			> stop 0
			answer failed device busy
			= phase watching
			= attempts 0`},
		{"the stop was not answered", `
			given demand
			up
			sleep
			> stop 0
			answer unknown
			+2s
			= phase stopping
			die 143
			= phase asleep`},
		{"it dies before the stop is sent", `
			given demand
			up
			mute die 1
			sleep
			> start 1`},
		{"one with --rm is not put to sleep", `
			given demand rm
			up
			sleep
			> nothing`},
		{"created, and never started: it sleeps from the beginning", `
			given demand never-started
			up created
			+3s
			= held asleep
			= event asleep
			wake
			> start 0
			start
			answer running none
			= event woken`},
		{"finished: it is woken when there is work again", `
			given demand on-exit=failure
			up
			die 0
			= held asleep
			wake
			> start 0`},
		{"a dry run puts nothing to sleep", `
			given demand
			up
			sleep
			> stop 0
			answer skipped
			= event held
			= phase watching`},
		{"nor does it wake one", asleep + `
			wake
			> start 0
			answer skipped
			= event held
			= phase asleep`},
		{"paused: left alone", `
			given demand
			up
			pause
			sleep
			> nothing`},
	})
}

// TestHungOrIdle: idleness is a fault only while work waits.
func TestHungOrIdle(t *testing.T) {
	run(t, []scenario{
		{"bored", `
			given demand cpus=0.5 idle-after=20s
			up
			+5m
			> nothing`},
		{"hung", `
			given demand cpus=0.5 idle-after=20s
			up
			+5m
			work waits
			+5s
			> read
			reads 0 0 0
			+5s
			> read
			reads 0 0 0
			+5s
			> read
			reads 0 0 0
			+5s
			> read
			reads 0 0 0
			+5s
			> read
			reads 0 0 0
			> stop 1
			= fault idle`},
		{"the queue was empty in between", `
			given demand cpus=0.5 idle-after=20s
			up
			work waits
			+5s
			> read
			reads 0 0 0
			+10s
			> read
			reads 0 0 0
			work none
			work waits
			+5s
			> read
			reads 0 0 0
			+5s
			> read
			reads 0 0 0
			> nothing`},
	})
}
