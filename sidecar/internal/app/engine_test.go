package app_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/dockertest"
)

// oneLine requires that a command failed with one line that contains the texts.
func oneLine(t *testing.T, code int, stderr string, texts ...string) {
	t.Helper()
	require.Equal(t, 1, code, stderr)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	for _, text := range texts {
		require.Contains(t, stderr, text)
	}
}

// Without a usable engine, check prints one line with what to do, and exits with 1.
func TestCheckWithoutAnEngine(t *testing.T) {
	t.Parallel()
	t.Run("no socket", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "docker.sock")
		code, _, stderr := execute(t, []string{"DOCKER_HOST=unix://" + socket}, "check")
		oneLine(t, code, stderr, socket, "DOCKER_HOST")
	})
	t.Run("no engine at the socket", func(t *testing.T) {
		h := newSingleWorker(t)
		server, _ := dockertest.Behind(h.Host)
		server.With(func(w *dockertest.World) { w.CrashEngine() })
		code, _, stderr := execute(t, h.environ(), "check")
		oneLine(t, code, stderr, strings.TrimPrefix(h.DockerHost(), "unix://"))
	})
	t.Run("too new an API version", func(t *testing.T) {
		h := newSingleWorker(t)
		code, _, stderr := execute(t, h.environ("DOCKER_API_VERSION=1.99"), "check")
		oneLine(t, code, stderr, "DOCKER_API_VERSION", "1.47")
	})
	t.Run("no engine at the port", func(t *testing.T) {
		code, _, stderr := execute(t, []string{"DOCKER_HOST=tcp://127.0.0.1:1"}, "check")
		oneLine(t, code, stderr, "tcp://127.0.0.1:1", "DOCKER_HOST")
	})
	t.Run("permission denied", func(t *testing.T) {
		h := newSingleWorker(t)
		code, stderr := checkAsNobody(t, h)
		oneLine(t, code, stderr, strings.TrimPrefix(h.DockerHost(), "unix://"), "group")
	})
}

// checkAsNobody runs check as a user who may not open the socket.
func checkAsNobody(t *testing.T, h *singleWorker) (code int, text string) {
	t.Helper()
	socket := strings.TrimPrefix(h.DockerHost(), "unix://")
	require.NoError(t, os.Chmod(filepath.Dir(socket), 0o755))
	require.NoError(t, os.Chmod(socket, 0))
	cmd := childOf(t, []string{"DOCKER_HOST=" + h.DockerHost()}, "check")
	if os.Geteuid() == 0 { // root may open everything
		cmd.Path = forAll(t, cmd.Path)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe() // the child ends when this is closed
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_ = cmd.Wait() // the exit code is checked instead
	_ = stdin.Close()
	return cmd.ProcessState.ExitCode(), stderr.String()
}

// forAll returns a copy of a program that every user may run.
func forAll(t *testing.T, program string) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "check") //nolint:usetesting // the folders of t.TempDir are their owner's alone
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	require.NoError(t, os.Chmod(folder, 0o755))
	from, err := os.Open(program)
	require.NoError(t, err)
	defer func() { require.NoError(t, from.Close()) }()
	to, err := os.OpenFile(filepath.Join(folder, "stoker"), os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return to.Name()
}

// check lists what is managed, and its exit code reports whether something is wrong.
func TestCheckOnAnEngine(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	code, out, stderr := execute(t, h.environ(), "check")
	require.Equal(t, 0, code, stderr)
	require.Contains(t, out, h.w.Name)
	bad := h.Run(dockertest.WorkerSpec{Name: "bad", Labels: map[string]string{"stoker.on-exit": "perhaps"}})
	code, out, _ = execute(t, h.environ(), "check")
	require.Equal(t, 1, code)
	require.Contains(t, out, bad.Name)
	require.Contains(t, out, "stoker.on-exit")
}

// run keeps trying: it is not ready while there is no engine, and ready once there is one. It then handles all that happened meanwhile.
func TestRunWaitsForTheEngine(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	server, _ := dockertest.Behind(h.Host)
	server.With(func(w *dockertest.World) { w.ShutDown() })
	socket := strings.TrimPrefix(h.DockerHost(), "unix://")
	h.eventually("the socket to go", func() bool { _, err := os.Stat(socket); return os.IsNotExist(err) })

	s := startStoker(t, h.environ())
	for range 3 {
		require.Equal(t, http.StatusServiceUnavailable, answer(t, s.Addr(), "/readyz"))
		require.Equal(t, http.StatusOK, answer(t, s.Addr(), "/healthz"), "not for a minute yet")
	}
	require.Empty(t, s.View().Workers)
	h.eventually("the engine to be back", func() bool {
		up := false
		server.With(func(w *dockertest.World) { w.Boot(); up = w.EngineUp() }) // no event before it is down
		return up
	})
	h.eventually("Stoker to be ready", func() bool { return answer(t, s.Addr(), "/readyz") == http.StatusOK })
	require.Len(t, s.View().Workers, 1)
	h.Operate(dockertest.OpStart, h.w.Name)
	h.watched(s)
	h.heals()
}
