package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
)

func TestGroups(t *testing.T) {
	opts := options()
	opts.View = func() fleet.View {
		v := picture()
		v.Groups = []fleet.GroupView{
			{
				Name: "render/worker", Work: 12, GroupCounts: fleet.GroupCounts{Wanted: 4, Running: 3, Asleep: 1, Workers: 5, Min: 1, Max: 4}, Limit: demand.LimitBudget,
				Hours: fleet.HoursView{Text: "Mon-Fri 08:00-19:00", Open: true, ChangesAt: noon.Add(time.Hour)}, AwakeUntil: noon.Add(time.Minute),
				Sources: []fleet.SourceView{
					{Name: "amqp://***@rabbit:5672/%2f?queue=tasks", State: demand.SourceAnswered, Since: noon, Waiting: 9, InHand: 3, InHandKnown: true},
					{Name: "redis://r:6379/0?list=l", State: demand.SourceLost, Since: noon, Err: errors.New("refused").Error()},
				},
			},
			{Name: "all", GroupCounts: fleet.GroupCounts{Max: demand.All}, Service: &fleet.ServiceView{State: "refused", Replicas: 2, Problem: "no"}},
		}
		v.Swarm.Role = "leader"
		return v
	}
	w := ask(t, Handler(opts), http.MethodGet, "/api/v1/groups")
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"at": "2026-03-01T11:00:00Z", "swarm": {"role": "leader", "problem": ""}, "groups": [
		{"name": "render/worker", "work": 12, "wanted": 4, "running": 3, "asleep": 1, "workers": 5, "min_replicas": 1, "max_replicas": 4, "limit": "cpu-budget",
		 "hours": "Mon-Fri 08:00-19:00", "open": true, "open_changes_at": "2026-03-01T12:00:00Z", "awake_until": "2026-03-01T11:01:00Z", "service": null, "sources": [
			{"name": "amqp://***@rabbit:5672/%2f?queue=tasks", "state": "answered", "since": "2026-03-01T11:00:00Z", "waiting": 9, "in_hand": 3, "error": ""},
			{"name": "redis://r:6379/0?list=l", "state": "lost", "since": "2026-03-01T11:00:00Z", "waiting": 0, "in_hand": null, "error": "refused"}]},
		{"name": "all", "work": 0, "wanted": 0, "running": 0, "asleep": 0, "workers": 0, "min_replicas": 0, "max_replicas": null, "limit": "none",
		 "hours": "", "open": false, "open_changes_at": null, "awake_until": null, "service": {"state": "refused", "replicas": 2, "problem": "no"}, "sources": []}]}`, w.Body.String())

	var all struct{ Groups []json.RawMessage }
	require.NoError(t, json.Unmarshal(ask(t, Handler(opts), http.MethodGet, "/api/v1/workers").Body.Bytes(), &all))
	require.Len(t, all.Groups, 2)
}
