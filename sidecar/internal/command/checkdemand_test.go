package command

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// pooled is a worker of the group shop, which has a source.
func pooled(name string, change ...func(*worker.Snapshot)) worker.Snapshot {
	return container(name, append([]func(*worker.Snapshot){with("stoker.group", "shop"), with("stoker.demand", "amqp://user:secret@rabbit/?queue=tasks")}, change...)...)
}

func TestCheckAsksTheSources(t *testing.T) {
	asked := 0
	env := checkEnv(&fakeEngine{containers: []worker.Snapshot{
		pooled("a"), pooled("b"), pooled("c", with("stoker.demand-target", "5")), container("alone"),
	}}, "STOKER_CPU_BUDGET=0.75")
	env.AskSource = func(context.Context, demand.Source) (demand.Reading, error) {
		asked++
		return demand.Reading{Waiting: 12, InHand: demand.InHand{Kind: demand.InHandCounted, Total: 3}}, nil
	}
	got := play(t, env, "check", "--json")
	require.Equal(t, 1, got.code, "one of the three contradicts the others")
	require.Equal(t, 1, asked)
	require.NotContains(t, got.out, "secret")
	var all report
	require.NoError(t, json.Unmarshal([]byte(got.out), &all))
	require.Len(t, all.Groups, 1)
	g := all.Groups[0]
	require.Equal(t, []any{"shop", 2, 1.0}, []any{g.Group, g.Workers, g.CPUs})
	require.Len(t, g.Problems, 1)
	require.Contains(t, g.Problems[0], "c differ")
	require.Len(t, g.Advice, 1)
	require.Contains(t, g.Advice[0], "STOKER_CPU_BUDGET is 0.75")
	require.InDelta(t, 12, g.Sources[0].Waiting, 0)
	require.InDelta(t, 3, *g.Sources[0].InHand, 0)

	text := play(t, env, "check").out
	require.Regexp(t, `shop +2 +amqp://\S+queue=tasks +12 +3`, text)
	require.Contains(t, text, "1 problem: shop")
}

func TestCheckWithASourceThatFails(t *testing.T) {
	env := checkEnv(&fakeEngine{containers: []worker.Snapshot{pooled("a"), pooled("b", func(s *worker.Snapshot) { s.AutoRemove = true })}})
	env.AskSource = func(context.Context, demand.Source) (demand.Reading, error) {
		return demand.Reading{}, errors.New("the queue \"tasks\" does not exist")
	}
	got := play(t, env, "check")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.out, "does not exist")
	require.Contains(t, got.out, "never put to sleep")
}

func TestStatusOfGroups(t *testing.T) {
	view := fleetView{At: noon, Workers: []workerRow{{Key: "w", State: "asleep"}}, Groups: []groupRow{
		{
			Name: "shop/worker", Work: 12.5, countRow: countRow{Wanted: 4, Running: 0, Asleep: 4, Limit: "cpu-budget"},
			Sources: []sourceRow{{Name: "amqp://rabbit", State: "lost", Error: "refused"}},
		},
		{Name: "night", countRow: countRow{Limit: "none"}, hoursRow: hoursRow{Hours: "22:00-06:00", Changes: noon.Add(10 * 3600e9)}},
	}}
	text := Env{}.statusText(view, noon)
	require.Regexp(t, `shop/worker +12\.5 +4 +0 +4 +source lost, limited by cpu-budget`, text)
	require.Regexp(t, `night +- +0 +0 +0 +outside hours, which begin in 10h`, text)
	require.Contains(t, text, "shop/worker: amqp://rabbit: refused")
}
