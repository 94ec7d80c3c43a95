package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// The label's default may be gone when Stoker starts again; then nothing waits for a restart any more.
func TestRecycleNoLongerAskedFor(t *testing.T) {
	s := play(t, old)
	s.id.Policy.Recycle.MaxAge = 0
	s.goOn("stoker-killed\nup\n= stage none\n+5h\n> nothing")
}

// The reason of a restart says for how long the worker was not idle, if it had to wait for that.
func TestRecycleDetailOfABusyWorker(t *testing.T) {
	for wait, want := range map[string]string{
		"+10m\n> read\nrecycle busy": "it has run for 1h50m0s; it was not idle for 10m0s",
		"+10m\n> read\nrecycle":      "it has run for 1h50m0s",
		"recycle busy":               "it has run for 1h40m0s",
	} {
		s := play(t, old+"turn\n"+wait+"\n> stop 0")
		require.Contains(t, s.details, want)
	}
}

// A worker is restarted up to a tenth before max-age, and the reason says how long it has run. If the clock was set back since it became due, the
// reason says how long at least.
func TestRecycleDetailAtItsTime(t *testing.T) {
	s := play(t, "given max-age=100m recycle-wait=10m\nup")
	for s.m.View().Recycle.Stage == worker.RecycleNone {
		s.goOn("+1s")
	}
	age := s.now.Sub(s.m.Saved().Incarnation.StartedAt)
	require.Less(t, age, 100*time.Minute)
	s.goOn("turn\nrecycle busy\n> stop 0")
	require.Contains(t, s.details, "it has run for "+age.String())

	s = play(t, old+"turn")
	s.now = s.now.Add(-2 * time.Hour)
	s.goOn("recycle\n> stop 0")
	require.Contains(t, s.details, "it has run for more than "+age.String())
}

// From the beginning of its restart until it is stable a worker is being recycled.
func TestBeingRecycled(t *testing.T) {
	s := play(t, old+"turn")
	require.False(t, s.m.BeingRecycled())
	s.goOn("recycle\n> stop 0")
	require.True(t, s.m.BeingRecycled())
	s = play(t, recycled)
	require.True(t, s.m.BeingRecycled())
	s.goOn("+1m\n= stage none")
	require.False(t, s.m.BeingRecycled())
	require.False(t, play(t, "given health\nup\nunhealthy\n> stop 1").m.BeingRecycled(), "a fault")
}

func TestRecycleReadings(t *testing.T) {
	run(t, []scenario{
		{"a worker that Docker is about to restart does not run: the others of its group wait", `
			given max-age=100m docker=always
			up
			= vacant
			list restarting
			+2s
			= held docker-restarting
			= occupies`},
		{"as much memory as it may use is not above the bound", `
			given max-memory=50MiB max-memory-for=0s
			up
			+15s
			> read
			reads 0.1 0 0 mem:50
			= stage none
			+5s
			> read
			reads 0.1 0 0 mem:51
			= due-for memory`},
		{"the memory is read four times in max-memory-for", `
			given max-memory=50MiB max-memory-for=40s
			up
			+10s
			> read
			reads 0.1 0 0 mem:10
			+9999ms
			> nothing
			+1ms
			> read`},
		{"but not more often than every 5 s", `
			given max-memory=50MiB max-memory-for=8s
			up
			+5s
			> read
			reads 0.1 0 0 mem:10
			+4999ms
			> nothing
			+1ms
			> read`},
		{"who uses as much as idle-below is not idle", `
			given max-age=100m cpus=1 idle-below=50%
			up
			+40m
			turn
			+5s
			> read
			reads 0 0 0
			+5s
			> read
			reads 0.5 0 0
			= unquiet
			+5s
			> read
			reads 0.499 0 0
			= quiet`},
		{"an event between two readings does not postpone the next one", `
			given cpus=0.5 idle-after=20s
			up
			+5s
			> read
			reads 0 0 0
			+3s
			update running
			+2s
			> read`},
		{"the turn of a worker that is seldom read brings the next reading forward", `
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
			reads 0 0 0
			+1s
			turn
			+5s
			> read`},
	})
}
