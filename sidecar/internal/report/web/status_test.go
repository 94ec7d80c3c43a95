package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("east", 3600))

func picture() fleet.View {
	return fleet.View{
		At:     noon,
		Engine: fleet.EngineLink{Connected: true, Since: noon, Synced: noon, Engine: worker.Engine{Version: "20.10.24", APIVersion: "1.41", CPUs: 2}},
		Workers: []fleet.WorkerView{
			{Recycle: worker.RecycleView{Fault: worker.FaultOld, Stage: worker.RecycleWaitsForIdle, Since: noon.Add(-time.Minute)}, Key: "burner", ID: "abc", ContainerView: fleet.ContainerView{StartedAt: noon.Add(-time.Hour), Status: worker.StatusExited, Health: worker.HealthNone, CPUs: 0.5, Boosted: true, Share: worker.Share{At: noon.Add(-time.Second), CPUs: 0.25, Throttled: 0.9}}, HealView: fleet.HealView{State: fleet.StateWaiting, Expected: true, Attempts: 2, Heal: worker.HealStart, Fault: worker.FaultExited, Reason: worker.ReasonCrashed, NextAt: noon.Add(1500 * time.Millisecond)}, Scope: "blue"},
			{Key: "odd", Probe: worker.ProbeView{
				Target: policy.ProbeTarget{Kind: policy.ProbeHTTP, Port: "8000", Path: "/health", Password: "secret"}, Status: worker.HealthUnhealthy,
				Since: noon, Address: "172.17.0.2:8000", Detail: "answered 500",
			}, HealView: fleet.HealView{State: fleet.StateHeld, Held: worker.HeldBadLabels}, Problems: []policy.Problem{
				{Label: "stoker.on-exti", Value: "<script>\x00\xff\u2028", Message: "unknown", Nearest: "stoker.on-exit"},
				{Label: "stoker.cpus", Value: strings.Repeat("é", 1000), Message: "not a number"},
			}},
		},
	}
}

func options() Options {
	log := history.New(history.Options{})
	log.Record([]worker.Event{{At: time.Now(), Kind: worker.EventHealed, Key: "burner"}})
	return Options{Fleet: Fleet{View: picture, LastTick: time.Now}, Identity: Identity{Version: "1.2.3", Commit: "abcdef"}, History: log}
}

func ask(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

// Where the periods of a quota are not counted, the share is null and not 0.
func TestThrottlingThatIsNotMeasured(t *testing.T) {
	o := options()
	o.View = func() fleet.View {
		v := picture()
		v.Workers[0].Share = worker.Share{At: noon, CPUs: 0.25, ThrottlingUnknown: true}
		return v
	}
	var got struct{ Workers []map[string]any }
	require.NoError(t, json.Unmarshal(ask(t, Handler(o), http.MethodGet, "/api/v1/workers").Body.Bytes(), &got))
	require.Contains(t, got.Workers[0], "throttled_share")
	require.Nil(t, got.Workers[0]["throttled_share"])
	require.InDelta(t, 0.25, got.Workers[0]["used_cpus"], 0)
}

func TestWorkers(t *testing.T) {
	w := ask(t, Handler(options()), http.MethodGet, "/api/v1/workers")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
	require.NotContains(t, w.Body.String(), "<script>")
	var got struct {
		At             string
		HostOverloaded *bool `json:"host_overloaded"`
		Engine         map[string]any
		Workers        []map[string]any
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, "2026-03-01T11:00:00Z", got.At)
	require.NotNil(t, got.HostOverloaded)
	require.Equal(t, map[string]any{
		"connected": true, "problem": "", "since": "2026-03-01T11:00:00Z", "synced": "2026-03-01T11:00:00Z", "booted_at": nil,
		"version": "20.10.24", "api_version": "1.41", "cpus": 2.0, "clock_skew_seconds": 0.0,
	}, got.Engine)
	require.Equal(t, map[string]any{
		"key": "burner", "id": "abc", "state": "waiting", "status": "exited", "health": "none",
		"started_at": "2026-03-01T10:00:00Z", "expected": true, "held": "", "fault": "exited", "reason": "crashed",
		"heal": "start", "attempts": 2.0, "next_at": "2026-03-01T11:00:01.5Z", "next_in_seconds": 1.5, "cpus": 0.5,
		"boosted": true, "used_cpus": 0.25, "throttled_share": 0.9, "measured_at": "2026-03-01T10:59:59Z",
		"scope": "blue", "service": "", "slot": "", "group": "", "lost_networks": []any{}, "pause": nil, "probe": nil, "problems": []any{},
		"recycle": map[string]any{"fault": "old", "stage": "waits-for-idle", "since": "2026-03-01T10:59:00Z", "next_at": nil},
	}, got.Workers[0])
	require.Equal(t, map[string]any{
		"target": "http://***@:8000/health", "status": "unhealthy", "since": "2026-03-01T11:00:00Z", "address": "172.17.0.2:8000", "detail": "answered 500",
	}, got.Workers[1]["probe"])
	for _, name := range []string{"used_cpus", "throttled_share", "measured_at"} {
		require.Contains(t, got.Workers[1], name)
		require.Nil(t, got.Workers[1][name], "never measured")
	}
	problems := got.Workers[1]["problems"].([]any)
	require.Equal(t, map[string]any{
		"label": "stoker.on-exti", "value": "<script>\x00\uFFFD\u2028", "message": "unknown", "nearest": "stoker.on-exit",
	}, problems[0])
	long := problems[1].(map[string]any)["value"].(string)
	require.Equal(t, strings.Repeat("é", 248)+"…", long)
}

func TestNoWorkersIsAnEmptyList(t *testing.T) {
	opts := options()
	opts.View = func() fleet.View { return fleet.View{At: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)} }
	w := ask(t, Handler(opts), http.MethodGet, "/api/v1/workers")
	require.Equal(t, http.StatusOK, w.Code)
	var got map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, []any{}, got["workers"])
	require.Nil(t, got["at"], "a year that cannot be written")
}

func TestPaths(t *testing.T) {
	tests := map[string]struct {
		method, path string
		code         int
		holds        string
	}{
		"one worker":         {http.MethodGet, "/api/v1/workers/burner", 200, `"key": "burner"`},
		"escaped key":        {http.MethodGet, "/api/v1/workers/b%75rner", 200, `"key": "burner"`},
		"its events":         {http.MethodGet, "/api/v1/workers/burner", 200, `"kind": "healed"`},
		"no such worker":     {http.MethodGet, "/api/v1/workers/nobody", 404, `"error": "no such worker"`},
		"a hostile key":      {http.MethodGet, "/api/v1/workers/%3Cscript%3E%00%ff", 404, `no such worker`},
		"key with a slash":   {http.MethodGet, "/api/v1/workers/a%2Fb", 404, `no such worker`},
		"index":              {http.MethodGet, "/", 200, "/api/v1/workers"},
		"version in index":   {http.MethodGet, "/", 200, "1.2.3 (abcdef)"},
		"unknown path":       {http.MethodGet, "/admin", 404, `"error": "not found"`},
		"unknown api path":   {http.MethodGet, "/api/v2/workers", 404, `"error": "not found"`},
		"history":            {http.MethodGet, "/api/v1/history", 200, `"kind": "healed"`},
		"bad query":          {http.MethodGet, "/api/v1/history?limit=501", 400, `"error": "limit`},
		"bad id":             {http.MethodGet, "/api/v1/events?after=x", 400, `"error": "after`},
		"events, head":       {http.MethodHead, "/api/v1/events", 200, ""},
		"no metrics":         {http.MethodGet, "/metrics", 404, `"error": "not found"`},
		"post to events":     {http.MethodPost, "/api/v1/events", 405, `"error": "read-only`},
		"head":               {http.MethodHead, "/api/v1/workers", 200, ""},
		"post":               {http.MethodPost, "/api/v1/workers", 405, "read-only"},
		"delete":             {http.MethodDelete, "/api/v1/workers/burner", 405, "read-only"},
		"options":            {http.MethodOptions, "/", 405, "read-only"},
		"post to nothing":    {http.MethodPost, "/admin", 405, "read-only"},
		"a method of no one": {"BREW", "/healthz", 405, "read-only"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := ask(t, Handler(options()), tt.method, tt.path)
			require.Equal(t, tt.code, w.Code)
			require.Contains(t, w.Body.String(), tt.holds)
			h := w.Header()
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
			require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
			require.Equal(t, "no-store", h.Get("Cache-Control"))
			require.Empty(t, h.Get("Server"))
			if tt.code == http.StatusMethodNotAllowed {
				require.Equal(t, "GET, HEAD", h.Get("Allow"))
			}
		})
	}
}

// What else is to be served is, with the headers of the rest; what is not there is not found.
func TestMounts(t *testing.T) {
	saying := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
			_, _ = w.Write([]byte(text + " " + r.URL.Path))
		})
	}
	opts := options()
	opts.Metrics, opts.Page, opts.History = saying("metrics"), saying("page"), nil
	h := Handler(opts)
	for path, want := range map[string]string{
		"/": "page /", "/style.css": "page /style.css", "/workers/x": "page /workers/x", "/metrics": "metrics /metrics",
		"/api/v1/history": `"error": "not found"`, "/api/v1/events": `"error": "not found"`, "/api/": `"error": "not found"`,
		"/api/v1/workers/burner": `"events": []`,
	} {
		w := ask(t, h, http.MethodGet, path)
		require.Contains(t, w.Body.String(), want, path)
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		if !strings.HasPrefix(path, "/api") {
			require.Equal(t, "default-src 'self'", w.Header().Get("Content-Security-Policy"))
		}
	}
	require.Equal(t, http.StatusMethodNotAllowed, ask(t, h, http.MethodPost, "/").Code)
}

func TestHealth(t *testing.T) {
	// All times are before now; zero is never.
	up, down := func(since, synced time.Time) fleet.EngineLink {
		return fleet.EngineLink{Connected: true, Since: since, Synced: synced}
	},
		func(since, synced time.Time) fleet.EngineLink { return fleet.EngineLink{Since: since, Synced: synced} }
	tests := map[string]struct {
		running time.Duration // since the start of Stoker
		beat    time.Duration // -1 is never
		link    func(now time.Time) fleet.EngineLink
		health  string
		ready   bool
	}{
		"all well":                           {time.Hour, time.Second, func(now time.Time) fleet.EngineLink { return up(now.Add(-time.Minute), now) }, "ok", true},
		"just started":                       {0, -1, func(time.Time) fleet.EngineLink { return down(time.Time{}, time.Time{}) }, "ok", false},
		"connected, not synced":              {2 * time.Second, 0, func(now time.Time) fleet.EngineLink { return down(now, time.Time{}) }, "ok", false},
		"loop never turned":                  {31 * time.Second, -1, func(time.Time) fleet.EngineLink { return down(time.Time{}, time.Time{}) }, "stuck", false},
		"loop about to be frozen":            {time.Hour, 30 * time.Second, func(now time.Time) fleet.EngineLink { return up(now.Add(-time.Hour), now) }, "ok", true},
		"loop stuck, engine looks connected": {time.Hour, 31 * time.Second, func(now time.Time) fleet.EngineLink { return up(now.Add(-time.Hour), now) }, "stuck", true},
		"engine restarting":                  {time.Hour, 0, func(now time.Time) fleet.EngineLink { return down(now.Add(-time.Minute), now.Add(-time.Minute)) }, "ok", false},
		"disconnected":                       {time.Hour, 0, func(now time.Time) fleet.EngineLink { return down(now.Add(-61*time.Second), now.Add(-2*time.Minute)) }, "disconnected", false},
		"never connected":                    {61 * time.Second, 0, func(time.Time) fleet.EngineLink { return down(time.Time{}, time.Time{}) }, "disconnected", false},
		"stuck and disconnected":             {time.Hour, time.Minute, func(now time.Time) fleet.EngineLink { return down(now.Add(-time.Hour), now) }, "stuck", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := options()
				opts.View = func() fleet.View { return fleet.View{Engine: tt.link(time.Now())} }
				opts.LastTick = func() time.Time {
					if tt.beat < 0 {
						return time.Unix(0, 0)
					}
					return time.Now().Add(-tt.beat)
				}
				h := Handler(opts)
				time.Sleep(tt.running)
				requireHealth(t, ask(t, h, http.MethodGet, "/healthz"), tt.health == "ok", tt.health)
				status := "not-ready"
				if tt.ready {
					status = "ready"
				}
				requireHealth(t, ask(t, h, http.MethodGet, "/readyz"), tt.ready, status)
			})
		})
	}
}

func requireHealth(t *testing.T, w *httptest.ResponseRecorder, good bool, status string) {
	t.Helper()
	var got healthJSON
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, status, got.Status)
	require.Equal(t, good, w.Code == http.StatusOK)
	require.Equal(t, !good, w.Code == http.StatusServiceUnavailable)
	require.Equal(t, !good, got.Detail != "")
}

// TestWhoLooks: CPU use is measured while there are viewers of the workers; a health check is none.
func TestWhoLooks(t *testing.T) {
	looks := 0
	opts := options()
	opts.Display = func() fleet.View { looks++; return picture() }
	h := Handler(opts)
	for path, want := range map[string]int{
		"/healthz": 0, "/readyz": 0, "/api/v1/history": 0, "/": 0, "/nothing": 0,
		"/api/v1/workers": 1, "/api/v1/workers/burner": 1,
	} {
		looks = 0
		ask(t, h, http.MethodGet, path)
		require.Equal(t, want, looks, path)
	}
}
