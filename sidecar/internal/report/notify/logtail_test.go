package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func tailed(name, logs string) worker.Event {
	return worker.Event{Kind: worker.EventEvidence, Key: worker.Key(name), Evidence: &worker.HealEvidence{Logs: logs, Processes: "PID"}}
}

// The lines are read when the worker is down, so that they come a moment after the event.
func TestLogTail(t *testing.T) {
	t.Parallel()
	b := bookOf(t)
	other := gaveUp("other")
	sent := replay(newCollector(b), map[int][]worker.Event{
		10: {gaveUp("web"), other}, 11: {tailed("web", "first\nlast @everyone\x1b[2J")},
		1000: {{Kind: worker.EventRefused, Key: "web", HealDetails: worker.HealDetails{Fault: worker.FaultIdle}}}, // long after
	})
	require.Len(t, sent, 2)
	m := renderer{b, func() string { return "" }}.message(sent[12], 0)
	require.Contains(t, m.Text, "- web: unhealthy, probe-failed, attempt 3; last log lines: first last @\u200beveryone")
	require.NotContains(t, m.Text, "\x1b")
	require.Contains(t, m.Text, "- other: unhealthy, probe-failed, attempt 3", "of that none are known")
	require.Equal(t, 1, strings.Count(m.Text, "last log lines"))
	var got struct {
		Events []struct {
			Worker  string
			LogTail string `json:"log_tail"`
		}
	}
	require.NoError(t, json.Unmarshal(m.JSON, &got))
	require.Contains(t, got.Events[0].LogTail, "first\nlast")
	require.Empty(t, got.Events[1].LogTail)
	for at, d := range sent {
		if at > 900 {
			require.Empty(t, d.Items[0].LogTail, "old lines are about another end")
		}
	}
}

// Evidence alone is no message, whatever is wanted, and without log lines nothing of it is kept.
func TestEvidenceIsNoMessage(t *testing.T) {
	t.Parallel()
	require.Empty(t, replay(newCollector(bookOf(t, "all")), map[int][]worker.Event{10: {tailed("web", "x"), tailed("web", "")}}))
	_, ok := tailOf(worker.Event{Kind: worker.EventEvidence, Key: "w", Evidence: &worker.HealEvidence{Processes: "PID"}})
	require.False(t, ok)
	_, ok = tailOf(worker.Event{Kind: worker.EventFault, Key: "w"})
	require.False(t, ok)
	e, ok := tailOf(tailed("w", strings.Repeat("x\n", 5000)))
	require.True(t, ok)
	require.LessOrEqual(t, len(e.Evidence.Logs), maxTail)
	require.Empty(t, e.Evidence.Processes)
}

func TestTailsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCollector(bookOf(t))
	for n := range 3 * maxTails {
		c.add(start(), tailed(fmt.Sprint(n), "x"))
	}
	require.Len(t, c.tails, maxTails)
	c.add(start(), tailed("1", "y"))
	require.Equal(t, "y", c.tails["1"].lines, "one that is known")
	c.add(start().Add(2*tailAge), tailed("new", "z"))
	require.Len(t, c.tails, 1, "old ones make room")
	require.LessOrEqual(t, len([]rune(tailInMessage(strings.Repeat("long ", 5000)))), maxTailShown)
	require.Equal(t, "x", lastBytes("x", time.Now().Nanosecond()+1))
}
