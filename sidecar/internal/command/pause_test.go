package command

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/control"
)

// asked is a Stoker that notes what it is asked for.
type asked struct {
	pause  control.Pause
	resume control.Selection
	woken  []string
	err    error
}

func (a *asked) Wake(_ context.Context, group string) error {
	a.woken = append(a.woken, group)
	return a.err
}

func (a *asked) Pause(_ context.Context, p control.Pause) error {
	a.pause = p
	return a.err
}

func (a *asked) Resume(_ context.Context, of control.Selection) error {
	a.resume = of
	return a.err
}

// controlled runs a Stoker that can be asked, and returns the environment in which commands find it.
func controlled(t *testing.T, a *asked) Env {
	t.Helper()
	dir := t.TempDir()
	server, err := control.Listen(t.Context(), control.Socket(dir, ""), a)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ctx) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	return Env{Process: Process{Environ: []string{"STOKER_STATE_DIR=" + dir}}}
}

func TestPauseAndResume(t *testing.T) {
	a := &asked{}
	env := controlled(t, a)
	got := play(t, env, "pause", "burner", "grinder", "--project", "shop", "--for", "10m", "--reason", "upgrade")
	require.Equal(t, 0, got.code, got.err)
	require.Contains(t, got.out, "burner, grinder, project shop: paused until 20")
	want := control.Selection{Workers: []string{"burner", "grinder"}, Project: "shop"}
	require.Equal(t, control.Pause{Selection: want, For: 10 * time.Minute, Reason: "upgrade"}, a.pause)

	got = play(t, env, "pause", "--all")
	require.Equal(t, 0, got.code, got.err)
	require.Equal(t, time.Hour, a.pause.For)
	got = play(t, env, "resume", "--all")
	require.Equal(t, "all workers: resumed\n", got.out)
	require.Equal(t, control.Selection{All: true}, a.resume)

	a.err = errors.New("there is no worker burnr\x1b[31m; did you mean burner?")
	got = play(t, env, "resume", "burnr")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "did you mean burner?")
	require.NotContains(t, got.err, "\x1b", "what a name holds does not reach the terminal")
	require.Equal(t, 1, play(t, env, "wake", "shop/worker").code)
	require.Equal(t, []string{"shop/worker"}, a.woken)
}

func TestPauseRefused(t *testing.T) {
	env := controlled(t, &asked{})
	for _, args := range [][]string{
		{"pause"}, {"resume"}, {"pause", "--all", "--for", "0s"}, {"pause", "--all", "--for", "169h"}, {"pause", "--all", "--for", "soon"},
	} {
		got := play(t, env, args...)
		require.Equal(t, 2, got.code, args)
		require.NotEmpty(t, got.err, args)
	}
	got := play(t, Env{Process: Process{Environ: []string{"STOKER_STATE_DIR=" + t.TempDir()}}}, "pause", "--all")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "no Stoker answers")
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := play(t, Env{}, "completion", shell)
		require.Equal(t, 0, got.code, shell)
		require.Contains(t, got.out, "stoker", shell)
	}
}
