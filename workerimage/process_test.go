package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/heartbeat"
)

// beWorker in the environment makes the test binary a worker.
const beWorker = "WORKER_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(beWorker) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// patience is the time limit for any step on a busy machine. A passing test does not wait for it.
const patience = 30 * time.Second

// site is the directory and environment of one worker.
type site struct {
	dir string
	env map[string]string
}

func newSite(t *testing.T, env map[string]string) *site {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"WORKER_STATE":      filepath.Join(dir, "state"),
		"WORKER_HEARTBEAT":  filepath.Join(dir, "heartbeat"),
		"WORKER_FAULT_FILE": filepath.Join(dir, "fault"),
		"WORKER_CHECKPOINT": "5ms",
		"WORKER_THREADS":    "2",
		"WORKER_TASK":       "pow",
		"WORKER_PREFIX":     "000",
		"WORKER_RANGE":      "2000000000",
		beWorker:            "yes",
	}
	for name, value := range env {
		all[name] = value
	}
	return &site{dir: dir, env: all}
}

func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = os.Environ()
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// run runs a command to its end and returns its output and its exit code.
func (s *site) run(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := s.command(args...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// process is a running worker.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  buffer
	done chan struct{}
}

func (s *site) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: s.command(args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the state is checked instead
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
	})
	return p
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // it may have ended already

// end waits for the process and returns its status.
func (p *process) end() syscall.WaitStatus {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(p.t, "the worker does not end", p.out.String())
	}
	return p.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// cpu returns the CPU time that the process used so far, in clock ticks of a hundredth of a second.
func (p *process) cpu() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	require.NoError(p.t, err)
	var user, system int
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	_, err = fmt.Sscan(string(fields[11])+" "+string(fields[12]), &user, &system)
	require.NoError(p.t, err)
	return user + system
}

// state returns the current checkpoint, or nil before the first.
func (s *site) state(t *testing.T) *checkpoint.State {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.env["WORKER_STATE"], "checkpoint.json"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	var file struct{ State checkpoint.State }
	require.NoError(t, json.Unmarshal(text, &file), "a checkpoint is complete at any time")
	return &file.State
}

// working waits until the checkpoint holds more chunks than before.
func (s *site) working(t *testing.T) {
	t.Helper()
	first := s.state(t)
	until(t, func() bool {
		now := s.state(t)
		return now != nil && now.Done() > 0 && (first == nil || now.Done() > first.Done())
	})
}

func (s *site) healthy(t *testing.T) bool {
	t.Helper()
	_, code := s.run(t, "healthcheck")
	return code == 0
}

// silent reports whether the last beat is older than this.
func (s *site) silent(t *testing.T, age time.Duration) bool {
	t.Helper()
	err := heartbeat.Check(s.env["WORKER_HEARTBEAT"], age)
	return err != nil && strings.Contains(err.Error(), "ago")
}

// until polls the condition in the test's own goroutine, so that it may use require.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		require.True(t, time.Now().Before(deadline), "timed out")
		time.Sleep(5 * time.Millisecond) // another process does the work, so virtual time does not help
	}
}

// buffer is a bytes.Buffer for a concurrent writer and reader.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
