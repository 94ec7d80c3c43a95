package page

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/trend"
)

func TestGroupsOnThePage(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 7, 0, 0, time.UTC)
	w := demo(now)
	require.NotContains(t, get(t, New(w.options()), "/").Body.String(), "On demand")

	w.view.Groups = []fleet.GroupView{{
		Name: "shop/<worker>", Work: 12, GroupCounts: fleet.GroupCounts{Wanted: 4, Running: 0, Asleep: 4},
		Limit: demand.LimitBudget, Hours: fleet.HoursView{Text: "x", Open: true, ChangesAt: now.Add(time.Hour)},
		Sources: []fleet.SourceView{{Name: "amqp://***@rabbit", State: demand.SourceLost, Err: "<refused>"}},
	}}
	opts := w.options()
	opts.Now = func() time.Time { return now }
	opts.Trend = func(string) []trend.Point {
		at := now.Truncate(trend.Width)
		return []trend.Point{{At: at.Add(-48 * time.Hour), Work: 1, Running: 1}, {At: at.Add(-trend.Width), Work: 24, Running: 4}, {At: at, Work: 12}}
	}
	for _, path := range []string{"/", "/?fragment=workers"} {
		text := get(t, New(opts), path).Body.String()
		require.Contains(t, text, "On demand")
		require.Contains(t, text, "shop/&lt;worker&gt;")
		require.Contains(t, text, "limited by cpu-budget")
		require.Contains(t, text, "within hours, which end in 1 h")
		require.Contains(t, text, "amqp://***@rabbit: &lt;refused&gt;")
		require.Contains(t, text, `<span class="badge bad">0</span>`, "work waits, and none runs")
		require.Contains(t, text, `<path class="ran" d="M94 0h1v20h-1z"/>`)
		require.Contains(t, text, `<path class="todo" d="M94 1.0h1M95 10.0h1"/>`)
		require.Contains(t, text, "in the last day at most 24 items to do and 4 workers")
	}
}
