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
