package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/app"
	"stoker/sidecar/internal/command"
	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/journal"
	"stoker/sidecar/internal/test/dockertest"
)

// singleWorker is a fake engine with one worker on it.
type singleWorker struct {
	dockertest.Host
	t   *testing.T
	w   dockertest.Worker
	dir string
}

func newSingleWorker(t *testing.T) *singleWorker {
	t.Helper()
	h := &singleWorker{Host: dockertest.FakeHost(t), t: t, dir: t.TempDir()}
	h.w = h.Run(dockertest.WorkerSpec{Labels: map[string]string{"stoker.backoff-initial": "1ms", "stoker.backoff-max": "1ms"}})
	return h
}

func (h *singleWorker) environ(more ...string) []string {
	return append([]string{
		"DOCKER_HOST=" + h.DockerHost(), "STOKER_SCOPE=" + h.Scope(), "STOKER_STATE_DIR=" + h.dir, "STOKER_LISTEN=127.0.0.1:0",
	}, more...)
}

func (h *singleWorker) eventually(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("timed out waiting for %s", what)
		}
	}
}

func (h *singleWorker) watched(s dockertest.Stoker) {
	h.t.Helper()
	h.eventually("Stoker to look after the worker", func() bool {
		v := s.View()
		if !v.Engine.Connected || len(v.Workers) != 1 || v.Workers[0].State != fleet.StateRunning {
			return false
		}
		return v.Workers[0].StartedAt.Equal(h.State(h.w.Name).StartedAt) // a view may be slightly outdated
	})
}

// heals requires that a crash is healed.
func (h *singleWorker) heals() {
	h.t.Helper()
	before := h.State(h.w.Name)
	h.Crash(h.w.Name, syscall.SIGKILL)
	h.eventually("the worker to be back", func() bool {
		now := h.State(h.w.Name)
		return now.Running() && now.StartedAt.After(before.StartedAt)
	})
}

func answer(t *testing.T, addr, path string) int {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Get("http://" + addr + path)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	return got.StatusCode
}

// instance returns which Stoker serves the API at an address; empty for none.
func instance(addr string) string {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Get("http://" + addr + "/api/v1/workers")
	if err != nil {
		return ""
	}
	defer func() { _ = got.Body.Close() }()
	var answer struct{ Instance string }
	_ = json.NewDecoder(got.Body).Decode(&answer)
	return answer.Instance
}

// The address exists before Run, and everything is released after it: the address, the journal, the local socket.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	for range 3 {
		s := startStoker(t, h.environ())
		h.watched(s)
		require.Equal(t, http.StatusOK, answer(t, s.Addr(), "/readyz"))
		require.Equal(t, http.StatusOK, answer(t, s.Addr(), "/healthz"))
		h.heals()
		h.watched(s)
		before := instance(s.Addr())
		require.NotEmpty(t, before)
		s.Stop()
		require.NotEqual(t, before, instance(s.Addr())) // the listener of another test may have the port by now

		j, report := journal.Open(h.dir, journal.Options{})
		require.True(t, report.Persistent, report.Problem)
		memories, mark := j.Load()
		require.NoError(t, j.Close(t.Context()))
		require.True(t, memories[worker.Key(h.w.Name)].Expected)
		require.Equal(t, h.State(h.w.Name).StartedAt, memories[worker.Key(h.w.Name)].Incarnation.StartedAt)
		require.True(t, mark.Closed, "the mark of the ordered shutdown is on disk when Stoker has ended")
	}
}

// A mistake in the configuration is an error of New, and leaves nothing behind.
func TestNewFails(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	tests := map[string]string{
		"address taken": "STOKER_LISTEN=" + taken.Addr().String(),
		"no key":        "DOCKER_CERT_PATH=" + t.TempDir(),
	}
	for name, variable := range tests {
		t.Run(name, func(t *testing.T) {
			environ := h.environ(variable)
			if name == "no key" {
				environ = append(environ, "DOCKER_TLS_VERIFY=1", "DOCKER_HOST=tcp://127.0.0.1:1")
			}
			_, err := app.New(app.Options{Config: configured(t, environ), Log: logrus.New()})
			require.Error(t, err)
			s := startStoker(t, h.environ())
			h.watched(s)
			s.Stop()
		})
	}
}

// Two Stokers with one state directory would undo each other's work: the second one does not start.
func TestAnotherStoker(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	h.watched(startStoker(t, h.environ()))
	_, err := app.New(app.Options{Config: configured(t, h.environ()), Log: logrus.New()})
	require.ErrorContains(t, err, "STOKER_STATE_DIR")
	h.heals()
}

// With an unusable state directory Stoker heals, but keeps its state in memory only. Files in the directory are kept.
func TestJournalUnusable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(t *testing.T, dir string) (stateDir string)
		kept    func(t *testing.T, dir string)
	}{
		"not a directory": {
			prepare: func(t *testing.T, dir string) string {
				file := filepath.Join(dir, "file")
				require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
				return file
			},
			kept: func(t *testing.T, dir string) {
				text, err := os.ReadFile(filepath.Join(dir, "file"))
				require.NoError(t, err)
				require.Equal(t, "mine", string(text))
			},
		},
		"damaged": {
			prepare: func(t *testing.T, dir string) string {
				require.NoError(t, os.WriteFile(filepath.Join(dir, journal.FileName), bytes.Repeat([]byte("junk"), 5000), 0o600))
				return dir
			},
			kept: func(t *testing.T, dir string) {
				aside, err := filepath.Glob(filepath.Join(dir, journal.FileName+".corrupt-*"))
				require.NoError(t, err)
				require.Len(t, aside, 1)
			},
		},
		"locked": {
			prepare: func(t *testing.T, dir string) string {
				j, report := journal.Open(dir, journal.Options{})
				require.True(t, report.Persistent)
				t.Cleanup(func() { require.NoError(t, j.Close(context.Background())) })
				return dir
			},
			kept: func(t *testing.T, dir string) { require.FileExists(t, filepath.Join(dir, journal.FileName)) },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSingleWorker(t)
			dir := t.TempDir()
			s := startStoker(t, h.environ("STOKER_STATE_DIR="+tt.prepare(t, dir)))
			h.watched(s)
			h.heals()
			h.Operate(dockertest.OpStop, h.w.Name)
			h.eventually("the operator's stop to be noticed", func() bool { return s.View().Workers[0].Held == worker.HeldOperator })
			s.Stop()
			tt.kept(t, dir)
		})
	}
}

// stuck is a log that blocks until it is released, as Docker's log driver may.
type stuck struct {
	let   chan struct{}
	once  sync.Once
	tried chan struct{}
}

func newStuck(t *testing.T) *stuck {
	s := &stuck{let: make(chan struct{}), tried: make(chan struct{})}
	t.Cleanup(func() { close(s.let) })
	return s
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.tried) })
	<-s.let
	return len(p), nil
}

// I9: a log that blocks delays no heal and no reconnect, and Stoker ends with its journal on disk.
func TestStuckLog(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	server, _ := dockertest.Behind(h.Host)
	log := newStuck(t)
	s := startStokerWith(t, h.environ(), log)
	<-log.tried
	h.watched(s)
	for range 5 {
		h.heals()
	}
	h.watched(s)
	server.With(func(w *dockertest.World) { w.CutStreams() })
	h.eventually("the link to go", func() bool { return !s.View().Engine.Connected })
	h.eventually("the link to be back", func() bool { return s.View().Engine.Connected })
	h.heals()
	h.watched(s)

	began := time.Now()
	s.Stop()
	require.Less(t, time.Since(began), 8*time.Second, "Docker gives it ten")
	j, report := journal.Open(h.dir, journal.Options{})
	require.True(t, report.Persistent, report.Problem)
	_, mark := j.Load()
	require.NoError(t, j.Close(t.Context()))
	require.True(t, mark.Closed)
}

// The healthcheck command, which Docker starts beside run, finds the running Stoker.
func TestHealthcheckOfARunningStoker(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	environ := h.environ("STOKER_LISTEN=")
	s := startStoker(t, environ)
	h.watched(s)
	require.Empty(t, s.Addr())
	code, out, _ := execute(t, environ, "healthcheck")
	require.Equal(t, 0, code, out)
	s.Stop()
	code, _, stderr := execute(t, environ, "healthcheck")
	require.Equal(t, 1, code)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
}

// execute runs a command of the real program in this process.
func execute(t *testing.T, environ []string, args ...string) (code int, out, errors string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := command.Host(command.NewBuild("test", "test"))
	env.Args, env.Environ, env.Stdout, env.Stderr = args, environ, &stdout, &stderr
	env.Run = func(context.Context, config.Config, *logrus.Logger, command.Build) error {
		require.Fail(t, "must not run")
		return nil
	}
	code = command.Execute(t.Context(), env)
	return code, stdout.String(), stderr.String()
}
