package dockertest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/testenv"
)

// markLabel is on everything that belongs to a test, with its scope, so that its clean-up finds it and its history is kept.
const markLabel = "stoker-dockertest"

// realHost is a real engine, with the sample worker on it.
type realHost struct {
	t     testing.TB
	api   *client.Client
	scope string
	log   *eventLog
	binds map[string]string // full name to the folder that BreakStarts takes away
	// network of workers that do not share another's; empty is the engine's default one.
	network string

	podman   bool
	quietOOM bool // the engine may not report when the kernel kills for want of memory
}

// RealHost is the engine of DOCKER_HOST, else the local one. Without one the test is skipped, in one line. All that it makes
// carries a scope of its own and is removed with the test; the image stoker-worker:test stays, for the next run.
func RealHost(t testing.TB) Host {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatalf("make a Docker client: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil {
		testenv.Missing(t, "no Docker engine answers: %v", err)
	}
	podman := IsPodman(ctx, c) // before the build, which may take longer than ctx lives
	if err := workerImage(c); err != nil {
		t.Fatalf("build the image of the sample worker: %v", err)
	}
	since, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		t.Fatalf("read the engine's clock: %v", err)
	}
	r := &realHost{t: t, api: c, scope: "et-" + randomHex(), binds: map[string]string{}, podman: podman}
	r.quietOOM = info.CgroupVersion == "2" && info.CgroupDriver == "systemd"
	r.log = follow(t, c, chapter{scope: r.scope, since: since})
	r.network = OwnNetwork(t, c, r.scope)
	t.Cleanup(r.removeAll)
	return r
}

func randomHex() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (r *realHost) Real() bool         { return true }
func (r *realHost) DockerHost() string { return r.api.DaemonHost() }
func (r *realHost) Scope() string      { return r.scope }
func (r *realHost) HealthPort() int    { return healthPort }

// removeAll removes what the test made, whatever became of the test.
func (r *realHost) removeAll() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := r.api.ContainerList(ctx, api.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", markLabel+"="+r.scope))})
	if err != nil {
		r.t.Errorf("list what is to be removed: %v", err)
	}
	// A Podman removes none whose namespaces others share: what it refuses is tried again when the others are gone.
	var refused error
	for range 3 {
		list, refused = r.remove(ctx, list)
	}
	if refused != nil {
		r.t.Errorf("remove %s: %v", list[0].Names, refused)
	}
}

// remove removes containers, and returns those that could not be removed, and the first error.
func (r *realHost) remove(ctx context.Context, list []api.Summary) (left []api.Summary, why error) {
	for _, one := range list {
		err := r.api.ContainerRemove(ctx, one.ID, api.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
			left, why = append(left, one), cmp.Or(why, err)
		}
	}
	return left, why
}

func (r *realHost) Run(spec WorkerSpec) Worker {
	r.t.Helper()
	made := r.Create(spec)
	r.Operate(OpStart, made.ID)
	r.awaitReady(made.ID)
	return made
}

// awaitReady waits until the worker works. A signal that comes before it has its handlers is lost on PID 1, and under a
// quota that is a while.
func (r *realHost) awaitReady(id string) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got, err := r.api.ContainerInspect(r.ctx(), id)
		if r.isGone(err) || err == nil && !got.State.Running {
			return // a short life
		}
		r.check(err, "inspect "+id)
		for _, file := range []string{heartbeat, BeatFile} {
			if _, err := os.Stat(filepath.Join("/proc", decimal(got.State.Pid), "root", file)); err == nil {
				return
			}
		}
	}
	r.t.Fatalf("the worker %s does not begin to work, or cannot be reached from here", id)
}

func (r *realHost) Create(spec WorkerSpec) Worker {
	r.t.Helper()
	name := spec.fullName(r.scope)
	made, err := r.api.ContainerCreate(r.ctx(), r.config(spec), r.hostConfig(spec, name), nil, nil, name)
	r.check(err, "create "+name)
	return Worker{Name: name, ID: made.ID}
}

func (r *realHost) config(spec WorkerSpec) *api.Config {
	labels := spec.labels(r.scope)
	labels[markLabel] = r.scope
	config := &api.Config{Image: workerTag, Labels: labels, Env: []string{
		"WORKER_STATE=off", "WORKER_THREADS=1", "WORKER_HEALTH_MAX_AGE=2s", "WORKER_FAULT=" + faultsOf(spec),
		"WORKER_HEALTH_EFFORT=" + spec.Probes.Effort.String(),
	}}
	if spec.isProbed() && !spec.computes() {
		config.Env = append(config.Env, noQueue)
	}
	if spec.Probes.HTTP {
		config.Env = append(config.Env, fmt.Sprintf("WORKER_LISTEN=:%d", healthPort))
	}
	if spec.Probes.File {
		config.Env = append(config.Env, "WORKER_HEARTBEAT="+BeatFile)
	}
	if spec.StopTimeout > 0 {
		seconds := int(spec.StopTimeout / time.Second)
		config.StopTimeout = &seconds
	}
	if spec.Health {
		config.Healthcheck = &api.HealthConfig{
			Test: []string{"CMD", "/worker", "healthcheck"}, Interval: hostProbeInterval, Timeout: cmp.Or(spec.Probes.Timeout, hostProbeTimeout),
			Retries: hostProbeRetries, StartPeriod: 2 * time.Second,
		}
	} else {
		config.Healthcheck = &api.HealthConfig{Test: []string{"NONE"}}
	}
	if spec.HostPort != 0 {
		config.ExposedPorts = nat.PortSet{"80/tcp": {}}
	}
	return config
}

// noQueue has a worker wait for work, from a queue that is not there. Its heart beats, and it leaves the CPU to the other tests.
const noQueue = "WORKER_QUEUE=redis://127.0.0.1:1/0?list=none"

// isProbed reports whether something asks whether the worker works.
func (s WorkerSpec) isProbed() bool { return s.Health || s.Probes.HTTP || s.Probes.File }

// computes reports whether the test is about the CPU that the worker uses.
func (s WorkerSpec) computes() bool { return s.Behaviour.Busy || s.Probes.Effort > 0 }

// faultsOf returns how it behaves from its start, in the worker's syntax.
func faultsOf(spec WorkerSpec) string {
	faults := []string{}
	if spec.Behaviour.IgnoreTerm {
		faults = append(faults, "ignore-term")
	}
	if spec.Behaviour.RunFor > 0 {
		faults = append(faults, fmt.Sprintf("exit:%d@%s", spec.Behaviour.ExitCode, spec.Behaviour.RunFor))
	}
	if spec.Memory.Leak > 0 {
		faults = append(faults, fmt.Sprintf("leak:%d", spec.Memory.Leak))
	}
	if !spec.isProbed() && !spec.computes() { // it has no probe: it begins to work, and then leaves the CPU to the others
		faults = append(faults, "hang@500ms")
	}
	return strings.Join(faults, ",")
}

func (r *realHost) hostConfig(spec WorkerSpec, name string) *api.HostConfig {
	config := &api.HostConfig{
		AutoRemove: spec.AutoRemove,
		RestartPolicy: api.RestartPolicy{
			Name: api.RestartPolicyMode(spec.RestartPolicy.Name), MaximumRetryCount: spec.RestartPolicy.MaxRetries,
		},
		// A share of a CPU low enough that many tests fit on a small machine, and high enough for the probes.
		Resources:   api.Resources{NanoCPUs: 150_000_000},
		NetworkMode: api.NetworkMode(r.network),
	}
	if spec.CPUs != 0 {
		config.NanoCPUs = nanoCPUs(max(spec.CPUs, 0))
	}
	config.Memory, config.MemorySwap = spec.Memory.Limit, spec.Memory.Limit
	if spec.HostPort != 0 {
		config.PortBindings = nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: decimal(spec.HostPort)}}}
	}
	if spec.Inside != "" {
		config.NetworkMode = api.NetworkMode("container:" + spec.Inside)
	}
	if spec.Breakable {
		r.binds[name] = r.t.TempDir()
		r.check(os.Chmod(filepath.Dir(r.binds[name]), 0o755), "let a user's engine into the folder of the mount")
		config.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: r.binds[name], Target: "/breakable"}}
	}
	return config
}

// ctx bounds a request well above the longest stop.
func (r *realHost) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *realHost) check(err error, what string) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
}

func (r *realHost) Operate(op Op, name string) {
	r.t.Helper()
	var err error
	switch ctx := r.ctx(); op {
	case OpStart:
		err = r.api.ContainerStart(ctx, name, api.StartOptions{})
	case OpStop:
		err = r.api.ContainerStop(ctx, name, api.StopOptions{})
	case OpKill:
		err = r.api.ContainerKill(ctx, name, "KILL")
	case OpRestart:
		err = r.api.ContainerRestart(ctx, name, api.StopOptions{})
	case OpPause:
		err = r.pause(ctx, name)
	case OpUnpause:
		err = r.api.ContainerUnpause(ctx, name)
	case OpRemove:
		err = r.api.ContainerRemove(ctx, name, api.RemoveOptions{Force: true, RemoveVolumes: true})
	case OpUpdate:
		_, err = r.api.ContainerUpdate(ctx, name, api.UpdateConfig{Resources: Quota(r.podman, updatedCPUs)})
	case OpCreate, OpRename, OpInspect, OpList, OpInfo, OpConnect, OpCopy:
		r.t.Fatalf("%s is not for Operate", op)
	}
	r.check(err, string(op)+" "+name)
}

// pause tries more than once: with cgroups v1 a busy kernel may not get a container frozen in the time that runc gives it
// ("unable to freeze"), and nothing has changed then.
func (r *realHost) pause(ctx context.Context, name string) error {
	err := r.api.ContainerPause(ctx, name)
	for range 5 {
		if err == nil || r.State(name).Status != worker.StatusRunning {
			break
		}
		err = r.api.ContainerPause(ctx, name)
	}
	return err
}

func (r *realHost) Signal(name string, sig syscall.Signal) {
	r.t.Helper()
	r.check(r.api.ContainerKill(r.ctx(), name, decimal(int(sig))), fmt.Sprintf("send %s to %s", sig, name))
}

func (r *realHost) Rename(name, to string) {
	r.t.Helper()
	r.check(r.api.ContainerRename(r.ctx(), name, to), "rename "+name)
}

func (r *realHost) State(name string) State {
	r.t.Helper()
	got, err := r.api.ContainerInspect(r.ctx(), name)
	if r.isGone(err) {
		return State{Status: worker.StatusGone}
	}
	r.check(err, "inspect "+name)
	state := State{
		ID: got.ID, Status: worker.Status(got.State.Status), Health: worker.HealthNone, ExitCode: got.State.ExitCode,
		Error: got.State.Error, OOMKilled: got.State.OOMKilled, RestartCount: got.RestartCount,
		CPUs: float64(got.HostConfig.NanoCPUs) / 1e9,
	}
	if got.State.Health != nil {
		state.Health = worker.Health(got.State.Health.Status)
	}
	state.StartedAt, _ = time.Parse(time.RFC3339Nano, got.State.StartedAt)
	state.FinishedAt, _ = time.Parse(time.RFC3339Nano, got.State.FinishedAt)
	if got.NetworkSettings != nil {
		state.Networks = slices.Sorted(maps.Keys(got.NetworkSettings.Networks))
	}
	if r.podman {
		return inDockersWords(state, got.HostConfig)
	}
	return state
}

func (r *realHost) History(id string) []Happening {
	r.t.Helper()
	info, err := r.api.Info(r.ctx())
	r.check(err, "ask the engine for the time")
	now, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	r.check(err, "read the engine's clock")
	history, err := r.log.of(r.ctx(), id, now)
	r.check(err, "ask for the events of "+id)
	return history
}
