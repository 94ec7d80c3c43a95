package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func TestEvidenceBeforeAStop(t *testing.T) {
	run(t, []scenario{
		{"evidence: collected once, then the stop", `
			given health evidence=basic
			up
			unhealthy
			> collect
			= phase stop-due
			= attempts 0
			answer throttled 0
			> stop 1
			= event evidence
			die 0
			answer nothing
			> start 1`},
		{"evidence: that nothing can be collected does not hold the stop up", `
			given health evidence=basic
			up
			unhealthy
			> collect
			answer failed no stats
			> stop 1
			= no-event evidence`},
		{"evidence: nor that the engine does not answer", `
			given health evidence=basic
			up
			unhealthy
			> collect
			answer unreachable
			> stop 1`},
		{"evidence: nothing is collected of a dead worker", `
			given evidence=basic
			up
			die 1
			> start 1`},
		{"evidence: each attempt has its own", `
			given health evidence=basic
			up
			unhealthy
			> collect
			answer nothing
			> stop 1
			die 0
			answer nothing
			> start 1
			start
			answer running healthy
			+1s
			unhealthy
			+2s
			> collect
			answer nothing
			> stop 2`},
		{"rule 1: healthy again at the inspect before", `
			given health evidence=basic
			up
			unhealthy
			> collect
			answer refused running healthy
			= free
			+1m
			> nothing`},
		{"rule 1: healthy again meanwhile", `
			given health evidence=basic
			up
			unhealthy
			> collect
			healthy
			answer nothing
			= free
			+1m
			> nothing`},
		{"rule 5: an operator's stop while it is collected", `
			given health evidence=basic
			up
			unhealthy
			> collect
			kill TERM
			answer nothing
			+5s
			> nothing
			die 0
			stop
			= held stopped-by-operator`},
		{"rule 11: a death while it is collected is a crash", `
			given health evidence=basic
			up
			unhealthy
			> collect
			die 1
			answer unknown
			> start 1
			= fault exited`},
		{"demand: of a worker that is put to sleep nothing is kept", `
			given evidence=basic demand=redis://r/0?list=jobs
			up
			sleep
			> stop 0`},
	})
}

func TestCommandBeforeAStop(t *testing.T) {
	run(t, []scenario{
		{"before-stop: once, and the stop after it", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			= attempts 0
			answer ran 0
			> stop 1
			= event evidence`},
		{"before-stop: its failure stops nothing", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			answer ran 127
			> stop 1`},
		{"before-stop: nor does one that hangs", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			+10s
			answer hangs
			> stop 1`},
		{"before-stop: what was begun is finished, also of a worker that is healthy meanwhile", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			healthy
			answer ran 0
			> stop 1
			die 0
			answer nothing
			> start 1`},
		{"before-stop: not run in a worker that is healthy at the inspect before", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			answer refused running healthy
			= free
			unhealthy
			> collect /bin/sh -c drain`},
		{"before-stop: a command that ends the worker is its stop", `
			given health before-stop=kill on-exit=never
			up
			unhealthy
			> collect /bin/sh -c kill
			die 2
			answer ran 0
			> start 1
			= fault unhealthy
			= no-event heal-failed`},
		{"before-stop: an inspect finds the worker down", `
			given health before-stop=kill on-exit=never
			up
			unhealthy
			> collect /bin/sh -c kill
			world down 2
			answer ran 0
			> stop 1
			answer refused down 2
			+2s
			> start 1
			= fault unhealthy`},
		{"rule 5: an operator's stop during the command is obeyed", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			+3s
			kill TERM
			die 0
			stop
			answer hangs
			= held stopped-by-operator
			+1m
			> nothing`},
		{"rule 5: and one that takes longer than the command", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			kill TERM
			answer ran 0
			+9s
			> nothing
			die 137
			stop
			= held stopped-by-operator`},
		{"rule 14: Stoker killed during the command: the next one does not run it again", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			stoker-killed
			up
			> stop 1`},
		{"rule 14: Stoker killed during the command, which ended the worker", `
			given health before-stop=kill on-exit=never
			up
			unhealthy
			> collect /bin/sh -c kill
			stoker-killed
			+5s
			old die 2
			list down 2
			> start 1
			= fault unhealthy`},
		{"rule 14: the same without an event", `
			given health before-stop=kill on-exit=never
			up
			unhealthy
			> collect /bin/sh -c kill
			stoker-killed
			up down 2
			+2s
			> start 1
			= fault unhealthy`},
		{"rule 14: Stoker killed during the command, and an operator stopped it", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			stoker-killed
			+5s
			old kill TERM
			old die 0
			old stop
			list down 0
			= held stopped-by-operator`},
		{"demand: also before a sleep", `
			given before-stop=drain demand=redis://r/0?list=jobs
			up
			sleep
			> collect /bin/sh -c drain
			answer ran 0
			> stop 0
			= event evidence
			die 0
			answer nothing
			= phase asleep`},
		{"demand: a drain that ends the worker has put it to sleep", `
			given before-stop=drain demand=redis://r/0?list=jobs
			up
			sleep
			> collect /bin/sh -c drain
			die 0
			answer ran 0
			= phase asleep
			= event asleep`},
		{"dry run: no command", `
			given health before-stop=drain
			up
			unhealthy
			> collect /bin/sh -c drain
			answer skipped
			= held dry-run`},
	})
}

func TestLogsOfAnIncarnation(t *testing.T) {
	run(t, []scenario{
		{"logs: of a crash, and the start does not wait for them", `
			given evidence=logs
			up
			die 3
			> logs 3, start 1`},
		{"logs: of the incarnation that Stoker stopped", `
			given health evidence=logs
			up
			unhealthy
			> collect
			answer nothing
			> stop 1
			die 2
			answer nothing
			> logs 2, start 1`},
		{"logs: once per incarnation, not for each start that fails", `
			given evidence=logs
			up
			die 3
			> logs 3, start 1
			answer failed port
			+2s
			> start 2`},
		{"logs: of the last incarnation, too", `
			given evidence=logs max-attempts=1
			up
			die 3
			> logs 3, start 1
			start
			answer running
			+1s
			die 4
			= held exhausted
			> logs 4`},
		{"logs: of a worker that is stopped permanently", `
			given health evidence=logs on-unhealthy=stop
			up
			unhealthy
			> collect
			answer nothing
			> stop 0
			die 2
			answer nothing
			> logs 2
			= held stopped-unhealthy`},
		{"logs: not without the label", `
			given evidence=basic
			up
			die 3
			> start 1`},
		{"logs: not of an operator's stop", `
			given evidence=logs
			up
			kill TERM
			die 0
			stop
			> nothing`},
	})
}

func TestEvidenceSummary(t *testing.T) {
	code := 3
	share := 0.5
	for want, e := range map[string]*worker.HealEvidence{
		"":                                     {},
		"health outputs: 2":                    {Health: make([]worker.ProbeEvidence, 2)},
		"exit code":                            {ExitCode: &code},
		"memory and CPU":                       {Usage: &worker.UsageEvidence{Throttled: &share}},
		"processes: 2":                         {Processes: "PID\n1\n2\n"},
		"before-stop exit 3":                   {Command: &worker.CommandEvidence{ExitCode: &code, Output: "secret"}},
		"before-stop timed out":                {Command: &worker.CommandEvidence{TimedOut: true}},
		"before-stop could not be run":         {Command: &worker.CommandEvidence{Err: "no"}},
		"before-stop ended in an unknown way":  {Command: &worker.CommandEvidence{}},
		"exit code, log lines: 2, not read: 1": {ExitCode: &code, Logs: "a\nb", Missing: []string{"x"}},
	} {
		require.Equal(t, want, e.Summary())
		require.Equal(t, want == "", e.Empty())
	}
	require.True(t, (*worker.HealEvidence)(nil).Empty())
	require.Empty(t, (*worker.HealEvidence)(nil).Summary())
	big := &worker.HealEvidence{
		Logs: strings.Repeat("x", worker.MaxLogTail), Processes: strings.Repeat("x", worker.MaxProcesses),
		Health:  []worker.ProbeEvidence{{At: time.Now(), Output: strings.Repeat("x", worker.MaxEvidenceHealth)}},
		Command: &worker.CommandEvidence{Output: strings.Repeat("x", worker.MaxCommandOutput)},
	}
	require.LessOrEqual(t, big.Size(), worker.MaxEvidence, "all parts of one heal together")
}
