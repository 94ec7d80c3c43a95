package command

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeCLI is a docker command that lists containers, and executes a command with an exit code.
type fakeCLI struct {
	listed string
	code   int // of exec
	err    error
	calls  [][]string
	input  bool // of the last call
}

func (f *fakeCLI) run(_ context.Context, args []string, in io.Reader, out, _ io.Writer) (int, error) {
	f.calls, f.input = append(f.calls, args), in != nil
	if f.err != nil {
		return 0, f.err
	}
	for _, word := range args {
		switch word {
		case "ps":
			_, err := io.WriteString(out, f.listed)
			return 0, err
		case "exec":
			_, err := io.WriteString(out, "the answer\n")
			return f.code, err
		}
	}
	return 0, errors.New("neither ps nor exec")
}

// last is the last call in one line.
func (f *fakeCLI) last() string { return strings.Join(f.calls[len(f.calls)-1], " ") }

func plug(t *testing.T, f *fakeCLI, args ...string) result {
	t.Helper()
	return play(t, Env{Process: Process{Name: PluginName}, Build: Build{Version: "1.2.3"}, Outside: Outside{CLI: f.run}}, args...)
}

const oneSidecar = "web\tUp 2 hours\t\"/stoker check\"\nshop-stoker-1\tUp 3 days (healthy)\t\"/stoker\"\n"

// The Docker CLI asks each program of its folder for what it is, and leaves out those that answer anything else.
func TestPluginMetadata(t *testing.T) {
	got := plug(t, &fakeCLI{}, "docker-cli-plugin-metadata")
	require.Equal(t, 0, got.code)
	var answer map[string]string
	require.NoError(t, json.Unmarshal([]byte(got.out), &answer))
	require.Equal(t, map[string]string{"SchemaVersion": "0.1.0", "Vendor": "Stoker", "Version": "1.2.3", "ShortDescription": pluginShort}, answer)
	require.Equal(t, 2, play(t, Env{}, "docker-cli-plugin-metadata").code, "under another name it is no plugin")
}

// What is asked of the plugin is run in the sidecar, with the CLI's own global flags, and its exit code is passed on.
func TestPluginForwards(t *testing.T) {
	tests := map[string]struct {
		args []string
		call string
	}{
		"status":               {[]string{"stoker", "status"}, "exec shop-stoker-1 /stoker status"},
		"a flag":               {[]string{"stoker", "status", "--json"}, "exec shop-stoker-1 /stoker status --json=true"},
		"an argument":          {[]string{"stoker", "history", "cruncher-1"}, "exec shop-stoker-1 /stoker history -- cruncher-1"},
		"several":              {[]string{"stoker", "pause", "a", "b", "--for", "10m"}, "exec shop-stoker-1 /stoker pause --for=10m0s -- a b"},
		"words of a flag":      {[]string{"stoker", "pause", "--all", "--reason", "a b"}, "exec shop-stoker-1 /stoker pause --all=true --reason=a b"},
		"a list":               {[]string{"stoker", "check", "--profile", "x", "--json"}, "exec shop-stoker-1 /stoker check --json=true --profile=x"},
		"named":                {[]string{"stoker", "--sidecar", "other", "wake", "shop/w"}, "exec other /stoker wake -- shop/w"},
		"named, later":         {[]string{"stoker", "resume", "--all", "--sidecar=other"}, "exec other /stoker resume --all=true"},
		"a context":            {[]string{"--context", "far", "stoker", "status"}, "--context=far exec shop-stoker-1 /stoker status"},
		"a host":               {[]string{"-H", "tcp://h:1", "--tlsverify", "stoker", "status"}, "--host=tcp://h:1 --tlsverify=true exec shop-stoker-1 /stoker status"},
		"a context, afterward": {[]string{"stoker", "--context", "far", "status"}, "--context=far exec shop-stoker-1 /stoker status"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fakeCLI{listed: oneSidecar, code: 1}
			got := plug(t, f, tt.args...)
			require.Equal(t, result{1, "the answer\n", ""}, got)
			require.Equal(t, tt.call, f.last())
			require.False(t, f.input, "no terminal, no input")
		})
	}
	f := &fakeCLI{listed: oneSidecar}
	require.Equal(t, 0, plug(t, f, "--context", "far", "stoker", "status").code)
	require.Equal(t, "--context=far", f.calls[0][0], "the container is looked for where it is asked")
}

// A terminal is passed on, with its colours.
func TestPluginOnATerminal(t *testing.T) {
	f := &fakeCLI{listed: oneSidecar}
	got := play(t, Env{
		Process: Process{Name: PluginName, Environ: []string{"NO_COLOR=1"}},
		Outside: Outside{CLI: f.run},
		Console: Console{Terminal: terminal{os.Stdin, os.Stdout}},
	}, "stoker", "status", "--watch")
	require.Equal(t, 0, got.code)
	require.Equal(t, "exec --interactive --tty --env NO_COLOR=1 shop-stoker-1 /stoker status --watch=true", f.last())
	require.True(t, f.input)
}

// Without a sidecar, or with several, the error shows what to do.
func TestPluginFindsTheSidecar(t *testing.T) {
	tests := map[string]struct {
		listed string
		code   int
		err    string
	}{
		"none":           {"", 1, "docker stoker --help"},
		"one that ended": {"old\tExited (0) 2 days ago\t\"/stoker run\"\n", 1, "docker start old"},
		"only a check":   {"c\tUp 1 second\t\"/stoker check\"\n", 1, "no Stoker runs"},
		"several":        {"b\tUp 1 hour\t\"/stoker\"\na\tUp 1 hour\t\"/stoker run\"\n", 2, "a, b; choose one with --sidecar NAME"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fakeCLI{listed: tt.listed}
			got := plug(t, f, "stoker", "status")
			require.Equal(t, tt.code, got.code)
			require.Contains(t, got.err, tt.err)
			require.Len(t, f.calls, 1, "nothing was executed")
		})
	}
	got := plug(t, &fakeCLI{err: errors.New("no docker command")}, "stoker", "status")
	require.Equal(t, result{1, "", "stoker: no docker command\n"}, got)
}

// Compose files are where the user is, and not in the sidecar.
func TestPluginChecksFilesHere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "compose.yaml")
	require.NoError(t, os.WriteFile(file, []byte("services:\n  w:\n    image: w\n    cpus: 0.5\n    labels: [stoker.enable=true]\n"), 0o600))
	f := &fakeCLI{}
	got := plug(t, f, "stoker", "check", "-f", file)
	require.Equal(t, 0, got.code, got.err)
	require.Contains(t, got.out, "1 service managed")
	require.Empty(t, f.calls)
}

// Help is in the CLI's manner, and has no command that makes no sense there.
func TestPluginHelp(t *testing.T) {
	for _, args := range [][]string{{"stoker", "--help"}, {"help", "stoker"}, {"stoker"}} {
		got := plug(t, &fakeCLI{}, args...)
		require.Equal(t, 0, got.code)
		require.True(t, strings.HasPrefix(got.out, "Usage:  docker stoker [OPTIONS] COMMAND\n"), got.out)
		require.Contains(t, got.out, "Run 'docker stoker COMMAND --help' for more information on a command.\n")
		for _, name := range []string{"check", "history", "pause", "resume", "status", "version", "wake"} {
			require.Contains(t, got.out, "\n  "+name+" ")
		}
		require.NotContains(t, got.out, "healthcheck")
		require.NotContains(t, got.out, "tlscacert")
	}
	got := plug(t, &fakeCLI{}, "stoker", "pause", "--help")
	require.True(t, strings.HasPrefix(got.out, "Usage:  docker stoker pause [WORKER...]"), got.out)
	require.Contains(t, got.out, "docker stoker pause --project shop")
	require.Contains(t, got.out, "--sidecar")
	got = plug(t, &fakeCLI{}, "stoker", "burn")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.err, "see docker stoker --help")
}

// A CLI that is interrupted closes the socket that it gave to its plugin.
func TestPluginEndsWithTheCLI(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	ctx, cancel := untilInterrupted(t.Context(), l.Addr().String())
	defer cancel()
	conn, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, ctx.Err())
	require.NoError(t, conn.Close())
	<-ctx.Done()

	ctx, cancel = untilInterrupted(t.Context(), filepath.Join(t.TempDir(), "nothing"))
	require.NoError(t, ctx.Err(), "without it the signals have to do")
	cancel()
}
