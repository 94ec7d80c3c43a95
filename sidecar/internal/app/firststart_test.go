package app_test

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// text returns the body of an answer.
func text(t *testing.T, addr, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Get("http://" + addr + path)
	require.NoError(t, err)
	defer func() { require.NoError(t, got.Body.Close()) }()
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return string(body)
}

// A Stoker that was started with a socket and nothing else shows on its page, in the API and in status what it could manage.
func TestStartedWithNothingElse(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t) // its worker has a quota, and a scope that this Stoker does not have
	s := startStoker(t, []string{"DOCKER_HOST=" + h.DockerHost(), "STOKER_STATE_DIR=" + h.dir, "STOKER_LISTEN=127.0.0.1:0"})
	h.eventually("the advice", func() bool { return s.View().Candidates != nil })
	advice := s.View().Candidates
	require.Len(t, advice.Near, 1)
	require.Equal(t, h.w.Name, advice.Near[0].Name)
	require.Contains(t, advice.Near[0].Why, "stoker.scope="+h.Scope())
	require.Contains(t, text(t, s.Addr(), "/"), "stoker check")
	require.Contains(t, text(t, s.Addr(), "/api/v1/workers"), advice.Lines()[0].Text)
	code, out, stderr := execute(t, nil, "status", "--url", "http://"+s.Addr())
	require.Equal(t, 0, code, stderr)
	require.Contains(t, out, h.w.Name)
}

// One without an engine shows the reason on its page and in the API, and keeps trying.
func TestStartedWithoutASocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	out := newRecord(t)
	s := startStokerWith(t, []string{"DOCKER_HOST=unix://" + socket, "STOKER_STATE_DIR=" + t.TempDir(), "STOKER_LISTEN=127.0.0.1:0"}, out)
	h := singleWorker{t: t}
	h.eventually("the reason", func() bool { return s.View().Engine.Problem != "" })
	require.Contains(t, s.View().Engine.Problem, "-v "+socket)
	require.Contains(t, text(t, s.Addr(), "/"), "no engine socket at "+socket)
	code, shown, _ := execute(t, nil, "status", "--url", "http://"+s.Addr())
	require.Equal(t, 1, code)
	require.Contains(t, shown, "no engine socket at "+socket)
	require.Nil(t, s.View().Candidates, "nothing is known of the containers")
}
