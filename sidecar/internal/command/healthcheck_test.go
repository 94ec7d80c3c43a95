package command

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/web"
)

func healthcheck(t *testing.T, dir string, environ ...string) said {
	t.Helper()
	return play(t, Env{Environ: append(environ, "STOKER_STATE_DIR="+dir, "STOKER_LISTEN="), Hostname: os.Hostname}, "healthcheck")
}

// The command and the server find each other, also when nothing is served over TCP.
func TestHealthcheckAsksTheServer(t *testing.T) {
	dir := t.TempDir()
	server, err := web.Listen(web.Options{
		StateDir: dir, Scope: "blue", View: func() fleet.View { return fleet.View{} }, LoopBeat: time.Now,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	defer func() { cancel(); require.NoError(t, <-ended) }()

	require.Equal(t, said{0, "ok\n", ""}, healthcheck(t, dir, "STOKER_SCOPE=blue"))
	got := healthcheck(t, dir, "STOKER_SCOPE=red")
	require.Equal(t, 1, got.code, "another Stoker's health is not this one's")
	require.Contains(t, got.err, "no Stoker answers here")
}

func TestHealthcheckAnswers(t *testing.T) {
	tests := map[string]struct {
		code int
		body string
		want said
	}{
		"well":    {200, `{"status":"ok"}`, said{0, "ok\n", ""}},
		"frozen":  {503, `{"status":"frozen","detail":"for 40s"}`, said{1, "", "stoker: frozen: for 40s\n"}},
		"hostile": {503, `{"status":"\u001b[2J","detail":"a\nb"}`, said{1, "", `stoker: \x1b[2J: a\nb` + "\n"}},
		"junk":    {200, `<html>`, said{1, "", "stoker: read the answer: invalid character '<' looking for beginning of value\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			host, err := os.Hostname()
			require.NoError(t, err)
			listener, err := net.Listen("unix", web.SocketName(host, dir, ""))
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
