package dockertest

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// The sequences below were watched on engine 20.10.24, or are those of docker-facts.
func TestSequences(t *testing.T) {
	restart := func(name string, retries int) worker.RestartPolicy {
		return worker.RestartPolicy{Name: name, MaxRetries: retries}
	}
	forever := 10 * time.Minute
	run := []string{"create", "start"}
	tests := []struct {
		name   string
		spec   Spec
		act    func(w *World)
		wait   time.Duration
		want   []string // after create and start
		status worker.Status
		code   int
	}{
		{
			name: "own exit", act: func(w *World) { w.Exit("a", 3) },
			want: []string{"die 3"}, status: worker.StatusExited, code: 3,
		},
		{
			name: "killed from the host", act: func(w *World) { w.Crash("a", syscall.SIGKILL) },
			want: []string{"die 137"}, status: worker.StatusExited, code: 137,
		},
		{
			name: "out of memory", act: func(w *World) { w.OOM("a") },
			want: []string{"oom", "die 137"}, status: worker.StatusExited, code: 137,
		},
		{
			name: "stop", act: func(w *World) { w.Operator().Stop("a", OwnGrace) },
			want: []string{"kill 15", "die 0", "stop"}, status: worker.StatusExited,
		},
		{
			name: "stop of one that ignores it", spec: Spec{Behaviour: Behaviour{IgnoreTerm: true}},
			act:  func(w *World) { w.Operator().Stop("a", 3*time.Second) },
			want: []string{"kill 15", "kill 9", "die 137", "stop"}, status: worker.StatusExited, code: 137,
		},
		{
			name: "stop with a stop signal of its own", spec: Spec{EndRules: worker.EndRules{StopSignal: syscall.SIGUSR1}},
			act:  func(w *World) { w.Operator().Stop("a", OwnGrace) },
			want: []string{"kill 10", "die 0", "stop"}, status: worker.StatusExited,
		},
		{
			name: "kill", act: func(w *World) { w.Operator().Kill("a", syscall.SIGKILL) },
			want: []string{"kill 9", "die 137"}, status: worker.StatusExited, code: 137,
		},
		{
			name: "kill with a signal that does not end it", act: func(w *World) { w.Operator().Kill("a", syscall.SIGHUP) },
			want: []string{"kill 1"}, status: worker.StatusRunning,
		},
		{
			name: "restart", act: func(w *World) { w.Operator().Restart("a", OwnGrace) },
			want: []string{"kill 15", "die 0", "stop", "start", "restart"}, status: worker.StatusRunning,
		},
		{
			name: "restart of a dead one",
			act: func(w *World) {
				w.Exit("a", 1)
				w.Advance(time.Second)
				w.Operator().Restart("a", OwnGrace)
			},
			want: []string{"die 1", "start", "restart"}, status: worker.StatusRunning,
		},
		{
			name: "pause and unpause",
			act: func(w *World) {
				w.Operator().Pause("a")
				w.Advance(time.Second)
				w.Operator().Unpause("a")
			},
			want: []string{"pause", "unpause"}, status: worker.StatusRunning,
		},
		{
			name: "stop of a paused one",
			act: func(w *World) {
				w.Operator().Pause("a")
				w.Advance(time.Second)
				w.Operator().Stop("a", OwnGrace)
			},
			want: []string{"pause", "kill 15", "unpause", "die 0", "stop"}, status: worker.StatusExited,
		},
		{
			name: "update", act: func(w *World) { w.Operator().Update("a", 0.5) },
			want: []string{"update"}, status: worker.StatusRunning,
		},
		{
			name: "removal by force", act: func(w *World) { w.Operator().Remove("a", true) },
			want: []string{"kill 9", "die 137", "destroy"},
		},
		{
			name: "removal without force is refused while it runs", act: func(w *World) { w.Operator().Remove("a", false) },
			want: []string{}, status: worker.StatusRunning,
		},
		{
			name: "removal of a dead one",
			act: func(w *World) {
				w.Exit("a", 1)
				w.Advance(time.Second)
				w.Operator().Remove("a", false)
			},
			want: []string{"die 1", "destroy"},
		},
		{
			name: "crash with --rm", spec: Spec{EndRules: worker.EndRules{AutoRemove: true}}, act: func(w *World) { w.Exit("a", 1) },
			want: []string{"die 1", "destroy"},
		},
		{
			name: "stop with --rm", spec: Spec{EndRules: worker.EndRules{AutoRemove: true}}, act: func(w *World) { w.Operator().Stop("a", OwnGrace) },
			want: []string{"kill 15", "die 0", "stop", "destroy"},
		},
		{
			name: "restart with --rm keeps it", spec: Spec{EndRules: worker.EndRules{AutoRemove: true}},
			act:  func(w *World) { w.Operator().Restart("a", OwnGrace) },
			want: []string{"kill 15", "die 0", "stop", "start", "restart"}, status: worker.StatusRunning,
		},
		{
			name: "policy always", spec: Spec{EndRules: worker.EndRules{RestartPolicy: restart("always", 0)}}, act: func(w *World) { w.Exit("a", 0) },
			want: []string{"die 0", "start"}, status: worker.StatusRunning,
		},
		{
			name: "policy always after a stop", spec: Spec{EndRules: worker.EndRules{RestartPolicy: restart("always", 0)}},
			act:  func(w *World) { w.Operator().Stop("a", OwnGrace) },
			want: []string{"kill 15", "die 0", "stop"}, status: worker.StatusExited,
		},
		{
			name: "any signal through the API turns a policy off", spec: Spec{EndRules: worker.EndRules{RestartPolicy: restart("always", 0)}},
			act: func(w *World) {
				w.Operator().Kill("a", syscall.SIGHUP)
				w.Advance(time.Second)
				w.Exit("a", 2)
			},
			want: []string{"kill 1", "die 2"}, status: worker.StatusExited, code: 2,
		},
		{
			name: "but not with a stop signal of its own",
			spec: Spec{EndRules: worker.EndRules{RestartPolicy: restart("always", 0), StopSignal: syscall.SIGTERM}},
			act: func(w *World) {
				w.Operator().Kill("a", syscall.SIGHUP)
				w.Advance(time.Second)
				w.Exit("a", 2)
			},
			want: []string{"kill 1", "die 2", "start"}, status: worker.StatusRunning,
		},
		{
			name: "policy on-failure used up", spec: Spec{
				EndRules: worker.EndRules{RestartPolicy: restart("on-failure", 2)}, Behaviour: Behaviour{RunFor: 100 * time.Millisecond, ExitCode: 3},
			},
			act: func(*World) {}, wait: time.Minute,
			want: []string{"die 3", "start", "die 3", "start", "die 3"}, status: worker.StatusExited, code: 3,
		},
		{
			name: "a restart through the API keeps unless-stopped alive", spec: Spec{EndRules: worker.EndRules{RestartPolicy: restart("unless-stopped", 0)}},
			act: func(w *World) {
				w.Operator().Restart("a", OwnGrace)
				w.Advance(2 * time.Second)
				w.Crash("a", syscall.SIGKILL)
			},
			want:   []string{"kill 15", "die 0", "stop", "start", "restart", "die 137", "start"},
			status: worker.StatusRunning,
		},
		{
			name: "policy whose start fails is never tried again",
			spec: Spec{EndRules: worker.EndRules{RestartPolicy: restart("always", 0)}, HostPort: 80},
			act: func(w *World) {
				w.TakePort(80)
				w.Exit("a", 4)
			},
			want: []string{"die 4"}, status: worker.StatusExited, code: 4, wait: forever,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := New(Config{Seed: 7})
			tt.spec.Name = "a"
			w.Operator().Run(tt.spec)
			// A container that ends within its first tenth of a second is not given more time than that.
			w.Advance(400 * time.Millisecond)
			for len(w.Actions("a")) < 2 {
				w.Advance(time.Millisecond)
			}
			require.Equal(t, run, w.Actions("a"))
			tt.act(w)
			w.Advance(max(tt.wait, 5*time.Second))
			require.Equal(t, tt.want, w.Actions("a")[2:])
			truth, ok := w.Truth("a")
			require.True(t, ok)
			if tt.status == "" {
				require.True(t, truth.Gone)
				return
			}
			require.Equal(t, tt.status, truth.Status)
			require.Equal(t, tt.code, truth.ExitCode)
		})
	}
}

func TestStopInTheDelayOfThePolicy(t *testing.T) {
	crashLoop := Spec{
		Name: "a", EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}},
		Behaviour: Behaviour{RunFor: 100 * time.Millisecond, ExitCode: 3},
	}
	tests := []struct {
		name string
		act  func(o Operator)
		want []string
	}{
		{"stop", func(o Operator) { o.Stop("a", OwnGrace) }, []string{"stop"}},
		{"kill", func(o Operator) { o.Kill("a", syscall.SIGKILL) }, []string{}},
		{"restart", func(o Operator) { o.Restart("a", OwnGrace) }, []string{"stop", "start", "restart"}},
		{"removal", func(o Operator) { o.Remove("a", true) }, []string{"destroy"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := New(Config{Seed: 3})
			w.Operator().Run(crashLoop)
			w.Advance(20 * time.Second) // the delay is several seconds by now
			for waiting := false; !waiting; {
				w.Advance(10 * time.Millisecond)
				truth, _ := w.Truth("a")
				next, _ := w.NextDue()
				waiting = truth.Status == worker.StatusRestarting && next.Sub(w.Now()) > 2*time.Second
			}
			before := len(w.Actions("a"))
			tt.act(w.Operator())
			w.Advance(400 * time.Millisecond)
			require.Equal(t, tt.want, w.Actions("a")[before:])
		})
	}
}

func TestStartThatFails(t *testing.T) {
	w := New(Config{})
	w.TakePort(8080)
	answer := w.Operator().Run(Spec{Name: "a", HostPort: 8080})
	w.Advance(time.Second)
	require.True(t, answer.Done)
	require.Equal(t, 500, answer.Err.Status)
	truth, _ := w.Truth("a")
	require.Equal(t, []string{"create"}, w.Actions("a"), "a start that fails makes no event")
	require.Equal(t, worker.StatusCreated, truth.Status)
	require.Equal(t, 128, truth.ExitCode)
	require.Contains(t, truth.StartError, "address already in use")

	w.FreePort(8080)
	w.Operator().Start("a")
	w.Advance(time.Second)
	w.Crash("a", syscall.SIGKILL)
	w.Advance(time.Second)
	w.TakePort(8080)
	w.Operator().Start("a")
	w.Advance(time.Second)
	truth, _ = w.Truth("a")
	require.Equal(t, worker.StatusExited, truth.Status)
	require.Equal(t, 137, truth.ExitCode, "the exit code of the last life stays")
	require.NotEmpty(t, truth.StartError)
}
