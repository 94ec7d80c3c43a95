package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// pluggedIn is this machine's docker command with this program as a plugin, and a Stoker in a container. The Stoker has no socket, so
// it manages nothing.
type pluggedIn struct {
	t       *testing.T
	config  string
	sidecar string
}

func plugIn(t *testing.T) pluggedIn {
	t.Helper()
	p := pluggedIn{t: t, config: t.TempDir(), sidecar: "stoker-plugin-" + strconv.Itoa(os.Getpid())}
	if out, err := exec.CommandContext(t.Context(), "docker", "version").CombinedOutput(); err != nil {
		testenv.Missing(t, "no Docker engine answers: %v: %s", err, out)
	}
	program := filepath.Join(p.config, "cli-plugins", "docker-stoker")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w -X main.version=1.2.3", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	code, out2 := p.docker(imageOf(t, program), "import", "--change", `ENTRYPOINT ["/stoker"]`, "--change", `LABEL org.opencontainers.image.title="Stoker"`, "-", p.sidecar)
	require.Zero(t, code, out2)
	t.Cleanup(func() { p.clean("rmi", p.sidecar) })
	code, out2 = p.docker(nil, "run", "-d", "--name", p.sidecar, "--network", "none", p.sidecar)
	t.Cleanup(func() { p.clean("rm", "-f", p.sidecar) })
	require.Zero(t, code, out2)
	return p
}

// imageOf returns the layer of an image with a program.
func imageOf(t *testing.T, program string) []byte {
	t.Helper()
	content, err := os.ReadFile(program)
	require.NoError(t, err)
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "stoker", Mode: 0o755, Size: int64(len(content))}))
	_, err = w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return layer.Bytes()
}

func (p pluggedIn) clean(args ...string) { _ = exec.Command("docker", args...).Run() }

// docker runs the command, with pipes only, and returns its exit code and its output.
func (p pluggedIn) docker(in []byte, args ...string) (int, string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+p.config)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		require.NoError(p.t, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// The real Docker CLI accepts the program as a plugin; the sidecar answers the commands, with its exit code.
func TestLivePlugin(t *testing.T) {
	p := plugIn(t)
	_, help := p.docker(nil, "--help")
	require.Contains(t, help, "stoker*")
	code, help := p.docker(nil, "stoker", "--help")
	require.Zero(t, code)
	require.Contains(t, help, "docker stoker [OPTIONS] COMMAND")
	code, version := p.docker(nil, "stoker", "version")
	require.Zero(t, code)
	require.Contains(t, version, "stoker 1.2.3")

	var status string
	require.Eventually(t, func() bool { // it is starting
		code, status = p.docker(nil, "stoker", "status", "--sidecar", p.sidecar)
		return strings.Contains(status, "no engine socket")
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, 1, code, status)
	require.Contains(t, status, "engine disconnected")
	code, paused := p.docker(nil, "stoker", "pause", "--sidecar", p.sidecar, "--all", "--for", "1m", "--reason", "a reason")
	require.Zero(t, code, paused)
	_, status = p.docker(nil, "stoker", "status", "--sidecar", p.sidecar, "--json")
	require.Contains(t, status, `"a reason"`)
	code, none := p.docker(nil, "stoker", "pause", "--sidecar", p.sidecar)
	require.Equal(t, 2, code, none)
	require.Contains(t, none, "name workers")
	code, found := p.docker(nil, "stoker", "status") // other workers may run on this engine
	require.NotZero(t, code)
	require.True(t, strings.Contains(found, "engine disconnected") || strings.Contains(found, p.sidecar), found)
}
