package control_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/core/fleet"
)

type handler struct {
	groups  map[string]error
	paused  control.Pause
	resumed control.Selection
}

func (h *handler) Wake(_ context.Context, name string) error {
	if err, found := h.groups[name]; found {
		return err
	}
	return fmt.Errorf("there is no group %q", name)
}

func (h *handler) Pause(_ context.Context, p control.Pause) error {
	h.paused = p
	return nil
}

func (h *handler) Resume(_ context.Context, of control.Selection) error {
	h.resumed = of
	return nil
}

func TestControl(t *testing.T) {
	dir := t.TempDir()
	socket := control.Socket(dir, "mine")
	require.NotEqual(t, socket, control.Socket(dir, "yours"))
	client := control.NewClient(socket)
	require.ErrorContains(t, client.Wake(t.Context(), "p/w"), "no Stoker answers")

	h := &handler{groups: map[string]error{"p/w": nil, "late": errors.New("it ends")}}
	require.NoError(t, os.WriteFile(socket, nil, 0o600))
	_, err := control.Listen(t.Context(), socket, h)
	require.ErrorContains(t, err, "bind the control socket", "a file that is no socket is not ours to remove")
	require.NoError(t, os.Remove(socket))

	server, err := control.Listen(t.Context(), socket, h)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { require.NoError(t, server.Serve(ctx)) })
	defer serving.Wait()
	defer cancel()
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, client.Wake(t.Context(), "p/w"))
	require.ErrorContains(t, client.Wake(t.Context(), "p&w"), `there is no group "p&w"`)
	require.EqualError(t, client.Wake(t.Context(), "late"), "it ends")

	pause := control.Pause{Selection: control.Selection{Workers: []string{"a", "b"}, Project: "p", All: true}, For: time.Hour, Reason: "upgrade"}
	require.NoError(t, client.Pause(t.Context(), pause))
	require.Equal(t, pause, h.paused)
	require.NoError(t, client.Resume(t.Context(), pause.Selection))
	require.Equal(t, pause.Selection, h.resumed)
}

func TestPauses(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	pauses, err := control.LoadPauses(dir, at)
	require.NoError(t, err)
	require.Empty(t, pauses)

	want := []fleet.Pause{{Scope: fleet.PauseAll, At: at, Until: at.Add(time.Hour), Reason: "upgrade"}, {Scope: fleet.PauseWorker, Name: "w", At: at, Until: at.Add(time.Minute)}}
	require.NoError(t, control.SavePauses(dir, want))
	pauses, err = control.LoadPauses(dir, at)
	require.NoError(t, err)
	require.Equal(t, want, pauses)
	pauses, err = control.LoadPauses(dir, at.Add(30*time.Minute))
	require.NoError(t, err)
	require.Equal(t, want[:1], pauses, "the other one is over, and its end was reported")
	info, err := os.Stat(filepath.Join(dir, control.PausesName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.WriteFile(filepath.Join(dir, control.PausesName), []byte("[{"), 0o600))
	_, err = control.LoadPauses(dir, at)
	require.ErrorContains(t, err, "fix")
	require.ErrorContains(t, control.SavePauses(filepath.Join(dir, "none"), want), "will not survive")
}
