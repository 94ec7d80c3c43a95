package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// old is a worker that became too old half an hour after it was first observed.
const old = `
	given max-age=100m recycle-wait=10m
	up
	= stage none
	+40m
	= stage waits-for-group
	= due-for old
`

// recycled is old after its restart.
const recycled = old + `
	turn
	= stage waits-for-idle
	= occupies
	+5s
	> read
	reads 0 0 0
	recycle
	> stop 0
	= fault old
	= event fault
	= occupies
	kill TERM
	die 143
	stop
	answer down 143
	> start 0
	start
	answer running none
	= event healed
	= attempts 0
`

func TestRecycle(t *testing.T) {
	run(t, []scenario{
		{"a new Stoker has not inspected it yet: it may be down, and the others wait", `
			given max-age=1h30m
			up
			= vacant
			stoker-killed
			= occupies
			up
			= vacant`},
		{"old: it settles, and is stable after a minute", recycled + `
			= stage settling
			= occupies
			+59s
			= stage settling
			+1s
			= stage none
			= vacant
			= no-event stable
			+88m
			= stage none
			+12m
			= stage waits-for-group`},
		{"nothing happens before its turn", old + `
			recycle
			> nothing
			+5h
			> nothing
			= vacant
			= free`},
		{"no sooner than nine tenths of its age", `
			given max-age=100m
			up
			+29m
			= stage none`},
		{"a schedule", `
			given restart-at=30_13_*_*_*
			up
			+89m
			= stage none
			+1m
			= due-for scheduled
			turn
			recycle busy
			> stop 0
			= reason scheduled
			kill TERM
			die 143
			answer down 143
			> start 0
			start
			answer running none
			+23h
			= stage none
			+1h
			= due-for scheduled`},
		{"a schedule that passed while Stoker was down, not long ago", `
			given restart-at=55_11_*_*_*
			up
			= due-for scheduled`},
		{"too long ago", `
			given restart-at=49_11_*_*_*
			up
			= stage none`},
		{"it was started since", `
			given restart-at=58_10_*_*_* recycle-wait=2h
			up
			= stage none`},
		{"without a wait it is caught up within a minute", `
			given restart-at=0_12_*_*_* recycle-wait=0s
			up
			= due-for scheduled`},
		{"idle only by two readings after its turn", `
			given max-age=100m idle-after=20m cpus=1
			up
			+31m
			> read
			reads 0 0 0
			+1m
			> read
			reads 0 0 0
			+8m
			> read
			turn
			reads 0 0 0
			= unquiet
			+5s
			> read
			reads 0.5 0 0
			= unquiet
			+5s
			> read
			reads 0 0 0
			= quiet
			+5s
			> read
			reads 0.5 0 0
			= unquiet`},
		{"an exit wins", old + `
			turn
			+5s
			> read
			die 1
			= fault exited
			= attempts 1
			> start 1
			start
			answer running none
			= stage none
			= occupies`},
		{"a failing health check wins", `
			given max-age=100m health
			up
			+40m
			turn
			+5s
			> read
			unhealthy
			> stop 1
			= fault unhealthy`},
		{"an operator's stop wins", old + `
			turn
			+5s
			> read
			kill TERM
			= stage waits-for-group
			recycle
			> nothing
			die 143
			stop
			= held stopped-by-operator
			= vacant`},
		{"and so does one during the restart", old + `
			turn
			+5s
			> read
			recycle
			> stop 0
			kill TERM
			kill TERM
			die 143
			stop
			stop
			answer down 143
			= held stopped-by-operator`},
		{"sleep wins", `
			given max-age=100m demand
			up
			+40m
			= stage waits-for-group
			turn
			+5s
			> read
			sleep
			> stop 0
			kill TERM
			die 143
			answer down 143
			= phase asleep
			+3h
			= stage none
			= vacant`},
		{"a pause gives the turn away, and it comes again", old + `
			turn
			+5s
			> read
			pause
			= stage waits-for-group
			turn
			recycle
			> nothing
			unpause
			turn
			= stage waits-for-idle`},
		{"another client restarts it meanwhile", old + `
			turn
			+5s
			> read
			die 0 restarting
			start
			= stage none`},
		{"never one that is held", `
			given max-age=1m
			up
			kill TERM
			die 143
			stop
			+5m
			= stage none
			= held stopped-by-operator`},
		{"never an exhausted one", `
			given max-age=100m max-attempts=1
			up
			die 1
			> start 1
			answer failed no
			= held exhausted
			+3h
			= stage none
			> nothing`},
		{"nor one that is unhealthy and left so", `
			given max-age=100m health on-unhealthy=ignore
			up unhealthy
			+3h
			= stage none`},
		{"the start fails: healed as usual, with attempts", old + `
			turn
			+5s
			> read
			recycle
			> stop 0
			kill TERM
			die 143
			answer down 143
			> start 0
			answer failed no such device
			= event heal-failed
			= fault start-failed
			= occupies
			> start 1
			start
			answer running none
			= attempts 1
			= stage none
			= occupies`},
		{"dead right after it", recycled + `
			die 1
			= fault exited
			> start 1
			= attempts 1`},
		{"the engine does not stop it: retried after retry-every", old + `
			turn
			+5s
			> read
			recycle
			> stop 0
			answer failed device busy
			= event heal-failed
			= phase watching
			= attempts 0
			= stage waits-for-group
			= due 10m..10m`},
		{"a dry run reports, and changes nothing", old + `
			turn
			+5s
			> read
			recycle
			> stop 0
			answer skipped
			= event held
			= phase watching
			= stage waits-for-group
			= due 1h..1h`},
		{"one with --rm is recreated", `
			given max-age=100m rm
			up
			+40m
			turn
			+5s
			> read
			recycle
			> recreate 0`},
		{"Stoker dies while it waits", old + `
			turn
			+5s
			> read
			stoker-killed
			up
			= stage waits-for-idle
			= due-for old
			= occupies`},
		{"Stoker dies before the stop has succeeded", old + `
			turn
			+5s
			> read
			recycle
			> stop 0
			stoker-killed
			old kill TERM
			old die 143
			old stop
			up down 143
			> start 0
			start
			answer running none
			= event healed
			= stage settling`},
		{"Stoker dies while it settles", recycled + `
			stoker-killed
			up
			= stage settling
			= occupies
			+1m
			= stage none`},
	})
}

// TestRecycleClockSteps: a wait does not become longer, and no scheduled time recurs.
func TestRecycleClockSteps(t *testing.T) {
	s := play(t, old)
	s.now = s.now.Add(-2 * time.Hour)
	s.goOn("turn\n+5s\n> read\n= stage waits-for-idle")
	require.Equal(t, s.now.Add(-5*time.Second), s.m.RecycleState().Since)
}

// TestNextRecycle: the view shows when the time alone makes the next one due.
func TestNextRecycle(t *testing.T) {
	s := play(t, "given restart-at=30_13_*_*_*\nup")
	require.Equal(t, noon.Add(90*time.Minute), s.m.View().Recycle.NextAt)
	s = play(t, "given max-age=100m\nup")
	age := policy.Recycle{MaxAge: 100 * time.Minute}.Age(policy.Seed("w", int(noon.Add(-time.Hour).UnixNano())))
	require.Equal(t, noon.Add(-time.Hour).Add(age), s.m.View().Recycle.NextAt)
	require.Zero(t, play(t, "given\nup").m.View().Recycle.NextAt)
	require.Equal(t, worker.RecycleNone, play(t, "given\nup").m.RecycleState().Stage)
}
