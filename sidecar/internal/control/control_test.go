package control_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/control"
)

type groups map[string]error

func (g groups) WakeGroup(_ context.Context, name string) (bool, error) {
	err, found := g[name]
	return found, err
}

func TestWake(t *testing.T) {
	dir := t.TempDir()
	socket := control.Socket(dir, "mine")
	require.NotEqual(t, socket, control.Socket(dir, "yours"))
	require.ErrorContains(t, control.Wake(t.Context(), socket, "p/w"), "no Stoker answers")

	require.NoError(t, os.WriteFile(socket, nil, 0o600))
	_, err := control.Listen(t.Context(), socket, groups{})
	require.ErrorContains(t, err, "bind the control socket", "a file that is no socket is not ours to remove")
	require.NoError(t, os.Remove(socket))

	server, err := control.Listen(t.Context(), socket, groups{"p/w": nil, "late": errors.New("it ends")})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { require.NoError(t, server.Serve(ctx)) })
	defer serving.Wait()
	defer cancel()
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, control.Wake(t.Context(), socket, "p/w"))
	require.ErrorContains(t, control.Wake(t.Context(), socket, "p&w"), `there is no group "p&w"`)
	require.EqualError(t, control.Wake(t.Context(), socket, "late"), "it ends")
}
