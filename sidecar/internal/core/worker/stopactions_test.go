package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Evidence is collected within two seconds, and a command before the stop has its own time on top of that; the answer may be five
// seconds late.
func TestTimeToCollect(t *testing.T) {
	for given, c := range map[string]struct {
		action string
		want   time.Duration
	}{
		"evidence=basic":                           {"collect", 7 * time.Second},
		"evidence=basic before-stop=drain":         {"collect /bin/sh -c drain", 17 * time.Second},
		"before-stop=drain before-stop-timeout=1m": {"collect /bin/sh -c drain", 67 * time.Second},
	} {
		s := play(t, "given health "+given+"\nup")
		require.False(t, s.m.Collected())
		s.goOn("unhealthy\n> " + c.action)
		require.Equal(t, c.want, s.flight.Deadline, given)
		require.True(t, s.m.Collected())
	}
}

// A command that the Stoker before has sent is finished by a stop, also if this Stoker collects evidence without it.
func TestStopAfterTheCommandOfTheStokerBefore(t *testing.T) {
	s := play(t, `
		given health evidence=basic before-stop=drain
		up
		unhealthy
		> collect /bin/sh -c drain
		stoker-killed
		up
		> collect
		answer nothing
		> stop 1`)
	require.False(t, s.flight.OnlyIfUnhealthy, "it may have stopped taking work")
}

// A worker whose command before its sleep was sent is about to sleep; one that is restarted is not.
func TestDrainedForSleep(t *testing.T) {
	s := play(t, "given before-stop=drain demand\nup")
	require.False(t, s.m.DrainedForSleep())
	s.goOn("sleep\n> collect /bin/sh -c drain")
	require.True(t, s.m.DrainedForSleep())
	s = play(t, "given before-stop=drain demand health\nup\nunhealthy\n> collect /bin/sh -c drain")
	require.False(t, s.m.DrainedForSleep())
}

// Evidence of a recreate is collected of a worker that runs, if the labels ask for any or for a command.
func TestEvidenceOfARecreate(t *testing.T) {
	for labels, command := range map[string][]string{"evidence=basic": nil, "before-stop=drain": {"/bin/sh", "-c", "drain"}} {
		s := play(t, "given health on-unhealthy=recreate "+labels+"\nup\nunhealthy\n> recreate 1")
		require.NotNil(t, s.flight.Evidence)
		require.Equal(t, command, s.flight.Evidence.Command)
		s = play(t, "given rm on-exit=always "+labels+"\nup\ndie 1\ndestroy\n> recreate 1")
		require.Nil(t, s.flight.Evidence, "it is gone")
	}
	require.Nil(t, play(t, recreating).flight.Evidence, "neither is asked for")
}

// Rule 1: a stop is preceded by an inspect of its own unless the last one is less than half a second old.
func TestInspectBeforeAStop(t *testing.T) {
	for wait, inspected := range map[string]bool{"0s": true, "499ms": true, "500ms": false, "1m": false} {
		s := play(t, "given health unhealthy-for="+wait+"\nup\nunhealthy\n+1m\n> stop 1")
		require.Equal(t, inspected, s.flight.Inspected, wait)
	}
}

// An event during the inspect that opens a heal asks for another inspect, which comes before the stop.
func TestEventBeforeAStop(t *testing.T) {
	s := play(t, "given health\nup\n> inspect\nmute unhealthy\nupdate")
	s.answer("", []string{"running", "unhealthy"})
	require.Equal(t, []string{"inspect", "inspect", "stop 1"}, s.did)
}

// Rule 6: after an operator's stop the engine is asked once, also if the exit comes before its answer.
func TestEngineIsAskedOnceAfterAStop(t *testing.T) {
	s := play(t, "up\n> inspect\nmute kill TERM\ndie 143\nanswer down 143\n= held stopped-by-operator\n+1m\n> inspect")
	_, unsure := s.m.StoppedAt()
	require.False(t, unsure, "it has answered")
}

// A grace of no time in the label is one: the engine's default does not apply.
func TestNoGrace(t *testing.T) {
	s := play(t, "given health stop-timeout=0s\nup\nunhealthy\n> stop 1")
	require.Zero(t, s.flight.Grace)
}

func TestStopsAndTheirEvents(t *testing.T) {
	run(t, []scenario{
		{"the engine's clock steps back during the own stop: its SIGKILL comes when the grace is over since it was sent", `
			given health grace=10s
			up
			unhealthy
			> stop 1
			kill TERM
			+9950ms
			late:1h kill KILL
			die 137
			stop
			= phase backing-off
			answer down 137
			> start 1`},
		{"and a SIGKILL a millisecond sooner is an operator's", `
			given health grace=10s
			up
			unhealthy
			> stop 1
			kill TERM
			+9949ms
			late:1h kill KILL
			die 137
			= held stopped-by-operator`},
		{"the inspect before a stop differs, so that a signal meanwhile was another client's: that stop is left to its end", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			answer refused running unhealthy
			= no-event held
			+59m
			> nothing
			die 143
			stop
			= held stopped-by-operator`},
		{"an inspect of a healthy worker does not start its time to be stable over", `
			up
			die 1
			> start 1
			start
			answer running none
			= attempts 1
			+30s
			update running
			+29s
			= attempts 1
			+1s
			= attempts 0`},
	})
}

// A start without an answer whose worker is found down has failed for the engine's reason, if the inspect shows one.
func TestReasonOfAStartWithoutAnAnswer(t *testing.T) {
	for world, want := range map[string]string{
		"world start-error:mount": "mount",
		"":                        "the engine gave no answer to the start, and the worker is not running",
	} {
		s := play(t, "up\ndie 1\n> start 1\n"+world+"\nanswer unknown\n+1s\n= phase backing-off")
		require.Contains(t, s.details, want)
	}
}

// A quota that was raised and is given back is the worker's own again.
func TestBoostIsOver(t *testing.T) {
	s := play(t, `
		given health cpus=0.1 on-starved=boost
		up
		unhealthy timed-out
		> sample
		reads 0.1 1 1
		> update 0.1 0.2
		answer running timed-out cpus 0.2
		healthy
		> update 0.2 0.1`)
	require.True(t, s.m.View().Boosted)
	s.goOn("answer running healthy cpus 0.1")
	require.False(t, s.m.View().Boosted)
	require.InDelta(t, 0.1, s.m.View().CPUs, 0)
}
