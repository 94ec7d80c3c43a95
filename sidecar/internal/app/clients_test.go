package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/dockertest"
	"stoker/sidecar/internal/test/testenv"
)

// promptly is the time limit for a heal on the fake engine, which takes milliseconds: far more than that for a busy machine, and far less
// than any timeout that Stoker has for its clients (5 s and more).
const promptly = 4 * time.Second

// silentServer is a server that accepts connections and data, and never answers.
func silentServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return l.Addr().String()
}

// requestWithoutReading requests a path and never reads the answer.
func requestWithoutReading(t *testing.T, addr, path string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(1))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: stoker\r\n\r\n", path)
	require.NoError(t, err)
}

// I9, with everything at once that could delay it: a notification target that hangs and one that does not exist, scrapers that never read,
// 200 open event streams that are never read either, and a log that blocks.
func TestNoClientDelaysAHeal(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	log := newStuck(t)
	pace := testenv.NewPace(t)
	s := startStokerWith(t, h.environ("STOKER_NOTIFY_ON=all", "STOKER_NOTIFY=json+http://"+silentServer(t)+"/hook json+http://127.0.0.1:1/hook"), log)
	<-log.tried
	h.watched(s)
	for range 200 {
		requestWithoutReading(t, s.Addr(), "/api/v1/events?after=0")
	}
	for range 10 {
		requestWithoutReading(t, s.Addr(), "/metrics")
		requestWithoutReading(t, s.Addr(), "/")
	}
	var took []time.Duration
	for range 10 {
		began := time.Now()
		h.heals()
		took = append(took, time.Since(began))
		h.watched(s)
	}
	slices.Sort(took)
	pace.Within(t, took[8], promptly, "a heal, while all targets hang all the time,") // one slow heal may be due to the machine
}

// inbox is a webhook that stores its messages.
type inbox struct {
	mu   sync.Mutex
	text strings.Builder
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.text.Write(body)
}

func (i *inbox) String() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.text.String()
}

// No part of a container's environment is logged, served, sent or printed, even where Stoker has all of it: in the journal, and in a
// recreate, which has the whole definition.
func TestNoSecretOfAnEnvironmentAppears(t *testing.T) {
	t.Parallel()
	const secret = "5w0rdf1sh"
	h := newSingleWorker(t)
	server, _ := dockertest.Behind(h.Host)
	h.Operate(dockertest.OpRemove, h.w.Name)
	server.With(func(w *dockertest.World) {
		w.Operator().Run(dockertest.Made(h.w.Name, container.Config{
			Image: "worker", Env: []string{"DB_PASSWORD=" + secret},
			Labels: map[string]string{"stoker.enable": "true", "stoker.scope": h.Scope(), "stoker.backoff-initial": "1ms", "stoker.backoff-max": "1ms"},
		}, container.HostConfig{}, nil))
	})
	mail := &inbox{}
	hook := httptest.NewServer(mail)
	defer hook.Close()
	record := newRecord(t)
	s := startStokerWith(t, h.environ("STOKER_LOG_LEVEL=trace", "STOKER_NOTIFY_ON=all", "STOKER_RECREATE_AFTER=1",
		"STOKER_NOTIFY=json+http://"+strings.TrimPrefix(hook.URL, "http://")), record)
	h.watched(s)
	h.heals()
	h.watched(s)
	h.eventually("the heal to be reported", func() bool { return strings.Contains(mail.String(), "healed") })

	at := []string{"STOKER_LISTEN=" + s.Addr()}
	places := map[string]string{"log": record.String(), "webhook": mail.String()}
	for _, path := range []string{"/", "/metrics", "/api/v1/workers", "/api/v1/workers/" + url.PathEscape(h.w.Name), "/api/v1/history"} {
		places[path] = body(t, s.Addr(), path)
	}
	_, places["status"], _ = execute(t, at, "status", "--json")
	_, places["history"], _ = execute(t, at, "history")
	_, places["check"], _ = execute(t, h.environ(), "check", "--json")
	for name, text := range places {
		require.Contains(t, text, h.w.Name, "%s: nothing is in it at all", name)
		require.NotContains(t, text, secret, name)
		require.NotContains(t, text, "DB_PASSWORD", name)
	}
	s.Stop()
	journal := false
	files, err := os.ReadDir(h.dir)
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(h.dir + "/" + file.Name())
		require.NoError(t, err)
		if strings.Contains(string(text), secret) {
			journal = true
			info, err := file.Info()
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		}
	}
	require.True(t, journal, "a test that hides nothing")
}

func body(t *testing.T, addr, path string) string {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Get("http://" + addr + path)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }()
	require.Equal(t, http.StatusOK, got.StatusCode)
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return string(text)
}
