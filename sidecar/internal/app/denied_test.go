package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// ready is the answer of /readyz.
func ready(t *testing.T, addr string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Get("http://" + addr + "/readyz")
	require.NoError(t, err)
	defer func() { require.NoError(t, got.Body.Close()) }()
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return got.StatusCode, string(text)
}

// A proxy refuses one of Stoker's calls, in one of the ways in which proxies do. Stoker reports that in one line with the call before a
// worker needs it, is not ready if it needs the call, and does everything that works without it. Once the call is allowed it is ready.
func TestProxyRefusesACall(t *testing.T) {
	t.Parallel()
	const one = `/containers/[^/]+`
	needed := map[string]string{
		"GET /info": `/info$`, "GET /events": `/events$`, "GET /containers/json": `/containers/json$`, "GET /containers/{id}/json": one + `/json$`,
		"POST /containers/{id}/start": one + `/start$`, "POST /containers/{id}/stop": one + `/stop$`,
	}
	other := map[string]string{
		"GET /_ping": `/_ping$`, "GET /networks/bridge": `/networks/bridge$`, "GET /containers/{id}/stats": one + `/stats$`, "GET /containers/{id}/top": one + `/top$`,
		"POST /containers/{id}/update": one + `/update$`, "GET /images/{id}/json": `/images/.*/json$`, "GET /volumes/{name}": `/volumes/[^/]+$`,
		"POST /containers/{id}/rename": one + `/rename$`, "DELETE /containers/{id}": one + `$`, "POST /containers/{id}/restart": one + `/restart$`,
	}
	for how, trouble := range map[string]dockertest.ProxyFault{
		"answers 403 to": {Status: http.StatusForbidden}, "answers 500 to": {Status: http.StatusInternalServerError}, "closes the connection to": {Reset: true},
	} {
		for call, path := range needed {
			t.Run(how+" "+call, func(t *testing.T) { refuses(t, refused{how, call, path, trouble, true}) })
		}
		for call, path := range other {
			t.Run(how+" "+call, func(t *testing.T) { refuses(t, refused{how, call, path, trouble, false}) })
		}
	}
}

// refused is a call that a proxy refuses.
type refused struct {
	how, call, path string
	trouble         dockertest.ProxyFault
	needed          bool
}

func refuses(t *testing.T, r refused) {
	t.Parallel()
	how, call, path, trouble, needed := r.how, r.call, r.path, r.trouble, r.needed
	h := newSingleWorker(t)
	proxy := dockertest.NewFaultProxy(t, h.Host)
	method, _, _ := strings.Cut(call, " ")
	if trouble.Calls = `^` + method + ` ` + path; method == http.MethodGet {
		trouble.Calls = `^(GET|HEAD) ` + path
	}
	proxy.Inject(trouble)
	out := newRecord(t)
	s := startStokerWith(t, h.environ("DOCKER_HOST="+proxy.DockerHost(), "STOKER_RESYNC=5s"), out)
	report := how + " " + call
	h.eventually("the call to be named", func() bool {
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, call) && strings.Contains(line, strings.TrimSuffix(how, " to")) && strings.Contains(line, "allow") {
				return true
			}
		}
		return false
	})
	if needed {
		h.eventually("Stoker not to be ready", func() bool {
			code, text := ready(t, s.Addr())
			return code == http.StatusServiceUnavailable && strings.Contains(text, report)
		})
		proxy.Clear()
		h.eventually("Stoker to be ready", func() bool { code, _ := ready(t, s.Addr()); return code == http.StatusOK })
	}
	h.watched(s)
	h.heals()
	h.watched(s)
	code, _ := ready(t, s.Addr())
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, 1, strings.Count(out.String(), report), "reported once:\n%s", out)
}

// A start that is refused while Stoker runs fails with an error about the proxy, not with the proxy's page.
func TestProxyRefusesAStart(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	proxy := dockertest.NewFaultProxy(t, h.Host)
	out := newRecord(t)
	s := startStokerWith(t, h.environ("DOCKER_HOST="+proxy.DockerHost(), "STOKER_RESYNC=5s"), out) // the first trial of the calls may meet the refusal, too, and the next comes with a list
	h.watched(s)
	proxy.Inject(dockertest.ProxyFault{Calls: "^POST ", Status: http.StatusForbidden, Page: true})
	h.crash()
	h.eventually("the refusal", func() bool { return strings.Contains(out.String(), "a call that Stoker needs is refused") })
	h.eventually("the heal to fail", func() bool { return strings.Contains(out.String(), "heal failed") })
	require.NotContains(t, out.String(), "<html>")
	code, text := ready(t, s.Addr())
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, text, "answers 403 to POST /containers/{id}/start")
	proxy.Clear()
	h.eventually("the worker to be back", func() bool { return h.State(h.w.Name).Status == worker.StatusRunning })
	h.eventually("Stoker to be ready", func() bool { code, _ := ready(t, s.Addr()); return code == http.StatusOK })
}
