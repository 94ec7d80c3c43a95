package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/app"
	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// endWait is the limit for a Stoker to end after SIGTERM: eight seconds for its restarts, two for its clients, two for its log and two for
// its journal, with a margin for a busy machine.
const endWait = 30 * time.Second

var launcher = dockertest.Launcher{
	Start: func(t testing.TB, environ []string) dockertest.Stoker { return startStoker(t, environ) },
	Spawn: func(t testing.TB, environ []string) dockertest.Stoker { return spawn(t, environ) },
}

// record stores a Stoker's log, which is shown if the test fails.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func newRecord(t testing.TB) *record {
	r := &record{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a Stoker's log:\n%s", r)
		}
	})
	return r
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// configured returns the configuration from an environment without problems.
func configured(t testing.TB, environ []string) config.Config {
	t.Helper()
	c, problems := config.Load(environ)
	require.Empty(t, problems)
	return c
}

// inside is a Stoker in the test's process.
type inside struct {
	*app.App
	t      testing.TB
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once
}

func startStoker(t testing.TB, environ []string) *inside {
	t.Helper()
	return startStokerWith(t, environ, newRecord(t))
}

func startStokerWith(t testing.TB, environ []string, out io.Writer) *inside {
	t.Helper()
	log := logrus.New()
	log.SetOutput(out)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: "15:04:05.000"})
	a, err := app.New(app.Options{Config: configured(t, environ), Log: log, Version: "test", Commit: "test"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &inside{App: a, t: t, cancel: cancel, ended: make(chan error, 1)}
	go func() { s.ended <- a.Run(ctx) }()
	t.Cleanup(s.Stop)
	return s
}

func (s *inside) Stop() {
	s.once.Do(func() {
		s.cancel()
		select {
		case err := <-s.ended:
			require.NoError(s.t, err)
		case <-time.After(endWait):
			require.Fail(s.t, "Stoker does not end")
		}
	})
}

func (s *inside) Kill() { require.Fail(s.t, "a Stoker in the test's process cannot be killed") }

// outside is a Stoker in a process of its own.
type outside struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
	once  sync.Once
}

// childOf returns a command that runs this test binary as Stoker.
func childOf(t testing.TB, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append([]string{childVariable + "=1", "HOME=/", "PATH=" + os.Getenv("PATH")}, environ...)
	return cmd
}

func spawn(t testing.TB, environ []string) *outside {
	t.Helper()
	cmd := childOf(t, environ, "run")
	cmd.Stderr = newRecord(t)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s := &outside{t: t, cmd: cmd, stdin: stdin}
	t.Cleanup(s.Stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "Stoker's address")
	s.addr = strings.TrimSpace(line)
	return s
}

func (s *outside) Addr() string { return s.addr }

func (s *outside) Stop() { s.end(syscall.SIGTERM) }
func (s *outside) Kill() { s.end(syscall.SIGKILL) }

func (s *outside) end(sig syscall.Signal) {
	s.once.Do(func() {
		require.NoError(s.t, s.cmd.Process.Signal(sig))
		late := time.AfterFunc(endWait, func() { _ = s.cmd.Process.Kill() })
		err := s.cmd.Wait()
		_ = s.stdin.Close()
		require.True(s.t, late.Stop(), "Stoker does not end")
		if sig == syscall.SIGTERM {
			require.NoError(s.t, err)
		}
	})
}

// View returns the API's view; an empty one if the API does not answer.
func (s *outside) View() fleet.View {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.addr + "/api/v1/workers")
	if err != nil {
		return fleet.View{}
	}
	defer func() { _ = answer.Body.Close() }()
	var shown apiView
	if json.NewDecoder(answer.Body).Decode(&shown) != nil {
		return fleet.View{}
	}
	return shown.view()
}

// apiView is the part of the API's answer that scenarios use. Its field names are part of the contract.
type apiView struct {
	At             time.Time `json:"at"`
	HostOverloaded bool      `json:"host_overloaded"`
	Engine         struct {
		Connected bool `json:"connected"`
	} `json:"engine"`
	Workers []apiWorker `json:"workers"`
}

type apiWorker struct {
	Key       worker.Key        `json:"key"`
	ID        string            `json:"id"`
	State     fleet.State       `json:"state"`
	Status    worker.Status     `json:"status"`
	Health    worker.Health     `json:"health"`
	StartedAt time.Time         `json:"started_at"`
	Expected  bool              `json:"expected"`
	Held      worker.Reason     `json:"held"`
	Fault     worker.Fault      `json:"fault"`
	Reason    worker.Reason     `json:"reason"`
	Heal      worker.HealAction `json:"heal"`
	Attempts  int               `json:"attempts"`
	NextAt    time.Time         `json:"next_at"`
	CPUs      float64           `json:"cpus"`
	Scope     string            `json:"scope"`
	Problems  []struct {
		Label, Value, Message, Nearest string
	} `json:"problems"`
}

func (a apiView) view() fleet.View {
	v := fleet.View{At: a.At, HostOverloaded: a.HostOverloaded}
	v.Engine.Connected = a.Engine.Connected
	for _, w := range a.Workers {
		shown := fleet.WorkerView{
			Key:           w.Key,
			ID:            w.ID,
			ContainerView: fleet.ContainerView{StartedAt: w.StartedAt, Status: w.Status, Health: w.Health, CPUs: w.CPUs},
			HealView: fleet.HealView{
				State:    w.State,
				Expected: w.Expected,
				Held:     w.Held,
				Attempts: w.Attempts,
				Heal:     w.Heal,
				Fault:    w.Fault,
				Reason:   w.Reason,
				NextAt:   w.NextAt,
			},
			Scope: w.Scope,
		}
		for _, p := range w.Problems {
			shown.Problems = append(shown.Problems, policy.Problem{Label: p.Label, Value: p.Value, Message: p.Message, Nearest: p.Nearest})
		}
		v.Workers = append(v.Workers, shown)
	}
	return v
}
