package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// machine is a host with a docker command for one engine.
type machine struct {
	t      *testing.T
	bin    string
	socket string
	group  string
}

func newMachine(t *testing.T, securityOptions, host string) machine {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		testenv.Missing(t, "no bash here")
	}
	m := machine{t: t, bin: t.TempDir()}
	folder, err := os.MkdirTemp("", "owner") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	m.socket = filepath.Join(folder, "docker.sock")
	l, err := net.Listen("unix", m.socket)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	info, err := os.Stat(m.socket)
	require.NoError(t, err)
	m.group = strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Gid), 10)
	docker := "#!/bin/sh\ncase $1 in info) echo '" + securityOptions + "' ;; context) echo '" + strings.ReplaceAll(host, "SOCKET", m.socket) + "' ;; esac\n"
	require.NoError(t, os.WriteFile(filepath.Join(m.bin, "docker"), []byte(docker), 0o755)) //nolint:gosec // it is run
	return m
}

// onlyPodman is a machine whose docker or podman command is Podman's: it has no contexts. Its folder of programs has all that compose/owner
// needs.
func (m machine) onlyPodman(called, info string) {
	m.t.Helper()
	for _, program := range []string{"bash", "env", "stat"} {
		path, err := exec.LookPath(program)
		require.NoError(m.t, err)
		require.NoError(m.t, os.Symlink(path, filepath.Join(m.bin, program)))
	}
	require.NoError(m.t, os.Remove(filepath.Join(m.bin, "docker")))
	podman := "#!/bin/bash\ncase $1$3 in info*Host.Security.Rootless*) echo '" + info + "' ;; *) exit 125 ;; esac\n"
	require.NoError(m.t, os.WriteFile(filepath.Join(m.bin, called), []byte(podman), 0o755)) //nolint:gosec // it is run
}

func (m machine) run(environ []string, command ...string) string {
	m.t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = ".."
	cmd.Env = append([]string{"PATH=" + m.bin + ":" + os.Getenv("PATH"), "HOME=" + m.bin}, environ...)
	out, err := cmd.CombinedOutput()
	require.NoError(m.t, err, string(out))
	return string(out)
}

// Stoker runs with the socket's group, except with a rootless engine, in whose user namespace the host's groups do not exist.
func TestOwnerOfTheSocket(t *testing.T) {
	const rootless, rootful = "[name=seccomp,profile=builtin name=rootless name=cgroupns]", "[name=seccomp,profile=builtin]"
	cases := map[string]struct {
		options, host string
		environ       []string
		want          string // SOCKET and GROUP are replaced by the machine's
	}{
		"rootless":              {rootless, "unix://SOCKET", nil, "STOKER_SOCKET=SOCKET\nSTOKER_UID=0\nSTOKER_GID=0\n"},
		"rootless, DOCKER_HOST": {rootless, "unix:///nowhere", []string{"DOCKER_HOST=unix://SOCKET"}, "STOKER_SOCKET=SOCKET\nSTOKER_UID=0\nSTOKER_GID=0\n"},
		"rootful":               {rootful, "unix://SOCKET", nil, "STOKER_SOCKET=SOCKET\nSTOKER_UID=65532\nSTOKER_GID=GROUP\n"},
		"no such socket":        {rootful, "unix:///nowhere/docker.sock", nil, "STOKER_SOCKET=/nowhere/docker.sock\nSTOKER_UID=0\nSTOKER_GID=0\n"},
		"by tcp":                {rootful, "tcp://h:1", []string{"STOKER_SOCKET=/x/y.sock"}, "STOKER_SOCKET=/x/y.sock\nSTOKER_UID=0\nSTOKER_GID=0\n"},
		"as set":                {rootful, "unix://SOCKET", []string{"STOKER_UID=7", "STOKER_GID=8"}, "STOKER_SOCKET=SOCKET\nSTOKER_UID=7\nSTOKER_GID=8\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, tc.options, tc.host)
			fill := strings.NewReplacer("SOCKET", m.socket, "STOKER_SOCKET", "STOKER_SOCKET", "GROUP", m.group)
			for n := range tc.environ {
				tc.environ[n] = fill.Replace(tc.environ[n])
			}
			require.Equal(t, fill.Replace(tc.want), m.run(tc.environ, "compose/owner"))
		})
	}
}

// Podman's own command has its own field names, whether it is called docker or not.
func TestOwnerWherePodmanIs(t *testing.T) {
	for _, called := range []string{"docker", "podman"} {
		for info, want := range map[string]string{
			"true SOCKET":         "STOKER_SOCKET=SOCKET\nSTOKER_UID=0\nSTOKER_GID=0\n",
			"true unix://SOCKET":  "STOKER_SOCKET=SOCKET\nSTOKER_UID=0\nSTOKER_GID=0\n",
			"false unix://SOCKET": "STOKER_SOCKET=SOCKET\nSTOKER_UID=65532\nSTOKER_GID=GROUP\n",
		} {
			t.Run(called+" "+info, func(t *testing.T) {
				m := newMachine(t, "", "")
				m.onlyPodman(called, strings.ReplaceAll(info, "SOCKET", m.socket))
				// The name of a variable ends in SOCKET, too.
				fill := strings.NewReplacer("=SOCKET", "="+m.socket, "=GROUP", "="+m.group)
				require.Equal(t, fill.Replace(want), m.run([]string{"PATH=" + m.bin}, "compose/owner"))
			})
		}
	}
}

// make up passes the output of compose/owner to Compose.
func TestMakeAsksForTheOwner(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		testenv.Missing(t, "no make here")
	}
	for _, options := range []string{"[name=rootless]", "[]"} {
		m := newMachine(t, options, "unix://SOCKET")
		file := filepath.Join(t.TempDir(), "with.mk")
		require.NoError(t, os.WriteFile(file, []byte("include Makefile\nlogs: ; @echo $$STOKER_SOCKET $$STOKER_UID $$STOKER_GID\n"), 0o600))
		want := m.socket + " 0 0\n"
		if options == "[]" {
			want = m.socket + " 65532 " + m.group + "\n"
		}
		out := m.run(nil, "make", "-s", "-f", file, "logs")
		require.True(t, strings.HasSuffix(out, want), out) // make first warns that the target has another recipe
	}
}
