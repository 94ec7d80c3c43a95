package page

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// What a worker has printed is shown as text, on its own page only.
func TestEvidenceOnThePageOfAWorker(t *testing.T) {
	w := &world{view: fleet.View{Workers: []fleet.WorkerView{{Key: "w"}, {Key: "other"}}}}
	o := w.options()
	o.Evidence = func(key worker.Key) []history.Heal {
		if key != "w" {
			return nil
		}
		return []history.Heal{{
			HealID: 7, At: time.Now().Add(-time.Minute), Heal: worker.HealRestart, Fault: worker.FaultUnhealthy, Reason: worker.ReasonHung,
			Evidence: worker.HealEvidence{Logs: "goroutine 1 [select]:\n" + hostile},
		}}
	}
	get := func(path string) string {
		r := httptest.NewRecorder()
		New(o).ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, r.Code)
		return r.Body.String()
	}
	page := get("/?worker=w")
	require.Contains(t, page, "Evidence of the last heals")
	require.Contains(t, page, "restart, unhealthy, hung")
	require.Contains(t, page, "goroutine 1 [select]:")
	require.NotContains(t, page, "<img src=x")
	require.NotContains(t, page, "\u202e")
	require.NotContains(t, get("/?worker=other"), "Evidence of the last heals")
	require.NotContains(t, get("/"), "goroutine 1")
}
