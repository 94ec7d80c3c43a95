package docker

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

func in(s worker.Snapshot) container.HostConfig {
	return container.HostConfig{NetworkMode: container.NetworkMode("container:" + s.ID)}
}

func followOf(parents ...worker.Parent) worker.Action {
	return worker.Action{ID: 11, Verb: worker.RestartDependents, Parents: parents, Deadline: time.Minute}
}

func asParent(s worker.Snapshot, former ...string) worker.Parent {
	return worker.Parent{Key: s.Key, Incarnation: s.Incarnation, PreviousIDs: former}
}

// heals is who was told as a dependent, and with which heal.
func heals(out worker.Outcome) map[string]worker.HealAction {
	list := map[string]worker.HealAction{}
	for _, d := range out.Dependents {
		name := string(d.Key)
		if d.Managed {
			name += " (spared)"
		}
		list[name] = d.Heal
	}
	return list
}

// TestFollowTellsOfPausedWorkers: they are nobody's to touch, and must know for when they are thawed.
func TestFollowTellsOfPausedWorkers(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		guest := b.run("guest", container.Config{}, in(p))
		b.world(func(w *dockertest.World) { w.Operator().Pause("guest") })
		time.Sleep(20 * time.Second)
		a := followOf(asParent(b.fresh("p")))
		a.Managed = map[string]bool{guest.ID: true, p.ID: true}
		out := b.c.Do(t.Context(), a)
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Equal(t, map[string]worker.HealAction{"guest (spared)": "restart"}, heals(out))
		require.Equal(t, worker.StatusPaused, b.snapshot("guest").Status)
	})
}

func TestFollowARestart(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{Labels: map[string]string{composeProject: "x", composeService: "p"}}, container.HostConfig{})
		guests := map[string]worker.Snapshot{}
		for name, host := range map[string]container.HostConfig{
			"net": in(p), "pid": {PidMode: container.PidMode("container:" + p.ID)}, "ipc": {IpcMode: container.IpcMode("container:" + p.ID)},
			"stranger": {}, "paused": in(p), "down": in(p),
		} {
			guests[name] = b.run(name, container.Config{}, host)
		}
		guests["below"] = b.run("below", container.Config{}, in(guests["net"]))
		guests["asked"] = b.run("asked", container.Config{Labels: map[string]string{composeProject: "x", composeDependsOn: "p:service_started:true"}}, container.HostConfig{})
		guests["unasked"] = b.run("unasked", container.Config{Labels: map[string]string{composeProject: "x", composeDependsOn: "p:service_started:false"}}, container.HostConfig{})
		guests["task"] = b.run("task", container.Config{Labels: map[string]string{swarmTask: "x"}}, in(p))
		guests["worker"] = b.run("worker", container.Config{}, in(p))
		guests["of worker"] = b.run("of-worker", container.Config{}, in(guests["worker"]))
		b.world(func(w *dockertest.World) {
			w.Operator().Pause("paused")
			w.Operator().Stop("down", dockertest.OwnGrace)
		})
		time.Sleep(20 * time.Second)
		a := followOf(asParent(b.fresh("p")))
		a.Managed = map[string]bool{guests["worker"].ID: true, p.ID: true}

		out := b.c.Do(t.Context(), a)

		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Equal(t, map[string]worker.HealAction{
			"net": "restart", "pid": "restart", "ipc": "restart", "below": "restart", "asked": "restart", "worker (spared)": "restart",
		}, heals(out))
		for _, d := range out.Dependents {
			require.Empty(t, d.Err)
			require.Equal(t, d.Key == "below", d.Parent == "net")
			now := b.snapshot(string(d.Key))
			require.Equal(t, worker.StatusRunning, now.Status)
			require.Equal(t, d.ID, now.ID)
			require.Equal(t, d.Managed, now.StartedAt.Equal(guests[string(d.Key)].StartedAt))
		}
		for _, name := range []string{"stranger", "unasked", "task"} {
			require.Equal(t, guests[name].Incarnation, b.snapshot(name).Incarnation)
		}
		require.True(t, b.snapshot("net").StartedAt.Before(b.snapshot("below").StartedAt), "parents first")
		require.Equal(t, worker.StatusPaused, b.snapshot("paused").Status)
		require.Equal(t, worker.StatusExited, b.snapshot("down").Status)

		b.sent("")
		out = b.c.Do(t.Context(), a)
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Equal(t, map[string]worker.HealAction{"worker (spared)": "restart"}, heals(out), "once is enough")
		require.Empty(t, b.sent(http.MethodPost))
	})
}

// The modes of a container are asked for once in its life.
func TestFollowAsksLittle(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		for _, name := range []string{"a", "b", "c"} {
			b.run(name, container.Config{}, container.HostConfig{})
		}
		b.sent("")
		for _, want := range []int{1 + 4, 1, 1} {
			require.Equal(t, worker.Done, b.c.Do(t.Context(), followOf(asParent(b.fresh("p")))).Result)
			require.Len(t, b.sent(http.MethodGet), want)
		}
		require.NoError(t, b.api().ContainerRemove(t.Context(), "c", container.RemoveOptions{Force: true}))
		b.run("d", container.Config{}, container.HostConfig{})
		require.Equal(t, worker.Done, b.c.Do(t.Context(), followOf(asParent(b.fresh("p")))).Result)
		require.Len(t, b.sent(http.MethodGet), 1+1)
		require.Len(t, b.c.guests.refs, 4)
		require.Equal(t, worker.Done, b.c.Do(t.Context(), followOf(asParent(p))).Result)
		require.NoError(t, b.api().ContainerStop(t.Context(), "p", container.StopOptions{}))
		b.sent("")
		require.Equal(t, worker.Done, b.c.Do(t.Context(), followOf(asParent(p))).Result)
		require.Equal(t, []string{"GET containers/json"}, b.sent(http.MethodGet), "nobody can follow one that is down")
	})
}

// The parent has another ID now: what names the old one can be restarted no more.
func TestFollowARecreate(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		g := b.run("g", container.Config{}, container.HostConfig{NetworkMode: in(p).NetworkMode, PidMode: container.PidMode("container:" + p.ID)})
		below := b.run("below", container.Config{}, in(g))
		unfit := b.run("unfit", container.Config{Labels: map[string]string{"io.kubernetes.pod.uid": "1"}}, in(p))
		now := b.anew(p)

		out := b.c.Do(t.Context(), followOf(asParent(now, p.ID)))

		require.Equal(t, worker.Done, out.Result, "%v %v", out.Err, out.Dependents)
		require.Equal(t, map[string]worker.HealAction{"g": "recreate", "below": "recreate", "unfit": "recreate"}, heals(out))
		for _, d := range out.Dependents {
			s := b.snapshot(string(d.Key))
			require.Equal(t, worker.StatusRunning, s.Status)
			require.Equal(t, d.Key == "unfit", d.Err != "", d.Err)
			require.Equal(t, d.Key == "unfit", d.ID == s.ID)
		}
		require.Equal(t, unfit.Incarnation, b.snapshot("unfit").Incarnation)
		require.NotEqual(t, below.ID, b.snapshot("below").ID)
		made, err := b.api().ContainerInspect(t.Context(), "g")
		require.NoError(t, err)
		onto := []string{"container:p", "container:" + now.ID} // the engine puts the ID in the name's place
		require.Contains(t, onto, string(made.HostConfig.NetworkMode))
		require.Contains(t, onto, string(made.HostConfig.PidMode))
	})
}

// What Stoker's own heal has left down is Stoker's to bring back, though nobody else's dependent is that is down.
func TestFollowTriesAgain(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		b.run("g", container.Config{}, in(p))
		parent := asParent(b.fresh("p"))
		b.before = func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/restart") {
				require.NoError(t, b.api().ContainerStop(t.Context(), "g", container.StopOptions{}))
				return reply(500, `{"message":"cannot start"}`), nil
			}
			return nil, nil
		}
		out := b.c.Do(t.Context(), followOf(parent))
		require.Equal(t, worker.Failed, out.Result)
		require.Contains(t, out.Err, "cannot start")
		require.Contains(t, out.Dependents[0].Err, "cannot start")
		require.Equal(t, worker.StatusExited, b.snapshot("g").Status)

		b.before = nil
		out = b.c.Do(t.Context(), followOf(parent))
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Equal(t, worker.StatusRunning, b.snapshot("g").Status)
		out = b.c.Do(t.Context(), followOf(parent))
		require.Empty(t, out.Dependents)
		require.NoError(t, b.api().ContainerStop(t.Context(), "g", container.StopOptions{}))
		out = b.c.Do(t.Context(), followOf(asParent(b.fresh("p"))))
		require.Empty(t, out.Dependents)
		require.Equal(t, worker.StatusExited, b.snapshot("g").Status)
	})
}

func TestFollowWithoutAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		at          string
		answer      func(*http.Request) (*http.Response, error)
		want        worker.Result
		unreachable bool
		dependents  int
	}{
		"no list":            {"/containers/json", fails(errRefused), worker.Failed, true, 0},
		"the list is no":     {"/containers/json", says(500, `{"message":"no"}`), worker.Failed, false, 0},
		"no inspect":         {"g/json", fails(errRefused), worker.Failed, true, 0},
		"restart unanswered": {"/restart", fails(errors.New("EOF")), worker.Unknown, false, 1},
		"restart never sent": {"/restart", fails(errRefused), worker.Failed, false, 1},
		"restart forbidden":  {"/restart", says(403, `{"message":"forbidden"}`), worker.Done, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				p := b.run("p", container.Config{}, container.HostConfig{})
				g := b.run("g", container.Config{}, in(p))
				parent := asParent(b.fresh("p"))
				at := strings.Replace(c.at, "g/", g.ID+"/", 1)
				b.before = func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, at) {
						return c.answer(r)
					}
					return nil, nil
				}
				out := b.c.Do(t.Context(), followOf(parent))
				require.Equal(t, c.want, out.Result, out.Err)
				require.Equal(t, c.unreachable, out.Unreachable)
				require.Len(t, out.Dependents, c.dependents)
				for _, d := range out.Dependents {
					require.NotEmpty(t, d.Err)
				}
				require.Equal(t, c.want == worker.Done, out.Err == "")
				require.Equal(t, g.Incarnation, b.snapshot("g").Incarnation)
			})
		})
	}
}

// Stoker may live in a worker's network itself.
func TestFollowSparesStoker(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		self := b.run("stoker", container.Config{}, in(p))
		b.c.opts.Self = self.ID
		out := b.c.Do(t.Context(), followOf(asParent(b.fresh("p"))))
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Empty(t, out.Dependents)
		require.Equal(t, self.Incarnation, b.snapshot("stoker").Incarnation)
	})
}

// Two at once do not heal the same container twice.
func TestFollowsTakeTurns(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		q := b.run("q", container.Config{}, container.HostConfig{})
		b.run("g", container.Config{}, container.HostConfig{NetworkMode: in(p).NetworkMode, PidMode: container.PidMode("container:" + q.ID)})
		parents := []worker.Parent{asParent(b.fresh("p")), asParent(b.fresh("q"))}
		b.sent("")
		outs := make(chan worker.Outcome, 2)
		for _, parent := range parents {
			go func() { outs <- b.c.Do(t.Context(), followOf(parent)) }()
		}
		told := len((<-outs).Dependents) + len((<-outs).Dependents)
		require.Equal(t, 1, told)
		require.Len(t, b.sent(http.MethodPost), 1)
	})
}
