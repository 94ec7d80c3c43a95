package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

const recreating = `
	given health on-unhealthy=recreate grace=10s
	up
	unhealthy
	> recreate 1
`

// The transaction sends one stop: its first signal, SIGKILL after the grace, and the stop event. Every other signal is another
// client's.
func TestWhoseStopWhileRecreating(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		others bool
	}{
		"one stop":                                                  {"kill TERM\n+10s\nkill KILL\ndie 137\nstop", false},
		"SIGKILL as soon as it may come":                            {"kill TERM\n+9950ms\nkill KILL", false},
		"SIGKILL too soon":                                          {"kill TERM\n+9949ms\nkill KILL", true},
		"on Stoker's clock it is time":                              {"kill TERM\n+10s\nlate:5s kill KILL", false},
		"on the engine's clock it is":                               {"late:10s kill TERM\nkill KILL", false},
		"a second first signal":                                     {"kill TERM\nkill TERM", true},
		"the engine has refused its stop":                           {"transaction refused\nkill TERM", true},
		"refused, and sent again":                                   {"transaction refused\ntransaction stops\nkill TERM\nstop", false},
		"a second SIGKILL":                                          {"kill TERM\n+10s\nkill KILL\nkill KILL", true},
		"SIGKILL in an incarnation that began after its stop":       {"kill TERM\ndie 143\nstop\nstart\n+20s\nkill KILL", true},
		"its stop comes in an incarnation that has just begun":      {"die 1\nstart\nkill TERM\n+10s\nkill KILL", false},
		"a second stop event":                                       {"kill TERM\ndie 143\nstop\nstop", true},
		"SIGKILL alone":                                             {"kill KILL", true},
		"SIGKILL alone, in time":                                    {"+10s\nkill KILL", true},
		"a signal that is no stop":                                  {"kill HUP", false},
		"another client starts it again":                            {"kill TERM\nkill TERM\nstart", false},
		"Stoker died, and its SIGKILL is replayed":                  {"stoker-killed\n+8s\nold:0s kill KILL", false},
		"Stoker died, and a SIGKILL is replayed that is too soon":   {"stoker-killed\n+7s\nold:0s kill KILL", true},
		"Stoker died, and a SIGKILL is replayed that came too soon": {"kill TERM\nstoker-killed\n+20s\nold:11s kill KILL", true},
		"Stoker died, and a SIGKILL is replayed that came in time":  {"kill TERM\nstoker-killed\n+20s\nold:10s kill KILL", false},
		"Stoker died, and sent the stop again": {`
			kill TERM
			stoker-killed
			up
			> recreate 1
			transaction stops
			kill TERM
			stop
			stop`, false},
		"Stoker died, and the clock was set back, so that nothing shows the grace": {`
			kill TERM
			stoker-killed
			up
			> recreate 1
			late:1h kill KILL`, false},
		"Stoker died, and a third stop came": {`
			stoker-killed
			up
			> recreate 1
			transaction stops
			kill TERM
			kill TERM
			kill TERM`, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, recreating+"transaction stops")
			s.goOn(c.events)
			require.Equal(t, c.others, s.m.StoppedWhileRecreating())
		})
	}
}

// A stop signal before the transaction's own stop is another client's.
func TestStopBeforeTheTransactionsOwn(t *testing.T) {
	s := play(t, recreating+"kill TERM")
	require.True(t, s.m.StoppedWhileRecreating())
}

// A stop of the new container is not one of the worker, and is dropped if the transaction ignored it.
func TestStopOfTheNewOneWhileRecreating(t *testing.T) {
	s := play(t, recreating)
	s.step(worker.Observation{Kind: worker.Signalled, At: s.now, ID: "fedcba9876543210", Signal: signal("TERM")})
	require.False(t, s.m.StoppedWhileRecreating())
	require.NotNil(t, s.m.Saved().StopIntent)
	s.goOn(`
		answer undone running healthy
		= free`)
	require.Nil(t, s.m.Saved().StopIntent)
}

// A stop began with its first signal.
func TestStopIntentWhileRecreating(t *testing.T) {
	s := play(t, recreating)
	s.goOn("transaction stops\nkill TERM\nkill INT\n+5s\nstop\nstop")
	require.Equal(t, &worker.StopIntent{ID: containerID, At: noon, Signal: 2, Complete: true}, s.m.Saved().StopIntent)
	s.goOn("+1m\nkill QUIT") // too late to belong to it
	require.Equal(t, &worker.StopIntent{ID: containerID, At: s.now, Signal: 3}, s.m.Saved().StopIntent)
}

func TestRecreateAction(t *testing.T) {
	s := play(t, recreating)
	a := *s.flight
	require.Equal(t, 10*time.Second, a.Grace)
	require.Equal(t, 10*time.Second+3*time.Minute, a.Deadline)
	require.True(t, a.OnlyIfUnhealthy)
	require.Equal(t, containerID, a.Incarnation.ID)
	s.goOn(`
		stoker-killed
		up
		> recreate 1`)
	require.False(t, s.flight.OnlyIfUnhealthy, "it may be in the middle of it")
	require.Equal(t, 10*time.Second, s.flight.Grace)
	s.goOn(`
		answer unreachable    # the first one may still be under way
		= phase recreating
		= attempts 1
		+1s
		> recreate 1`)

	s = play(t, recreating+"answer unreachable\n= phase recreate-due\n= attempts 0\n+1s\n> recreate 1")
	require.True(t, s.flight.OnlyIfUnhealthy)
}

const missing = `
	given on-missing=recreate
	up
	kill KILL
	die 137
	destroy
	> recreate 1
`

// A worker without a container: the effects of the answers to its recreate.
func TestRecreateOfAMissingOne(t *testing.T) {
	s := play(t, missing)
	require.False(t, s.flight.OnlyIfUnhealthy)
	require.NotEmpty(t, s.flight.Definition)
	s.finish(worker.Outcome{Result: worker.Refused})
	s.goOn(`
		= missing
		= attempts 0
		+999ms
		> nothing
		+1ms
		> recreate 1`)

	other := *s.snapshot()
	other.ID = "another"
	s.finish(worker.Outcome{Result: worker.Refused, Answer: worker.Answer{Snapshot: &other}})
	s.goOn("= missing\n+2s\n> recreate 1")

	s.describe([]string{"running", "new"})
	s.finish(worker.Outcome{Result: worker.Refused, Answer: worker.Answer{Snapshot: s.snapshot()}}) // another client had renamed it
	s.goOn("= free")

	s = play(t, missing)
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{CannotRecreate: true, Err: "no such image"}})
	s.goOn("= event refused\n= missing\n= attempts 0\n+1s\n> recreate 1")
	s.events = nil
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{CannotRecreate: true, Err: "no such image"}})
	s.goOn("= no-event refused")
}

// An operator stops or removes the worker while it is recreated.
func TestOperatorStopsARecreate(t *testing.T) {
	s := play(t, recreating)
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{OperatorStopped: true, Missing: true, Err: "removed"}})
	s.goOn("= over\n= event unmanaged")

	s = play(t, missing)
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{OperatorStopped: true}})
	s.goOn("= over")

	s = play(t, recreating)
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{OperatorStopped: true}})
	s.goOn("= held stopped-by-operator")
	at, unsure := s.m.StoppedAt()
	require.Equal(t, s.now, at)
	require.False(t, unsure)

	s = play(t, recreating)
	s.describe([]string{"down", "143"})
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{OperatorStopped: true, Broken: true}})
	_, unsure = s.m.StoppedAt()
	require.True(t, unsure, "it may have been the daemon's shutdown")

	s = play(t, recreating+`
		answer stood-down down 143     # no stop was seen: the daemon's shutdown
		+2s
		= intent engine
		+1s
		> start 2`)
	require.True(t, s.m.Saved().Expected)

	s = play(t, recreating+"kill TERM\nkill TERM")
	s.describe([]string{"made", "down", "143"})
	s.now = s.now.Add(time.Minute)
	s.world.StartedAt = s.now
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{OperatorStopped: true}, Answer: worker.Answer{Snapshot: s.snapshot()}})
	at, _ = s.m.StoppedAt()
	require.Equal(t, s.now, at, "a stop of the old container holds for the new one too")
	require.Equal(t, []string{containerID}, s.m.Saved().PreviousIDs)
}

// The worker has no container left.
func TestLostWhileRecreating(t *testing.T) {
	play(t, recreating+`
		answer missing
		= missing
		= attempts 1
		+1s
		> recreate 2`)
	s := play(t, "given health on-unhealthy=recreate")
	s.world.Definition = nil
	s.goOn("up\nunhealthy\n> recreate 1\nanswer missing\n= over")
}

// A transaction whose result is unknown is begun again.
func TestRecreateWithoutAnAnswer(t *testing.T) {
	play(t, recreating+"answer unknown\n= phase recreating\n+999ms\n> nothing\n+1ms\n> recreate 1\nanswer made running healthy\n= free")
	s := play(t, recreating)
	s.finish(worker.Outcome{Result: worker.Done})
	require.False(t, s.m.View().Inspected, "the new container has to be looked at")
	s = play(t, recreating)
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}})
	s.goOn("= event heal-failed\n= phase recreate-due\n= attempts 1\n+1s\n> recreate 2")
}

// Rule 17 for workers that a stop would remove, or that could not start again: they are left unchanged.
func TestNeedsRecreate(t *testing.T) {
	play(t, `
		given rm health on-unhealthy=recreate
		up
		unhealthy
		> recreate 1
		answer unfit no
		= held needs-recreate
		+1h
		> nothing`)
	s := play(t, "given health\nup")
	s.orphan(worker.HealRecreate, s.now)
	s.goOn(`
		> recreate 1
		answer unfit no
		= event refused
		+1h
		> nothing`)
}

// The engine has a transaction without a record.
func TestInterrupted(t *testing.T) {
	s := play(t, "given grace=10s\nup")
	s.step(worker.Interrupted{})
	require.True(t, s.m.Recreating())
	s.goOn("= reason heal-interrupted\n= intent self\n> recreate 1")
	s.step(worker.Interrupted{}) // once is enough
	s.goOn("answer made running\n= free\n= event healed")

	s = play(t, "given grace=10s\nup\nkill TERM\ndie 143\nstop\n= held stopped-by-operator")
	s.step(worker.Interrupted{})
	s.goOn("> recreate 1") // the stop was part of it
	require.Nil(t, s.m.Saved().StopIntent)

	s = play(t, "given barred=bad-labels\nup")
	s.step(worker.Interrupted{})
	require.False(t, s.m.Recreating())

	m := worker.New(worker.Identity{Key: "w", ID: containerID, Policy: s.id.Policy})
	step(t, m, noon, worker.Interrupted{})
	e := step(t, m, noon, worker.Dispatch{ActionID: 1})
	require.Equal(t, worker.Recreate, e.Do.Verb)
	require.Equal(t, time.Duration(-1), e.Do.Grace, "the container's own, which is not known")
	require.Zero(t, e.Do.Incarnation.StartedAt)
}

// After a recreate that was rolled back the events of its stop are still its own, each as often as it was sent; another one is an
// operator's.
func TestEventsOfAStopThatWasRolledBack(t *testing.T) {
	const killed = recreating + "transaction stops\nkill TERM\n+10s\n"
	run(t, []scenario{
		{"its stop event comes", recreating + "transaction stops\nkill TERM\ndie 143\nanswer undone unstarted down 143\nstop\n= phase recreate-due"},
		{"a second stop event", recreating + "transaction stops\nkill TERM\ndie 143\nstop\nanswer undone unstarted down 143\nstop\n= held stopped-by-operator"},
		{"its SIGKILL comes", killed + "answer undone unstarted down 137\nkill KILL\ndie 137\n= phase recreate-due"},
		{"a second SIGKILL", killed + "kill KILL\nanswer undone unstarted down 137\nkill KILL\ndie 137\n= held stopped-by-operator"},
		{"no signal of it has come, and the container runs: it is recreated later", recreating + "transaction stops\nanswer undone unstarted running unhealthy\n= phase recreate-due"},
		{"nor has any, and it is healthy", recreating + "transaction stops\nanswer undone unstarted running healthy\n= free"},
	})
}

// A restart's stop that the engine did not carry out may still come during the recreate after it.
func TestStopOfARestartWhileRecreating(t *testing.T) {
	s := play(t, `
		given health recreate-after=1 grace=10s
		up
		unhealthy
		> stop 1
		answer failed device busy
		+1s
		> recreate 2
		transaction stops
		kill TERM
		kill TERM`)
	require.False(t, s.m.StoppedWhileRecreating())
	s.goOn("kill TERM")
	require.True(t, s.m.StoppedWhileRecreating(), "a third one is another client's")
}

// The engine could not end the worker with a whole stop of a restart. The recreate after it has one stop of its own, with one event
// of each kind.
func TestStopAfterAStopThatDidNotEndTheWorker(t *testing.T) {
	for events, others := range map[string]bool{
		"kill TERM\n+10s\nkill KILL\nstop":            false,
		"kill TERM\n+10s\nkill KILL\nkill KILL\nstop": true,
		"kill TERM\n+10s\nkill KILL\nstop\nstop":      true,
	} {
		s := play(t, `
			given health recreate-after=1 grace=10s
			up
			unhealthy
			> stop 1
			kill TERM
			+10s
			kill KILL
			stop
			answer failed did not receive an exit event
			+1s
			> recreate 2
			transaction stops`)
		s.goOn(events)
		require.Equal(t, others, s.m.StoppedWhileRecreating(), events)
	}
}

// The new container that a rollback stops is only known until the recreate is over.
func TestRolledBackContainer(t *testing.T) {
	s := play(t, recreating)
	s.step(worker.RecreateUndone{ID: "fedcba9876543210"})
	s.goOn("kill HUP") // any other event
	require.Equal(t, "fedcba9876543210", s.m.Saved().State.Undone)
	s.goOn("answer undone running healthy\n= free")
	require.Empty(t, s.m.Saved().State.Undone)
}
