package command

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/web"
)

func healthcheck(t *testing.T, dir string, environ ...string) result {
	t.Helper()
	return play(t, Env{Process: Process{Environ: append(environ, "STOKER_STATE_DIR="+dir, "STOKER_LISTEN="), Hostname: os.Hostname}}, "healthcheck")
}

// The command and the server find each other, also when nothing is served over TCP.
func TestHealthcheckAsksTheServer(t *testing.T) {
	dir := t.TempDir()
	server, err := web.Listen(web.Options{
		Address: web.Address{StateDir: dir, Scope: "blue"},
		Fleet:   web.Fleet{View: func() fleet.View { return fleet.View{} }, LastTick: time.Now},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	defer func() { cancel(); require.NoError(t, <-ended) }()

	require.Equal(t, result{0, "ok\n", ""}, healthcheck(t, dir, "STOKER_SCOPE=blue"))
	// A process that took the abstract name, which any process can, is not asked.
	host, err := os.Hostname()
	require.NoError(t, err)
	taken, err := net.Listen("unix", web.HealthSockets(host, dir, "blue")[1])
	require.NoError(t, err)
	defer taken.Close()
	require.Equal(t, result{0, "ok\n", ""}, healthcheck(t, dir, "STOKER_SCOPE=blue"))

	got := healthcheck(t, dir, "STOKER_SCOPE=red")
	require.Equal(t, 1, got.code, "another Stoker's health is not this one's")
	require.Contains(t, got.err, "no Stoker answers here")
}

// Without a state directory the command asks at STOKER_LISTEN.
func TestHealthcheckWithoutAStateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	server, err := web.Listen(web.Options{
		Address: web.Address{Listen: "127.0.0.1:0", StateDir: dir},
		Fleet:   web.Fleet{View: func() fleet.View { return fleet.View{} }, LastTick: time.Now},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	defer func() { cancel(); require.NoError(t, <-ended) }()
	got := play(t, Env{Process: Process{Environ: []string{"STOKER_STATE_DIR=" + dir, "STOKER_LISTEN=" + server.Addr()}, Hostname: os.Hostname}}, "healthcheck")
	require.Equal(t, result{0, "ok\n", ""}, got)
	require.Equal(t, result{0, "ok\n", ""}, healthcheck(t, dir), "nor STOKER_LISTEN: the abstract socket is left")
}

func TestHealthcheckAnswers(t *testing.T) {
	tests := map[string]struct {
		code int
		body string
		want result
	}{
		"well":    {200, `{"status":"ok"}`, result{0, "ok\n", ""}},
		"stuck":   {503, `{"status":"stuck","detail":"for 40s"}`, result{1, "", "stoker: stuck: for 40s\n"}},
		"hostile": {503, `{"status":"\u001b[2J","detail":"a\nb"}`, result{1, "", `stoker: \x1b[2J: a\nb` + "\n"}},
		"junk":    {200, `<html>`, result{1, "", "stoker: read the answer: invalid character '<' looking for beginning of value\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			host, err := os.Hostname()
			require.NoError(t, err)
			listener, err := net.Listen("unix", web.HealthSockets(host, dir, "")[0])
			require.NoError(t, err)
			var asked string
			server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.Path
				w.WriteHeader(tt.code)
				_, _ = io.WriteString(w, tt.body)
			})}
			ended := make(chan error, 1)
			go func() { ended <- server.Serve(listener) }()
			defer func() {
				require.NoError(t, server.Close())
				require.ErrorIs(t, <-ended, http.ErrServerClosed)
				require.Equal(t, "/healthz", asked)
			}()
			require.Equal(t, tt.want, healthcheck(t, dir))
		})
	}
}
