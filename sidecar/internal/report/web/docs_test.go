package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/engine/journal"
	"stoker/sidecar/internal/engine/supervisor"
	"stoker/sidecar/internal/engine/watch"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/report/web"
	"stoker/sidecar/internal/test/dockertest"
)

var update = flag.Bool("update", false, "write the examples into docs/api.md; read the difference before it is kept")

const (
	docs   = "../../../../docs/api.md"
	secret = "correct-horse-battery-staple"
)

// apiServer is a fake engine with workers, and a Stoker that looks after them and serves its status.
type apiServer struct {
	dockertest.Host
	t   *testing.T
	log *history.Log
	sup *supervisor.Supervisor
	url string
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	h := &apiServer{Host: dockertest.FakeHost(t), t: t}
	h.create("burner", map[string]string{"stoker.backoff-initial": "1ms"})
	h.create("grinder", map[string]string{"stoker.on-exti": "never"})
	h.create("miller", nil)
	return h
}

// create makes and starts a worker through the engine's API, with an environment that must not be shown.
func (h *apiServer) create(name string, labels map[string]string) {
	h.t.Helper()
	all := map[string]string{dockertest.LabelEnable: "true", dockertest.LabelScope: h.Scope()}
	maps.Copy(all, labels)
	container := map[string]any{
		"Image": "worker:latest", "Labels": all, "Env": []string{"API_TOKEN=" + secret},
		"HostConfig": map[string]any{"NanoCpus": 500_000_000},
	}
	if name == "burner" { // the last health of one that is stopped or held is a matter of chance
		container["Healthcheck"] = map[string]any{"Test": []string{"CMD", "probe"}, "Interval": 100 * time.Millisecond, "Timeout": time.Second, "Retries": 3}
	}
	body, err := json.Marshal(container)
	require.NoError(h.t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(h.DockerHost(), "unix://"))
	}}}
	for _, path := range []string{"/containers/create?name=" + name, "/containers/" + name + "/start"} {
		resp, err := client.Post("http://docker/v1.41"+path, "application/json", bytes.NewReader(body))
		require.NoError(h.t, err)
		require.Less(h.t, resp.StatusCode, 300)
		require.NoError(h.t, resp.Body.Close())
	}
}

// serve starts a Stoker.
func (h *apiServer) serve() {
	h.t.Helper()
	c, problems := config.Load([]string{"STOKER_SCOPE=" + h.Scope()})
	require.Empty(h.t, problems)
	engine, err := docker.New(docker.Options{Host: h.DockerHost()})
	require.NoError(h.t, err)
	j, report := journal.Open(h.t.TempDir(), journal.Options{})
	require.True(h.t, report.Persistent)
	h.log = history.New(history.Options{Store: j})
	h.sup = supervisor.New(fleet.New(time.Now(), fleet.Settings{Rules: c.Rules, Parallel: c.Limits.Parallel}), engine, j, h.log)
	seen := make(chan worker.Observation)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = watch.New(engine, watch.Options{}).Run(ctx, seen) })
	running.Go(func() { h.sup.Run(ctx, seen) })
	server := httptest.NewServer(web.Handler(web.Options{
		Identity: web.Identity{Version: "1.4.0", Instance: "V4VPMBH5LRAWDSOZ3HCPMLH2XZ"},
		Fleet:    web.Fleet{View: h.sup.View, LastTick: h.sup.LastTick},
		History:  h.log, Hosts: neighbours,
	}))
	h.url = server.URL
	h.t.Cleanup(func() {
		server.Close()
		cancel()
		running.Wait()
		require.NoError(h.t, j.Close(context.Background()))
	})
}

// neighbours is a host that answered last a while ago.
func neighbours(context.Context) []peers.Host {
	at, used, throttled := time.Now(), 0.5, 0.5
	return []peers.Host{{Name: "beta", Address: "http://10.0.0.2:8080", State: peers.Silent, Error: "connection refused", Answered: &at, Report: peers.Report{
		At: &at, Version: "1.4.0", Connected: true, Engine: "28.5.2", Workers: []peers.Worker{{
			Key:       "sieve",
			State:     "unknown",
			Container: peers.Container{Status: "running", Health: "healthy", StartedAt: &at},
			CPU:       peers.CPU{CPUs: 0.5, Used: &used, Throttled: &throttled},
			Problems:  []peers.Problem{},
		}},
	}}}
}

func (h *apiServer) eventually(what string, ok func() bool) {
	h.t.Helper()
	require.Eventually(h.t, ok, 20*time.Second, 5*time.Millisecond, what)
}

func (h *apiServer) is(key worker.Key, state fleet.State) func() bool {
	return func() bool {
		for _, w := range h.sup.View().Workers {
			if w.Key == key {
				return w.State == state
			}
		}
		return false
	}
}

func (h *apiServer) recorded(key worker.Key, kind worker.EventKind) func() bool {
	return func() bool {
		return len(h.log.Page(history.Query{Worker: key, Kinds: []worker.EventKind{kind}})) > 0
	}
}

// live has something of everything happen.
func (h *apiServer) live() {
	h.eventually("the workers", func() bool {
		return h.is("burner", fleet.StateRunning)() && h.is("miller", fleet.StateRunning)() && h.is("grinder", fleet.StateHeld)()
	})
	h.Crash("burner", syscall.SIGKILL)
	h.eventually("the heal", h.recorded("burner", worker.EventHealed))
	h.Operate(dockertest.OpStop, "miller")
	h.eventually("the operator's stop", h.recorded("miller", worker.EventHeld))
	h.eventually("the picture of all that", func() bool {
		return h.is("burner", fleet.StateRunning)() && h.is("miller", fleet.StateHeld)()
	})
}

// get is the text of an answer. A stream is read up to its second event.
func (h *apiServer) get(path string) (code int, text string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url+path, nil)
	require.NoError(h.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(h.t, err)
	defer resp.Body.Close()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		body, err := io.ReadAll(resp.Body)
		require.NoError(h.t, err)
		return resp.StatusCode, string(body)
	}
	lines := bufio.NewReader(resp.Body)
	for events := 0; events < 3; { // retry is the first
		line, err := lines.ReadString('\n')
		require.NoError(h.t, err)
		text += line
		if line == "\n" {
			events++
		}
	}
	return resp.StatusCode, text
}

// The documentation shows what a Stoker answers.
func TestExamples(t *testing.T) {
	h := newAPIServer(t)
	h.serve()
	h.live()
	fault := h.log.Page(history.Query{Worker: "burner", Kinds: []worker.EventKind{worker.EventFault}})[0].ID
	raw, err := os.ReadFile(docs)
	require.NoError(t, err)
	places := regexp.MustCompile(`(?s)<!-- example: GET (\S+) -->\n(.*?)<!-- /example -->`)
	require.Len(t, places.FindAllSubmatch(raw, -1), 9)
	examples := map[string]string{}
	for _, place := range places.FindAllSubmatch(raw, -1) {
		path := string(place[1])
		examples[path] = h.example(path, fault)
		if !*update {
			require.Equal(t, examples[path], string(place[2]), "%s: run the test with -update", path)
		}
	}
	documented(t, string(raw), examples)
	if *update {
		written := places.ReplaceAllFunc(raw, func(place []byte) []byte {
			path := string(places.FindSubmatch(place)[1])
			return fmt.Appendf(nil, "<!-- example: GET %s -->\n%s<!-- /example -->", path, examples[path])
		})
		require.NoError(t, os.WriteFile(docs, written, 0o600))
	}
}

// example is the answer as the documentation has it. The ID in a path stands for the last one before something happened.
func (h *apiServer) example(path string, fault uint64) string {
	h.t.Helper()
	after := "after=" + strconv.FormatUint(fault, 10)
	asked := regexp.MustCompile(`after=\d+`).ReplaceAllString(path, after)
	if asked != path {
		require.Contains(h.t, path, h.steady(after), "the ID of the fault")
	}
	code, text := h.get(asked)
	require.NotContains(h.t, text, secret)
	kind, head := "json", ""
	if strings.HasPrefix(text, "retry:") {
		kind = "text"
	}
	if code != http.StatusOK {
		head = fmt.Sprintf("Status %d:\n\n", code)
	}
	return head + "```" + kind + "\n" + strings.TrimRight(h.steady(text), "\n") + "\n```\n"
}

// steady replaces what is another one each time. An event's ID becomes its place in the history.
func (h *apiServer) steady(text string) string {
	var known []uint64
	for _, e := range h.log.Page(history.Query{Limit: 1000}) {
		known = append(known, e.ID)
	}
	slices.Sort(known)
	for n, id := range known {
		text = strings.ReplaceAll(text, strconv.FormatUint(id, 10), strconv.Itoa(1772366400001+n))
	}
	for pattern, constant := range map[string]string{
		`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`:                    `"2026-03-01T12:00:00Z"`,
		`"[0-9a-f]{64}"`:                                 `"` + strings.Repeat("4f1c0d9a", 8) + `"`,
		`("duration_seconds": ?)[0-9.e-]*[1-9][0-9.e-]*`: `${1}0.25`,
		`("clock_skew_seconds": ?)-?[0-9.e-]+`:           `${1}0`,
		`("(?:used_cpus|throttled_share)": ?)[0-9.e-]+`:  `${1}0.5`,
		`("heal_id": ?)[1-9]\d*`:                         `${1}4500446969583653`,
		`("booted_at": ?)(?:null|"[^"]*")`:               `${1}"2026-03-01T12:00:00Z"`,
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, constant)
	}
	return text
}

// documented checks that every field of the examples and every kind of event is explained.
func documented(t *testing.T, page string, examples map[string]string) {
	t.Helper()
	prose := regexp.MustCompile("(?s)<!-- example:.*?<!-- /example -->").ReplaceAllString(page, "")
	for path, example := range examples {
		for _, field := range regexp.MustCompile(`"([a-z_]+)": ?`).FindAllStringSubmatch(example, -1) {
			require.Contains(t, prose, "`"+field[1]+"`", "a field of %s", path)
		}
	}
	for _, kind := range worker.EventKinds() {
		require.Contains(t, prose, "| `"+string(kind)+"` |")
	}
	for _, state := range []fleet.State{
		fleet.StateUnknown, fleet.StateRunning, fleet.StateStarting, fleet.StateUnhealthy, fleet.StateHealing, fleet.StateWaiting, fleet.StateHeld, fleet.StateExhausted,
		fleet.StateAsleep, fleet.StateWaking, fleet.StateRetiring,
	} {
		require.Contains(t, prose, "`"+string(state)+"`")
	}
}
