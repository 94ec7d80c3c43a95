package docker_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/testenv"
)

// TestLiveStepTimes prints the table of docs/recreate.md with -v.
func TestLiveStepTimes(t *testing.T) {
	w := newLiveWorld(t)
	const rounds = 3
	times, order := map[string]time.Duration{}, []string{}
	for range rounds {
		l := w.newWorker(t, nil)
		result := w.recreator(t, nil).Do(t.Context(), l.request())
		require.NoError(t, result.Err)
		require.Equal(t, recreate.Done, result.Ending)
		require.Equal(t, result.ID, l.requireWell(t))
		require.NotEqual(t, l.id, result.ID)
		for _, step := range result.Steps {
			if _, seen := times[step.Step]; !seen {
				order = append(order, step.Step)
			}
			times[step.Step] += step.Took
		}
	}
	for _, step := range order {
		t.Logf("| %s | %d ms |", step, (times[step] / rounds).Milliseconds())
	}
}

// Stoker is killed before and after every call that changes something, on a real engine. The next Stoker has no state.
func TestLiveKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	calls := &faultTransport{}
	l := w.newWorker(t, nil)
	require.Equal(t, recreate.Done, w.recreator(t, calls).Do(t.Context(), l.request()).Ending)
	l.requireWell(t)
	t.Run("each", func(t *testing.T) {
		for n, call := range calls.calls {
			if strings.HasPrefix(call, http.MethodGet) {
				continue
			}
			for _, f := range []fault{killBefore, killAfter} {
				t.Run(fmt.Sprint(string(f), n), func(t *testing.T) {
					t.Parallel()
					w.dies(t, n, f)
				})
			}
		}
	})
}

func (w *liveWorld) dies(t *testing.T, n int, f fault) {
	l := w.newWorker(t, nil)
	over := &faultTransport{inject: func(at int, r *http.Request) fault {
		if at != n {
			return noFault
		}
		t.Log(r.Method, r.URL.Path, f)
		return f
	}}
	r := w.recreator(t, over)
	ended := make(chan bool)
	go func() {
		done := false
		defer func() { ended <- done }()
		r.Do(t.Context(), l.request())
		done = true
	}()
	require.False(t, <-ended, "it was to be killed")
	result := w.recreator(t, nil).Resume(t.Context(), request{Name: l.name, Grace: 5 * time.Second})
	t.Log(result.Ending, result.Err)
	require.Contains(t, []recreate.Ending{recreate.Done, recreate.Undone, recreate.Nothing}, result.Ending)
	l.requireWell(t)
}

// The engine removes such a container by itself, with the volumes that no other container uses.
func TestLiveAutoRemove(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	l := w.newWorker(t, func(_ *container.Config, host *container.HostConfig) { host.AutoRemove = true })
	result := w.recreator(t, nil).Do(t.Context(), l.request())
	require.NoError(t, result.Err)
	require.Equal(t, result.ID, l.requireWell(t))
	require.Equal(t, recreate.Done, result.Ending)
}

func TestLiveMissing(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	l := w.newWorker(t, nil)
	require.NoError(t, w.api.ContainerRemove(t.Context(), l.id, container.RemoveOptions{Force: true}))
	result := w.recreator(t, nil).Do(t.Context(), l.request())
	require.NoError(t, result.Err)
	require.Equal(t, recreate.Done, result.Ending)
	require.Equal(t, result.ID, l.requireWell(t))
}

// Another container takes the port while the worker does not have it, and releases it.
func TestLiveStartFails(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	l := w.newWorker(t, nil)
	var thief net.Listener
	starts := 0
	over := &faultTransport{inject: func(_ int, r *http.Request) fault {
		if !strings.HasSuffix(r.URL.Path, "/start") {
			return noFault
		}
		switch starts++; starts {
		case 1:
			var err error
			thief, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", l.port))
			require.NoError(t, err)
		case 2:
			require.NoError(t, thief.Close())
		}
		return noFault
	}}
	result := w.recreator(t, over).Do(t.Context(), l.request())
	require.Equal(t, recreate.Undone, result.Ending)
	require.ErrorContains(t, result.Err, "address already in use")
	require.Equal(t, l.id, l.requireWell(t))
}

// The new container exits at once: the host no longer has the file that its command needs.
func TestLiveUnproven(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	l := w.newWorker(t, func(conf *container.Config, _ *container.HostConfig) {
		conf.Env = append(conf.Env, "WORKER_FAULT=")
	})
	over := &faultTransport{inject: at(http.MethodPost, "/start", func() {
		go func() { // it gets a signal from the host as soon as it runs
			for range 200 {
				if in, err := w.api.ContainerInspect(t.Context(), l.name); err == nil && in.ID != l.id && in.State.Running {
					_ = w.api.ContainerKill(t.Context(), l.name, "KILL")
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
	})}
	result := w.recreator(t, over).Do(t.Context(), l.request())
	require.Equal(t, recreate.Undone, result.Ending, "%v", result.Err)
	require.ErrorContains(t, result.Err, "does not stay up")
	require.Equal(t, l.id, l.requireWell(t))
}

func TestLiveTwoRace(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	l := w.newWorker(t, nil)
	var group sync.WaitGroup
	results := make([]result, 2)
	for i := range results {
		r := w.recreator(t, nil)
		r.owner = fmt.Sprint(i)
		group.Go(func() { results[i] = r.Do(t.Context(), l.request()) })
	}
	group.Wait()
	outcomes := []recreate.Ending{results[0].Ending, results[1].Ending}
	require.ElementsMatch(t, []recreate.Ending{recreate.Done, recreate.Busy}, outcomes, "%v, %v", results[0].Err, results[1].Err)
	id := l.requireWell(t)
	require.NotEqual(t, l.id, id)
}

// A container that only has the name of a backup is left alone.
func TestLiveForeignAside(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	l := w.newWorker(t, nil)
	foreign, err := w.api.ContainerCreate(t.Context(), &container.Config{Image: liveImage}, nil, nil, nil, l.name+worker.BackupSuffix)
	require.NoError(t, err)
	result := w.recreator(t, nil).Do(t.Context(), l.request())
	require.Equal(t, recreate.Refused, result.Ending)
	require.Equal(t, recreate.Nothing, w.recreator(t, nil).Resume(t.Context(), l.request()).Ending)
	in, err := w.api.ContainerInspect(t.Context(), foreign.ID)
	require.NoError(t, err)
	require.Equal(t, "/"+l.name+worker.BackupSuffix, in.Name)
	require.NoError(t, w.api.ContainerRemove(t.Context(), foreign.ID, container.RemoveOptions{}))
	require.Equal(t, l.id, l.requireWell(t))
}

const composeFile = `version: "2.4"
services:
  furnace:
    image: stoker-worker:test
    cpus: 0.15
    environment: {WORKER_STATE: "off", WORKER_THREADS: "1"}
    volumes: [/anon, "stock:/stock"]
    ports: ["127.0.0.1::80"]
volumes: {stock: {}}
`

// docker-compose detects no drift in a recreated worker.
func TestLiveComposeSeesNoDrift(t *testing.T) {
	t.Parallel()
	compose, err := exec.LookPath("docker-compose")
	if err != nil {
		testenv.Missing(t, "no docker-compose here")
	}
	w := newLiveWorld(t)
	file := filepath.Join(t.TempDir(), "compose.yml")
	require.NoError(t, os.WriteFile(file, []byte(composeFile), 0o600))
	project := strings.ReplaceAll(w.prefix, "-", "") + "c"
	run := func(args ...string) string {
		args = append([]string{"-p", project, "-f", file}, args...)
		out, err := exec.Command(compose, args...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	var volumes []container.MountPoint
	t.Cleanup(func() {
		run("down", "-v")
		for _, m := range volumes { // anonymous volumes are not in the compose file
			_ = w.api.VolumeRemove(context.Background(), volumeOf(m), true)
		}
	})
	run("up", "-d")
	list, err := w.api.ContainerList(t.Context(), container.ListOptions{All: true})
	require.NoError(t, err)
	name, id := "", ""
	for _, one := range list {
		if one.Labels["com.docker.compose.project"] == project {
			name, id = ownName(one.Names), one.ID
		}
	}
	before, err := w.api.ContainerInspect(t.Context(), id)
	require.NoError(t, err)
	volumes = before.Mounts

	result := w.recreator(t, nil).Do(t.Context(), request{Name: name, OldID: id, Grace: -1})
	require.NoError(t, result.Err)
	require.Equal(t, recreate.Done, result.Ending)

	made, err := w.api.ContainerInspect(t.Context(), name)
	require.NoError(t, err)
	output := run("up", "-d")
	after, err := w.api.ContainerInspect(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, result.ID, after.ID, output)
	require.Equal(t, made.State.StartedAt, after.State.StartedAt, output)
	require.True(t, after.State.Running)
	for _, m := range before.Mounts {
		require.Contains(t, mountsOf(t, result.Holder.Definition), m.Destination)
		require.Equal(t, volumeOf(m), mountsOf(t, result.Holder.Definition)[m.Destination])
	}
	_, err = w.api.ContainerInspect(t.Context(), id)
	require.True(t, cerrdefs.IsNotFound(err))
}
