package dockertest

import (
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// agreement is one thing done to a worker, and what both the world and a real engine must make of it.
type agreement struct {
	name string
	spec WorkerSpec
	act  func(t *testing.T, h Host, name string)
	// until is what to wait for after act.
	until func(State) bool
	want  []string // after create and start
	code  int
	// podman is why a Podman makes something else of it, where it is skipped.
	podman string
}

func ended(s State) bool { return s.Status == worker.StatusExited }
func gone(s State) bool  { return s.Status == worker.StatusGone }
func up(s State) bool    { return s.Status == worker.StatusRunning }

func restarted(times int) func(State) bool {
	return func(s State) bool { return up(s) && s.RestartCount == times }
}

func operate(ops ...Op) func(*testing.T, Host, string) {
	return func(t *testing.T, h Host, name string) {
		t.Helper()
		for _, op := range ops {
			h.Operate(op, name)
		}
	}
}

var agreements = []agreement{
	{
		name: "crash", until: ended, want: []string{"die 137"}, code: 137,
		act: func(_ *testing.T, h Host, name string) { h.Crash(name, syscall.SIGKILL) },
	},
	{
		name: "exit", until: ended, want: []string{"die 3"}, code: 3,
		act: func(_ *testing.T, h Host, name string) { h.Exit(name, 3) },
	},
	{
		name: "out of memory", spec: WorkerSpec{Memory: WorkerMemory{Limit: 24 << 20}}, until: ended, want: []string{"oom", "die 137"}, code: 137,
		act: func(_ *testing.T, h Host, name string) { h.OOM(name) },
	},
	{name: "stop", act: operate(OpStop), until: ended, want: []string{"kill 15", "die 0", "stop"}},
	{
		name: "stop that is ignored", act: operate(OpStop), until: ended,
		spec: WorkerSpec{Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: time.Second}},
		want: []string{"kill 15", "kill 9", "die 137", "stop"}, code: 137,
	},
	{name: "kill", act: operate(OpKill), until: ended, want: []string{"kill 9", "die 137"}, code: 137},
	{name: "restart", act: operate(OpRestart), until: up, want: []string{"kill 15", "die 0", "stop", "start", "restart"}},
	{name: "pause", act: operate(OpPause, OpUnpause), until: up, want: []string{"pause", "unpause"}},
	{
		name: "stop while paused", act: operate(OpPause, OpStop), until: ended, podman: "it refuses to stop what is paused",
		want: []string{"pause", "kill 15", "unpause", "die 0", "stop"},
	},
	{name: "removal", act: operate(OpRemove), until: gone, want: []string{"kill 9", "die 137", "destroy"}},
	{
		name: "crash with --rm", spec: WorkerSpec{EndRules: worker.EndRules{AutoRemove: true}}, until: gone, want: []string{"die 137", "destroy"},
		act: func(_ *testing.T, h Host, name string) { h.Crash(name, syscall.SIGKILL) },
	},
	{
		name: "policy always", spec: WorkerSpec{EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}}, until: restarted(1),
		act:  func(_ *testing.T, h Host, name string) { h.Crash(name, syscall.SIGKILL) },
		want: []string{"die 137", "start"},
	},
	{
		name: "policy always after a stop", spec: WorkerSpec{EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}},
		act: operate(OpStop), until: ended, want: []string{"kill 15", "die 0", "stop"},
	},
	{
		name: "unhealthy", spec: WorkerSpec{Health: true}, want: []string{"health_status: healthy", "health_status: unhealthy"},
		act: func(t *testing.T, h Host, name string) {
			Await(t, h, name, time.Minute, State.Running)
			h.SetHealthCheck(name, Failing)
		},
		until: func(s State) bool { return s.Health == worker.HealthUnhealthy },
	},
	{
		name: "start that fails", spec: WorkerSpec{Breakable: true}, until: up, want: []string{"die 137", "start"},
		podman: "its start begins before it fails, with status 500",
		act: func(t *testing.T, h Host, name string) {
			repair := h.BreakStarts(name)
			h.Crash(name, syscall.SIGKILL)
			Await(t, h, name, time.Minute, ended)
			state, err := startInVain(t, h, name)
			require.True(t, cerrdefs.IsInvalidArgument(err), err)
			require.Equal(t, worker.StatusExited, state.Status)
			require.Equal(t, 137, state.ExitCode, "of the last life")
			require.Empty(t, state.Error, "a start that is refused before it begins leaves no trace")
			repair()
			h.Operate(OpStart, name)
		},
	},
}

func TestHostsAgree(t *testing.T) {
	hosts := map[string]func(testing.TB) Host{"fake": FakeHost, "real": RealHost}
	for _, kind := range []string{"fake", "real"} {
		t.Run(kind, func(t *testing.T) {
			for _, a := range agreements {
				t.Run(a.name, func(t *testing.T) {
					t.Parallel()
					a.try(t, hosts[kind](t))
				})
			}
		})
	}
}

func (a agreement) try(t *testing.T, h Host) {
	if a.podman != "" && onPodman(h) {
		t.Skipf("not on a Podman: %s", a.podman)
	}
	w := h.Run(a.spec)
	Await(t, h, w.Name, time.Minute, up)
	a.act(t, h, w.Name)
	state := Await(t, h, w.Name, time.Minute, a.until)
	require.Equal(t, a.code, state.ExitCode)
	want, got := sharedEvents(h, a.want), []string{}
	require.Eventually(t, func() bool {
		got = []string{}
		for _, one := range h.History(w.ID) {
			got = append(got, one.Action)
		}
		got = sharedEvents(h, got)
		return len(got) >= len(want)+2
	}, time.Minute, 20*time.Millisecond)
	got = oncePaused(onceOOM(got))
	require.Equal(t, []string{"create", "start"}, got[:2])
	got = got[2:]
	require.True(t, slices.Equal(want, asWanted(want, got)) || slices.Equal(swapStop(want), got), "%q, wanted %q", got, want)
}

// swapStop has the stop before the die: the engine makes them in either order.
func swapStop(actions []string) []string {
	swapped := slices.Clone(actions)
	if i := slices.Index(swapped, "stop"); i > 0 {
		swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
	}
	return swapped
}

func TestHostsAgreeOnATakenPort(t *testing.T) {
	for kind, host := range map[string]func(testing.TB) Host{"fake": FakeHost, "real": RealHost} {
		t.Run(kind, func(t *testing.T) {
			h := host(t)
			port := freePort(t)
			w := h.Create(WorkerSpec{HostPort: port})
			free := h.TakePort(port)
			state, err := startInVain(t, h, w.Name)
			require.True(t, cerrdefs.IsInternal(err), err)
			require.Equal(t, worker.StatusCreated, state.Status)
			if !onPodman(h) { // which gives it none
				require.Equal(t, 128, state.ExitCode)
			}
			require.Contains(t, state.Error, "address already in use")
			free()
			h.Operate(OpStart, w.Name)
			require.Equal(t, worker.StatusRunning, h.State(w.Name).Status)
			story := []string{}
			for _, one := range h.History(w.ID) {
				story = append(story, one.Action)
			}
			require.Equal(t, []string{"create", "start"}, sharedEvents(h, story), "the start that failed made no event")
		})
	}
}

// startInVain starts a worker whose start must fail, past the host, whose Operate would fail the test.
func startInVain(t *testing.T, h Host, name string) (State, error) {
	t.Helper()
	err := dial(t, h).ContainerStart(t.Context(), name, api.StartOptions{})
	return h.State(name), err
}

// dial is a client of a host's engine, as Stoker's would be.
func dial(t *testing.T, h Host) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost(h.DockerHost()), client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().(*net.TCPAddr).Port
}
