package command

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func TestEvidence(t *testing.T) {
	r := run(t)
	got := play(t, Env{}, "history", "burner", "--evidence", "--url", r.url)
	require.Equal(t, 0, got.code)
	require.Contains(t, got.out, "nothing is kept")
	at := time.Now().Add(-5 * time.Minute).UTC().Truncate(time.Second)
	code := 0
	for heal := range uint64(2) {
		r.log.Record([]worker.Event{
			{At: at, Kind: worker.EventFault, Key: "burner", HealDetails: worker.HealDetails{HealID: heal + 1, Fault: worker.FaultUnhealthy, Heal: worker.HealRestart, Attempt: int(heal) + 1}, Reason: worker.ReasonHung},
			{At: at, Kind: worker.EventEvidence, Key: "burner", HealDetails: worker.HealDetails{HealID: heal + 1}, Evidence: &worker.HealEvidence{
				Processes: "PID COMMAND\n1 worker\n", Command: &worker.CommandEvidence{ExitCode: &code, Output: "goroutine 1\x1b[2J:\n\tmain.go"},
			}},
		})
	}
	got = play(t, Env{}, "history", "burner", "--evidence", "--url", r.url)
	one := `, restart, unhealthy, hung, attempt 1
  processes:
    PID COMMAND
    1 worker
  before-stop: exit code 0 after 0.0 s
    goroutine 1` + "\uFFFD[2J:\n    \tmain.go\n"
	stamp := at.Format(time.RFC3339)
	require.Equal(t, result{0, stamp + one + "\n" + stamp + strings.Replace(one, "attempt 1", "attempt 2", 1), ""}, got)

	got = play(t, Env{}, "history", "burner", "--evidence", "--json", "--url", r.url)
	var all struct{ Heals []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(got.out), &all))
	require.Len(t, all.Heals, 2)

	require.Equal(t, 2, play(t, Env{}, "history", "--evidence", "--url", r.url).code, "which worker?")
	require.Equal(t, 2, play(t, Env{}, "history", "burner", "--evidence", "--watch", "--url", r.url).code)
}
