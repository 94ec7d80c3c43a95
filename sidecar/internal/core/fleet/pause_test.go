package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// paused returns three workers of project p without a demand, with the first one paused for ten minutes.
func paused(t *testing.T, pause fleet.Pause, labels ...string) *pool {
	p := newPool(t, fleet.Settings{}, labels...)
	for n := 1; n <= 3; n++ {
		p.add(n, worker.StatusRunning)
	}
	p.connect().after(time.Minute)
	pause.At, pause.Until = p.now, p.now.Add(10*time.Minute)
	turn, err := p.f.Pause(p.now, pause)
	require.NoError(t, err)
	p.take(turn)
	p.work()
	p.collect()
	return p
}

// dies makes a worker exit by itself.
func (p *pool) dies(key worker.Key) {
	s := p.state[key]
	s.Status, s.ExitCode, s.FinishedAt = worker.StatusExited, 1, p.now
	p.state[key] = s
	p.event(worker.Exited, key, 1, 0)
	p.work()
}

// TestPause: paused workers are not acted on, and are evaluated when the pause ends.
func TestPause(t *testing.T) {
	for name, c := range map[string]struct {
		pause fleet.Pause
		runs  string // of three that have died
	}{
		"worker":          {fleet.Pause{Scope: fleet.PauseWorker, Name: "w-1"}, "2 3"},
		"project":         {fleet.Pause{Scope: fleet.PauseProject, Name: "p"}, ""},
		"all":             {fleet.Pause{Scope: fleet.PauseAll}, ""},
		"with its reason": {fleet.Pause{Scope: fleet.PauseAll, Reason: "upgrade"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := paused(t, c.pause)
			require.Len(t, p.kinds(worker.EventPaused), 1)
			for _, key := range []worker.Key{"w-1", "w-2", "w-3"} {
				p.dies(key)
			}
			require.Equal(t, c.runs, p.after(9*time.Minute).running())
			got := p.worker("w-1")
			require.Equal(t, worker.HeldByPause, got.Held)
			require.Equal(t, fleet.StateHeld, got.State)
			require.Zero(t, got.Attempts)
			require.WithinDuration(t, p.now.Add(time.Minute), got.Pause.Until, time.Second)
			for _, e := range p.kinds(worker.EventFault) {
				require.NotEqual(t, worker.Key("w-1"), e.Key, "its fault is reported when the pause is over")
			}
			require.Equal(t, "1 2 3", p.after(2*time.Minute).running())
			require.Len(t, p.kinds(worker.EventResumed), 1)
			require.Len(t, p.kinds(worker.EventFault), 3)
			require.Empty(t, p.f.Pauses())
		})
	}
}

// TestPausedAndStopped: an operator's stop during a pause holds after it.
func TestPausedAndStopped(t *testing.T) {
	p := paused(t, fleet.Pause{Scope: fleet.PauseAll})
	p.operatorStops("w-1")
	p.dies("w-2")
	require.Equal(t, "2 3", p.after(11*time.Minute).running())
	require.Equal(t, worker.HeldOperator, p.worker("w-1").Held)
}

// TestPausedAndWellAgain: a fault that ends before the pause is not reported.
func TestPausedAndWellAgain(t *testing.T) {
	p := paused(t, fleet.Pause{Scope: fleet.PauseAll})
	p.dies("w-1")
	s := p.state["w-1"]
	s.Status, s.StartedAt = worker.StatusRunning, p.now
	p.state["w-1"] = s
	p.event(worker.Started, "w-1", 0, 0)
	p.after(11 * time.Minute)
	require.Empty(t, p.kinds(worker.EventFault, worker.EventRecovered))
	require.Equal(t, fleet.StateRunning, p.worker("w-1").State)
}

func TestResume(t *testing.T) {
	p := paused(t, fleet.Pause{Scope: fleet.PauseProject, Name: "p"})
	p.dies("w-1")
	resume := func(of fleet.Pause) error {
		turn, err := p.f.Resume(p.now, of)
		p.take(turn)
		p.work()
		p.collect()
		return err
	}
	require.ErrorContains(t, resume(fleet.Pause{Scope: fleet.PauseWorker, Name: "w-1"}), "stays paused with project p")
	require.ErrorContains(t, resume(fleet.Pause{Scope: fleet.PauseAll}), "no such pause")
	require.ErrorContains(t, resume(fleet.Pause{Scope: fleet.PauseWorker, Name: "w-11"}), "did you mean w-1?")
	require.Equal(t, "2 3", p.running())
	require.NoError(t, resume(fleet.Pause{Scope: fleet.PauseProject, Name: "p"}))
	require.Equal(t, "1 2 3", p.running(), "at once")
	require.ErrorContains(t, resume(fleet.Pause{Scope: fleet.PauseWorker, Name: "w-1"}), "neither paused nor exhausted")
}

// TestResumeOfWorkersThatAreGone: the pause ends, whether or not Stoker has observed a worker of it.
func TestResumeOfWorkersThatAreGone(t *testing.T) {
	gone := []fleet.Pause{{Scope: fleet.PauseProject, Name: "q"}, {Scope: fleet.PauseWorker, Name: "w-7"}}
	pauses := []fleet.Pause{gone[0], gone[1]}
	for i := range pauses {
		pauses[i].Until = noon.Add(time.Hour)
	}
	p := newPool(t, fleet.Settings{Pauses: pauses})
	for _, of := range gone {
		turn, err := p.f.Resume(p.now, of)
		require.NoError(t, err)
		p.take(turn)
	}
	require.Empty(t, p.f.Pauses())
}

// TestResumeExhausted: the worker's attempts are reset.
func TestResumeExhausted(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "max-attempts=1")
	key := p.add(1, worker.StatusRunning)
	p.connect()
	p.stuck[key] = true
	p.dies(key)
	p.after(time.Minute)
	require.Equal(t, worker.HeldExhausted, p.worker(key).Held)
	delete(p.stuck, key)
	turn, err := p.f.Resume(p.now, fleet.Pause{Scope: fleet.PauseWorker, Name: string(key)})
	require.NoError(t, err)
	p.take(turn)
	p.work()
	require.Equal(t, "1", p.after(5*time.Second).running())
}

// TestPauseIsRefused: too long, without a worker, without a duration.
func TestPauseIsRefused(t *testing.T) {
	p := newPool(t, fleet.Settings{})
	p.add(1, worker.StatusRunning)
	p.connect()
	for _, c := range []struct {
		pause fleet.Pause
		want  string
	}{
		{fleet.Pause{Scope: fleet.PauseAll}, "must last for some time"},
		{fleet.Pause{Scope: fleet.PauseAll, Until: p.now.Add(200 * time.Hour)}, "168h0m0s at most"},
		{fleet.Pause{Scope: fleet.PauseProject, Until: p.now.Add(time.Hour)}, "no project is named"},
		{fleet.Pause{Scope: fleet.PauseProject, Name: "q", Until: p.now.Add(time.Hour)}, "there is no project q among the managed workers"},
		{fleet.Pause{Scope: fleet.PauseWorker, Name: "w1", Until: p.now.Add(time.Hour)}, "did you mean w-1?"},
	} {
		_, err := p.f.Pause(p.now, c.pause)
		require.ErrorContains(t, err, c.want)
	}
	require.Empty(t, p.f.Pauses())
}

// TestPauseIsRemembered: the next Stoker keeps the pause; one that was made before the clock stepped back ends.
func TestPauseIsRemembered(t *testing.T) {
	start := func(until time.Duration) *pool {
		p := newPool(t, fleet.Settings{Pauses: []fleet.Pause{{Scope: fleet.PauseAll, Until: noon.Add(until)}}})
		p.add(1, worker.StatusRunning)
		p.connect()
		p.dies("w-1")
		return p
	}
	p := start(10 * time.Minute)
	require.Empty(t, p.after(9*time.Minute).running())
	require.Equal(t, "1", p.after(2*time.Minute).running())
	require.Equal(t, "1", start(30*24*time.Hour).after(5*time.Second).running())
}

// TestPausedGroup: demand neither wakes nor stops a paused worker, and uses the others instead.
func TestPausedGroup(t *testing.T) {
	p := paused(t, fleet.Pause{Scope: fleet.PauseAll}, source, "cooldown=90s")
	require.Equal(t, "1 2 3", p.after(8*time.Minute).running())
	require.NotEqual(t, "1 2 3", p.after(8*time.Minute).running())
	p.after(8 * time.Minute)
	require.Empty(t, p.running())
	turn, err := p.f.Pause(p.now, fleet.Pause{Scope: fleet.PauseWorker, Name: "w-1", Until: p.now.Add(time.Minute)})
	require.NoError(t, err)
	p.take(turn)
	p.queue.Waiting = 1
	require.Equal(t, "2", p.after(10*time.Second).running())
	p.queue.Waiting = 9
	require.Equal(t, "1 2 3", p.after(2*time.Minute).running())
}

// TestPausedWhileItIsDrained: the command before its stop was sent, so that the restart is finished.
func TestPausedWhileItIsDrained(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "max-age=10m", "recycle-wait=0s", "before-stop=drain")
	p.add(1, worker.StatusCreated)
	p.connect().after(time.Minute)
	s := p.state["w-1"]
	s.Status, s.StartedAt = worker.StatusRunning, p.now
	p.state["w-1"] = s
	p.event(worker.Started, "w-1", 0, 0)
	p.work()
	pauses := 0
	p.before = func(a worker.Action) {
		if a.Verb == worker.Collect {
			pauses++
			_, err := p.f.Pause(p.now, fleet.Pause{Scope: fleet.PauseAll, At: p.now, Until: p.now.Add(time.Hour)})
			require.NoError(t, err)
		}
	}
	p.after(15 * time.Minute)
	require.Equal(t, 1, pauses)
	require.True(t, p.state["w-1"].StartedAt.After(s.StartedAt), "stopped and started again")
	require.Equal(t, "1", p.running())
}
