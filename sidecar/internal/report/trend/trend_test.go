package trend_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/trend"
)

var noon = time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC)

func view(at time.Time, work float64, running int) fleet.View {
	return fleet.View{At: at, Groups: []fleet.GroupView{{Name: "g", Work: work, GroupCounts: fleet.GroupCounts{Running: running}}}}
}

func TestTrend(t *testing.T) {
	tr := trend.New()
	require.Empty(t, tr.Of("g"))
	tr.Add(view(noon, 3, 1))
	tr.Add(view(noon.Add(14*time.Minute), 9, 0))
	tr.Add(view(noon.Add(16*time.Minute), 0, 2))
	tr.Add(view(noon.Add(5*time.Minute), 1, 1)) // the clock stepped back
	require.Equal(t, []trend.Point{{At: noon, Work: 9, Running: 1}, {At: noon.Add(15 * time.Minute), Work: 1, Running: 2}}, tr.Of("g"))
	for n := range 200 {
		tr.Add(view(noon.Add(time.Duration(n)*trend.Width), 1, 1))
	}
	require.LessOrEqual(t, len(tr.Of("g")), trend.Points+1)
	tr.Add(fleet.View{At: noon.Add(100 * 24 * time.Hour)})
	require.Empty(t, tr.Of("g"))
}

func TestManyGroups(t *testing.T) {
	tr := trend.New()
	v := fleet.View{At: noon}
	for n := range 500 {
		v.Groups = append(v.Groups, fleet.GroupView{Name: fmt.Sprint(n)})
	}
	tr.Add(v)
	kept := 0
	for _, g := range v.Groups {
		kept += len(tr.Of(g.Name))
	}
	require.Equal(t, 100, kept)
}
