package dockertest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	api "github.com/docker/docker/api/types/container"
)

// A real worker fails in two ways: by a signal from the host, which needs its pid to be visible, and by asking it
// (worker fault …) through an exec.

func (r *realHost) Crash(name string, sig syscall.Signal) {
	r.t.Helper()
	r.check(syscall.Kill(r.pid(name), sig), "kill the process of "+name+" from the host")
}

// pid is the worker's process on this machine.
func (r *realHost) pid(name string) int {
	r.t.Helper()
	got, err := r.api.ContainerInspect(r.ctx(), name)
	r.check(err, "inspect "+name)
	if got.State.Pid == 0 {
		r.t.Fatalf("%s does not run", name)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/root/worker", got.State.Pid)); err != nil {
		r.t.Fatalf("the process of %s cannot be reached from here (run the tests as root on the engine's host): %v", name, err)
	}
	return got.State.Pid
}

func (r *realHost) Exit(name string, code int) {
	r.t.Helper()
	r.ask(name, fmt.Sprintf("exit:%d", code))
}

func (r *realHost) OOM(name string) {
	r.t.Helper()
	r.ask(name, "leak:256")
}

// ask has the worker fail by itself. It looks for orders twice a second.
func (r *realHost) ask(name, fault string) {
	r.t.Helper()
	made, err := r.api.ContainerExecCreate(r.ctx(), name, api.ExecOptions{Cmd: []string{"/worker", "fault", fault}})
	r.check(err, "exec in "+name)
	// A Podman refuses to start an exec without a client attached, unless it is detached.
	r.check(r.api.ContainerExecStart(r.ctx(), made.ID, api.ExecStartOptions{Detach: r.podman}), "exec in "+name)
}

// heartbeat is the worker's own, in every container's tmpfs.
const heartbeat = "dev/shm/worker-heartbeat"

// SetHealthCheck stops the heartbeat, so that probes fail. For probes that hang a pipe without a writer takes the heartbeat's
// place: every open of it waits.
func (r *realHost) SetHealthCheck(name string, s CheckResult) {
	r.t.Helper()
	if s == Passing {
		r.ask(name, "recover")
		return
	}
	if s == Hung {
		r.ask(name, "hang")
	} else {
		r.ask(name, "unhealthy")
	}
	if s == Failing {
		return
	}
	path := filepath.Join(fmt.Sprintf("/proc/%d/root", r.pid(name)), heartbeat)
	deadline := time.Now().Add(10 * time.Second)
	for before := (os.FileInfo)(nil); ; { // the last beat is over when the file stays as it is for longer than beats are apart
		now, err := os.Stat(path)
		r.check(err, "read the heartbeat of "+name)
		if before != nil && now.ModTime().Equal(before.ModTime()) {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the heartbeat of %s does not stop", name)
		}
		before = now
		time.Sleep(1500 * time.Millisecond)
	}
	r.check(replaceByPipe(path), "put a pipe in the heartbeat's place")
}

// BreakStarts takes the folder away that the worker mounts.
func (r *realHost) BreakStarts(name string) func() {
	r.t.Helper()
	folder, ok := r.binds[name]
	if !ok {
		r.t.Fatalf("%s is not breakable", name)
	}
	r.check(os.Rename(folder, folder+".away"), "take the folder away")
	cleared := false
	repair := func() {
		if !cleared {
			cleared = true
			_ = os.Rename(folder+".away", folder)
		}
	}
	r.t.Cleanup(repair)
	return repair
}

// TakePort listens on a port, as soon as it is free.
func (r *realHost) TakePort(port int) func() {
	r.t.Helper()
	address := net.JoinHostPort("127.0.0.1", decimal(port))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		listener, err := net.Listen("tcp4", address)
		if err == nil {
			r.t.Cleanup(func() { _ = listener.Close() })
			return func() { _ = listener.Close() }
		}
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			r.t.Fatalf("take the port %d: %v", port, err)
		}
	}
}
