package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Renames: a container that another Stoker or docker-compose renamed will be removed, unless it gets its name back.
func TestRenamedContainers(t *testing.T) {
	run(t, []scenario{
		{"renamed, and back", `
			up
			rename w.stoker-old
			= held being-replaced
			rename w w.stoker-old
			= free
			die 1
			> start 1`},
		{"it exits under the other name, and gets its own back", `
			up
			rename w.stoker-old
			die 1
			> nothing
			rename w w.stoker-old
			> start 1`},
		{"rule 5: it was stopped before", `
			up
			kill TERM
			die 143
			stop
			rename w.stoker-old
			= held being-replaced
			rename w w.stoker-old
			= held stopped-by-operator
			+1h
			> nothing`},
		{"a heal goes on where it was", `
			up
			die 1
			> start 1
			start
			answer running
			+10s
			die 1
			= phase backing-off
			rename w.stoker-old
			+1h
			> nothing
			rename w w.stoker-old
			> start 2`},
		{"renamed twice: what it was before is kept", `
			up
			rename w.stoker-old
			rename v.stoker-old
			rename w v.stoker-old
			= free`},
		{"the event of the rename back was lost", `
			up
			rename w.stoker-old
			+2s
			list running           # it may be older than the rename
			= held being-replaced
			+1ms
			list running
			= free`},
		{"it is listed under the other name", `
			up
			rename w.stoker-old
			+1h
			list running as:w.stoker-old
			= held being-replaced
			list running as:0123456789ab_w
			= held being-replaced
			list running as:w
			= free`},
		{"an ordinary rename", `
			up
			rename v
			= free`},
		{"docker-compose's name of another container", `
			up
			rename ffffffffffff_w
			= free`},
		{"docker-compose's name of another worker", `
			up
			rename 0123456789ab_v
			= free`},
		{"Stoker died: listed at once, the list may be older than the rename", `
			up
			rename w.stoker-old
			stoker-killed
			+1s
			up
			= held being-replaced
			+1s
			list running
			= free`},
		{"Stoker died, and it is back and running", `
			up
			rename w.stoker-old
			stoker-killed
			+2s
			up
			= free`},
		{"Stoker died, and it is back and down", `
			up
			rename w.stoker-old
			stoker-killed
			+3s
			up down 1
			+10s
			> start 1`},
		{"Stoker died: a list of just under a minute before", `
			up
			rename w.stoker-old
			stoker-killed
			late:59s list running
			= held being-replaced
			late:61s list running      # a step of the clock
			= free`},
		{"renamed back without an earlier rename", `
			up
			rename w w.stoker-old
			= free`},
	})
}

// A worker that another Stoker left under the backup name is left alone: another container has the worker's name.
func TestLeftUnderTheBackupName(t *testing.T) {
	s := play(t, `up`)
	s.m.Rename("w.stoker-old")
	require.Equal(t, worker.Key("w.stoker-old"), s.m.Key())
	s.goOn(`
		list running as:w.stoker-old
		= held being-replaced
		die 1
		+1h
		> nothing`)
}

// The machine of a replacement container has the worker's history, and continues its heal.
func TestNewReplacement(t *testing.T) {
	s := play(t, `
		up
		die 1
		> start 1
		start
		answer running
		+10s
		die 1
		+1s
		> start 2`)
	saved := s.m.Saved()
	saved.StopIntent = &worker.StopIntent{ID: containerID}
	saved.Budget.ExhaustedAt = noon
	saved.Dependents.NeedsNewParentID, saved.Dependents.RestartPending = true, true
	saved.State.Heal.Missing = true
	id := s.id
	id.ID = "fedcba9876543210"
	got := worker.NewReplacement(id, saved).Saved()
	require.Equal(t, worker.Incarnation{ID: id.ID}, got.Incarnation)
	require.Equal(t, worker.PhaseStarting, got.State.Phase)
	require.Equal(t, saved.State.Heal.ID, got.State.Heal.ID)
	require.False(t, got.State.Heal.Missing)
	require.Nil(t, got.StopIntent)
	require.Zero(t, got.Budget.ExhaustedAt)
	require.Equal(t, 2, got.Budget.Attempts)
	require.False(t, got.Dependents.NeedsNewParentID || got.Dependents.RestartPending)
	require.Equal(t, []string{containerID}, got.PreviousIDs)

	saved.State = worker.State{Phase: worker.PhaseHeld, Hold: worker.Hold{Reason: worker.HeldOperator}}
	require.Equal(t, worker.State{Phase: worker.PhaseWatching}, worker.NewReplacement(id, saved).Saved().State)
}

// Replayed events that seem older than the record happened after it if the engine's clock stepped back.
func TestClockStepped(t *testing.T) {
	for stepped, reported := range map[bool]bool{false: false, true: true} {
		s := play(t, `
			up
			+1m
			update
			stoker-killed`)
		if stepped {
			s.m.ClockStepped(s.now.Add(-30 * time.Second))
		}
		s.goOn(`
			old:10s kill TERM
			old:10s die 143
			old:10s stop
			up down 143`)
		s.line("+1h", []string{"+1h"})
		if reported {
			require.Equal(t, worker.HeldOperator, s.m.View().Held)
		} else {
			require.NotEqual(t, worker.HeldOperator, s.m.View().Held)
		}
		s.did = nil
	}
	s := play(t, `
		up
		+1m
		update
		stoker-killed`)
	s.m.ClockStepped(s.now) // no step
	s.goOn(`
		old:10s kill TERM
		up
		= free`)
}

// No event is emitted about a tentative container before it is confirmed as a worker.
func TestTentative(t *testing.T) {
	m := worker.New(worker.Identity{Key: "w", ID: containerID, Tentative: true, Unmanageable: worker.HeldSwarm})
	e := m.Step(noon, worker.Observation{Kind: worker.Listed, At: noon, ID: containerID, Key: "w", ListState: worker.ListState{Status: worker.StatusRunning}})
	require.Empty(t, e.Events)
	_, _, ok := m.DependentsDue()
	require.False(t, ok)
	m.Confirm()
	e = m.Step(noon, worker.Observation{Kind: worker.Listed, At: noon, ID: containerID, Key: "w", ListState: worker.ListState{Status: worker.StatusRunning}})
	require.Len(t, e.Events, 2)
	require.Equal(t, worker.EventManaged, e.Events[0].Kind)
	require.Equal(t, worker.HeldSwarm, e.Events[1].Reason)
}

// Whether an operator had stopped the worker is known as long as its container has the backup name of a transaction.
func TestStoppedBeforeRename(t *testing.T) {
	for before, want := range map[string]bool{
		"given\nup":                            false,
		"given\nup\nkill TERM":                 true,
		"given\nup\nkill TERM\ndie 143\nstop":  true,
		"given on-exit=never\nup\ndie 1":       false, // held, and by no operator
		"given\nup\ndie 1\n> start 1":          false,
		"given\nup\nkill TERM\ndie 143\nstart": false,
	} {
		s := play(t, before)
		require.False(t, s.m.StoppedBeforeRename(), "it has its own name")
		s.goOn("rename w.stoker-old\n= held being-replaced")
		require.Equal(t, want, s.m.StoppedBeforeRename(), before)
	}
}
