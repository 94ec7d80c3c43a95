package worker_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Each text of the evidence counts in its size, by which the history bounds what it keeps.
func TestEvidenceSize(t *testing.T) {
	require.Zero(t, (*worker.HealEvidence)(nil).Size())
	const long = 10_000
	text := strings.Repeat("x", long)
	empty := (&worker.HealEvidence{}).Size()
	for name, e := range map[string]*worker.HealEvidence{
		"processes":             {Processes: text},
		"logs":                  {Logs: text},
		"a health output":       {Health: []worker.ProbeEvidence{{Output: text}}},
		"two health outputs":    {Health: []worker.ProbeEvidence{{Output: text[:long/2]}, {Output: text[:long/2]}}},
		"what was not read":     {Missing: []string{text}},
		"a command's output":    {Command: &worker.CommandEvidence{Output: text}},
		"why a command was not": {Command: &worker.CommandEvidence{Err: text}},
	} {
		require.GreaterOrEqual(t, e.Size(), empty+long, name)
		require.Less(t, e.Size(), empty+long+500, name)
	}
}
