package worker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func TestStarvedOrHung(t *testing.T) {
	run(t, []scenario{
		{"a failing probe: no starved question", `
			given health cpus=0.1
			up
			unhealthy
			> stop 1`},
		{"starved: waits for its grace, and recovers", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			= held starved
			= event held
			+1m
			> nothing
			healthy
			= free
			= attempts 0`},
		{"starved: the grace is over", `
			given health cpus=0.1 starved-grace=30s
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			+29s
			> nothing
			+1s
			> stop 1
			= reason starved`},
		{"hung: at once, without waiting for other workers", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			reads 0.001 0 0.1
			> stop 1
			= reason hung
			= event hung`},
		{"possibly hung, but the periods are not counted: as any probe that timed out", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			reads 0.001 0 0
			> nothing
			+3s
			> stop 1
			= reason probe-timed-out`},
		{"all of its quota, but the periods are not counted: not starved", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			reads 0.1 0 0
			+3s
			> stop 1
			= reason probe-timed-out`},
		{"neither: the host is short of CPU", `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.02 0 1
			> nothing
			+3s
			> stop 1
			= reason probe-timed-out`},
		{"no answer: decided without, and reported", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			+2s
			reads none
			= event stats-unavailable
			+1s
			> stop 1`},
		{"an answer that never comes holds nothing up for long", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			+4s
			> nothing
			+1s
			> stop 1`},
		{"it is read once, whatever happens while its restart waits", `
			given health cpus=0.1 unhealthy-for=1m
			up
			unhealthy timed-out
			> sample
			reads 0.02 0 1
			update running timed-out
			+59s
			update running timed-out
			> nothing
			+1s
			> stop 1`},
		{"no quota: nothing throttles it", `
			given health
			up
			unhealthy timed-out
			+3s
			> stop 1`},
		{"on-starved=restart", `
			given health cpus=0.1 on-starved=restart
			up
			unhealthy timed-out
			+3s
			> stop 1`},
		{"a reading for idle-after that comes in between is no answer", `
			given health cpus=0.1 idle-after=20s
			up
			+5s
			> read
			unhealthy timed-out
			reads 0 0 0
			= no-event blind
			> sample
			reads 0.1 1 1
			= held starved`},
		{"it died meanwhile", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			die 1
			> start 1`},
		{"an operator stopped it meanwhile", `
			given health cpus=0.1
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			kill TERM
			die 143
			+1h
			> nothing
			= held stopped-by-operator`},
	})
}

func TestIdle(t *testing.T) {
	run(t, []scenario{
		{"healed once it was idle for so long", `
			given cpus=0.5 idle-after=20s
			up
			+5s
			> read
			reads 0 0 0
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			> read, read, read
			+5s
			reads 0 0 0
			> read, stop 1
			= fault idle`},
		{"work in between", `
			given cpus=0.5 idle-after=20s
			up
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			+5s
			reads 0.5 1 1
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			> read, read, read, read, read, read
			= free`},
		{"its probes are no work", `
			given health cpus=0.5 idle-after=20s probe-every=5s
			up
			+5s
			reads 0.006 0 0.1
			+5s
			reads 0.006 0 0.1
			+5s
			reads 0.006 0 0.1
			+5s
			reads 0.006 0 0.1
			+5s
			reads 0.006 0 0.1
			> read, read, read, read, read, stop 1`},
		{"paused is not idle", `
			given cpus=0.5 idle-after=20s
			up
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			pause
			+1h
			unpause
			> read, read
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			> read, read
			= free`},
		{"no readings requested", `
			given cpus=0.5
			up
			+1h
			> nothing`},
	})
}

// TestPhases: a hundred workers are read at different times of the period, however alike their names.
func TestPhases(t *testing.T) {
	for _, period := range []time.Duration{5 * time.Second, 30 * time.Second, time.Minute} {
		var tenths [10]int
		for n := range 1000 {
			phase := worker.Key(fmt.Sprintf("stack-worker-%d", n)).Phase(period)
			tenths[phase*10/period]++
		}
		for n, count := range tenths {
			require.InDelta(t, 100, count, 40, "tenth %d of %s", n, period)
		}
	}
}

// TestHostStarved: short of CPU, and not by its own quota. The script delays the restart of such a worker as the fleet does.
func TestHostStarved(t *testing.T) {
	const lacks = `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.02 0 1 out
			= lacking
			+29s
			> nothing
			+1s
			> sample`
	run(t, []scenario{
		{"asked again while it lasts, and healed when it is over", lacks + `
			reads 0.02 0 1 out
			= lacking
			+30s
			> sample
			reads 0.02 0 1 busy
			= not-lacking
			> stop 1
			= reason probe-timed-out`},
		{"recovers meanwhile", lacks + `
			healthy
			= not-lacking
			= free
			= attempts 0
			+1h
			> nothing`},
		{"it turns out to hang", lacks + `
			reads 0.001 0 0.1 out
			= not-lacking
			> stop 1
			= reason hung`},
		{"it turns out to starve", lacks + `
			reads 0.5 1 1 out
			= not-lacking
			= held starved`},
		{"dies meanwhile", lacks + `
			die 1
			> start 1`},
		{"its host is busy, and no more", `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.02 0 1 busy
			= not-lacking
			+3s
			> stop 1`},
		{"the engine does not answer, but its host is seen to be out of CPU", `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			+2s
			reads none out
			= event stats-unavailable
			= lacking
			+30s
			> sample
			reads none out
			= no-event blind
			+30s
			> sample
			reads none
			> stop 1`},
	})
}

func TestOutOfCPU(t *testing.T) {
	for name, c := range map[string]struct {
		host *worker.HostLoad
		want bool
	}{
		"not known":                         {nil, false},
		"nothing in it":                     {&worker.HostLoad{}, false},
		"a task that computes for each CPU": {&worker.HostLoad{Busy: 1, Runnable: 8, CPUs: 8}, false},
		"and a few that come and go":        {&worker.HostLoad{Busy: 1, Runnable: 11, CPUs: 8}, false},
		"a queue":                           {&worker.HostLoad{Busy: 1, Runnable: 12, CPUs: 8}, true},
		"a queue, and time to work it off":  {&worker.HostLoad{Busy: 0.97, Runnable: 12, CPUs: 8}, false},
		"one CPU":                           {&worker.HostLoad{Busy: 0.99, Runnable: 2, CPUs: 1}, true},
	} {
		require.Equal(t, c.want, c.host.Saturated(), name)
	}
}
