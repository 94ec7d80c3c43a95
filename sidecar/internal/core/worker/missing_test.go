package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// removed is a worker with --rm that a recreate found gone. No event reported its exit.
const removed = `
	given health rm on-unhealthy=recreate
	up
	unhealthy
	> recreate 1
	answer vanished
	+1999ms
	mute update
	+1ms
	answer missing
	= missing
	> recreate 1
`

// Events that arrive after the answer that showed the worker missing.
func TestEventsOfAMissingOne(t *testing.T) {
	for name, c := range map[string]string{
		"an operator stopped it": `
			late kill TERM
			late die 143
			late stop
			= missing
			late destroy
			= over`,
		"an operator killed it": `
			late kill KILL
			late die 137
			late destroy
			= over`,
		"it has crashed": `
			late die 1
			late destroy
			= missing`,
		"an operator restarted it, and it crashed": `
			late:3s kill TERM
			late:3s die 143
			late:3s stop
			late:2s start
			late die 1
			late destroy
			= missing`,
		"replayed": `
			old kill TERM
			old die 143
			old stop
			old destroy
			= missing`,
	} {
		t.Run(name, func(t *testing.T) {
			play(t, removed+"answer unreachable\n= phase recreate-due").goOn(c)
		})
	}
}

// The recreate that stopped the worker lost it, and the events of that stop arrive after its answer.
func TestOwnStopOfAMissingOne(t *testing.T) {
	play(t, `
		given health rm on-unhealthy=recreate
		up
		unhealthy
		> recreate 1
		transaction stops
		answer missing
		late kill TERM
		late die 143
		late stop
		late destroy
		= missing
		+1s
		> recreate 2`)
}

// The transaction learns of a stop while it is under way.
func TestStopOfAMissingOneWhileRecreating(t *testing.T) {
	s := play(t, removed)
	require.False(t, s.m.StoppedWhileRecreating())
	s.goOn("late kill TERM")
	require.True(t, s.m.StoppedWhileRecreating())
}

func TestMissing(t *testing.T) {
	run(t, []scenario{
		{"docker rm -f", `
			given on-missing=recreate
			up
			kill KILL
			die 137
			= held stopped-by-operator
			destroy
			= fault missing
			= event fault
			> recreate 1
			answer made running
			= event healed
			= free`},
		{"docker rm -f, and an answer comes after its events", `
			given on-missing=recreate
			up
			mute update
			kill KILL
			die 137
			destroy
			> nothing
			answer removing
			> recreate 1
			= missing`},
		{"docker rm -f, and an answer is ahead of its events", `
			given on-missing=recreate
			up
			mute update
			answer missing
			> nothing
			late kill KILL
			late die 137
			late destroy
			> recreate 1`},
		{"docker rm -f, and another client stops it meanwhile", `
			given on-missing=recreate
			up
			kill KILL
			kill TERM
			die 137
			destroy
			= over`},
		{"docker rm -f, and no label asks for a recreate", `
			up
			kill KILL
			die 137
			destroy
			= over
			> nothing`},
		{"docker kill, and rm much later", `
			given on-missing=recreate
			up
			kill KILL
			die 137
			+11s
			destroy
			= over
			> nothing`},
		{"docker stop, then rm", `
			given on-missing=recreate
			up
			kill TERM
			die 143
			stop
			destroy
			= over
			> nothing`},
		{"docker stop that comes to SIGKILL, then rm", `
			given on-missing=recreate grace=1s
			up
			kill TERM
			+1s
			kill KILL
			die 137
			stop
			destroy
			= over
			> nothing`},
		{"stop signal KILL: the stop event decides", `
			given on-missing=recreate stop-signal=KILL
			up
			kill KILL
			die 137
			stop
			destroy
			= over
			> nothing`},
		{"removed while it waits for its next attempt: compose down", `
			given on-missing=recreate
			up
			die 1
			> start 1
			answer down 1 new
			late start
			late die 1
			destroy
			= over
			+1h
			> nothing`},
		{"its network is gone too: refused, reported once, retried", `
			given on-missing=recreate
			up
			kill KILL
			die 137
			destroy
			> recreate 1
			answer unfit network gone
			= event refused
			= attempts 0
			+1s
			> recreate 1
			answer unfit network gone
			= no-event refused
			+30s
			> recreate 1
			answer made running
			= free`},
		{"Stoker was killed before it was back", `
			given on-missing=recreate
			up
			kill KILL
			die 137
			destroy
			> recreate 1
			stoker-killed
			destroy
			= missing
			list down 137
			> recreate 1`},
		{"max-attempts", `
			given on-missing=recreate max-attempts=1
			up
			kill KILL
			die 137
			destroy
			> recreate 1
			answer missing
			= event exhausted
			= held exhausted
			+1h
			> nothing`},
	})
}

func TestDependentsDue(t *testing.T) {
	run(t, []scenario{
		{"rule 18: after Stoker's own start at once", `
			up
			die 1
			> start 1
			start
			answer running
			= leads 0s`},
		{"rule 18: after another client's restart a little later", `
			up
			kill TERM
			die 143
			stop
			start
			= leads 5s`},
		{"rule 18: after a recreate, with the ID that is gone", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer made running healthy
			= leads 0s 0123`},
	})
}
