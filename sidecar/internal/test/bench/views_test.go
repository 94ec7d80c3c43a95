package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/metrics"
	"stoker/sidecar/internal/report/page"
	"stoker/sidecar/internal/report/web"
)

// viewOf returns a view of n running workers.
func viewOf(n int) fleet.View {
	now := time.Now()
	v := fleet.View{At: now, Engine: fleet.EngineLink{Connected: true, Since: now.Add(-time.Hour), Synced: now, Engine: worker.Engine{Now: now, CPUs: 64}}}
	for i := range n {
		v.Workers = append(v.Workers, fleet.WorkerView{
			Key: worker.Key(fmt.Sprintf("worker-%05d", i)),
			ID:  fmt.Sprintf("%064d", i),
			ContainerView: fleet.ContainerView{
				StartedAt: now.Add(-time.Hour),
				Status:    worker.StatusRunning,
				Health:    worker.HealthHealthy,
				CPUs:      0.5,
				Share:     worker.Share{At: now, CPUs: 0.4, Throttled: 0.1},
			},
			HealView: fleet.HealView{State: fleet.StateRunning, Expected: true},
		})
	}
	return v
}

// handlers returns the handlers of the page, of a scrape and of the API, each for a fixed view.
func handlers(v fleet.View) map[string]http.Handler {
	view := func() fleet.View { return v }
	pages := page.New(page.Options{View: view, Events: func(uint64) []history.Entry { return nil }, Version: "bench", Now: time.Now})
	api := web.Handler(web.Options{Fleet: web.Fleet{View: view, LastTick: time.Now}, Identity: web.Identity{Version: "bench"}})
	return map[string]http.Handler{
		"page":    pages,
		"scrape":  metrics.New(metrics.Options{View: view}).Handler(),
		"workers": api,
	}
}

func request(b *testing.B, kind string) *http.Request {
	b.Helper()
	path := map[string]string{"page": "/", "scrape": "/metrics", "workers": "/api/v1/workers"}[kind]
	return httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, http.NoBody)
}

// BenchmarkView measures one request for all workers, without history. The recorder keeps the whole answer in memory.
func BenchmarkView(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		v := viewOf(n)
		for _, kind := range []string{"page", "scrape", "workers"} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				handler := handlers(v)[kind]
				size := 0
				b.ReportAllocs()
				for b.Loop() {
					answer := httptest.NewRecorder()
					handler.ServeHTTP(answer, request(b, kind))
					require.Equal(b, http.StatusOK, answer.Code)
					size = answer.Body.Len()
				}
				b.ReportMetric(float64(size)/(1<<20), "MiB/answer")
			})
		}
	}
}
