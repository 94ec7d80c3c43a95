package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

func TestEvidence(t *testing.T) {
	code := 2
	log := history.New(history.Options{})
	key := worker.Key(`a/b <script>`)
	log.Record([]worker.Event{
		{At: time.Now(), Kind: worker.EventFault, Key: key, HealDetails: worker.HealDetails{HealID: 7, Fault: worker.FaultUnhealthy, Heal: worker.HealRestart, Attempt: 1}, Reason: worker.ReasonHung},
		{At: time.Now(), Kind: worker.EventEvidence, Key: key, ID: "abc", HealDetails: worker.HealDetails{HealID: 7}, Evidence: &worker.HealEvidence{Logs: "</script>\x00", ExitCode: &code}},
	})
	o := options()
	o.History = log
	w := ask(t, Handler(o), http.MethodGet, "/api/v1/workers/"+url.PathEscape(string(key))+"/evidence")
	require.Equal(t, http.StatusOK, w.Code)
	require.NotContains(t, w.Body.String(), "<script>")
	var got struct {
		Worker string
		Heals  []map[string]any
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, string(key), got.Worker)
	require.NotEmpty(t, got.Heals[0]["at"])
	delete(got.Heals[0], "at")
	require.Equal(t, map[string]any{
		"heal_id": 7.0, "container": "abc", "fault": "unhealthy", "reason": "hung", "heal": "restart", "attempt": 1.0, "exit_code": 2.0, "logs": "</script>\x00",
	}, got.Heals[0])
	w = ask(t, Handler(o), http.MethodGet, "/api/v1/history")
	require.NotContains(t, w.Body.String(), "logs")

	w = ask(t, Handler(o), http.MethodGet, "/api/v1/workers/nobody/evidence")
	require.JSONEq(t, `{"worker":"nobody","heals":[]}`, w.Body.String())
	require.Equal(t, http.StatusMethodNotAllowed, ask(t, Handler(o), http.MethodPost, "/api/v1/workers/nobody/evidence").Code)
}
