package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// TestEndedBy checks the precedence of facts about an exit.
func TestEndedBy(t *testing.T) {
	known := worker.Evidence{Inspected: true}
	with := func(change func(*worker.Evidence)) worker.Evidence {
		e := known
		change(&e)
		return e
	}
	for name, c := range map[string]struct {
		evidence worker.Evidence
		want     worker.EndedBy
	}{
		"nothing contradicts a crash":                              {known, worker.EndedByItself},
		"not inspected":                                            {worker.Evidence{}, worker.EndedByUnknown},
		"a daemon's shutdown":                                      {with(func(e *worker.Evidence) { e.DaemonShutdown = true }), worker.EndedByDaemon},
		"Stoker's own stop":                                        {with(func(e *worker.Evidence) { e.OwnStop = true }), worker.EndedByStoker},
		"Stoker's own stop before a daemon shutdown":               {with(func(e *worker.Evidence) { e.OwnStop, e.DaemonShutdown = true, true }), worker.EndedByStoker},
		"an operator's stop":                                       {with(func(e *worker.Evidence) { e.OperatorStop = true }), worker.EndedByOperator},
		"an operator's stop during Stoker's own":                   {with(func(e *worker.Evidence) { e.OperatorStop, e.OwnStop = true, true }), worker.EndedByOperator},
		"an operator's stop of a container that was not inspected": {worker.Evidence{OperatorStop: true}, worker.EndedByOperator},
		"Podman remembers a request":                               {with(func(e *worker.Evidence) { e.NoStopEvents, e.Engine = true, worker.ExitCauseRequested }), worker.EndedByOperator},
		"Podman remembers Stoker's own request": {
			with(func(e *worker.Evidence) { e.NoStopEvents, e.OwnStop, e.Engine = true, true, worker.ExitCauseRequested }), worker.EndedByStoker,
		},
		"Podman remembers a signal that the worker survived": {
			with(func(e *worker.Evidence) {
				e.NoStopEvents, e.SignalSurvived, e.Engine = true, true, worker.ExitCauseRequested
			}), worker.EndedByUnknown,
		},
		"Podman reports no request":        {with(func(e *worker.Evidence) { e.NoStopEvents, e.Engine = true, worker.ExitCauseOwn }), worker.EndedByItself},
		"Podman hides it":                  {with(func(e *worker.Evidence) { e.NoStopEvents, e.Engine = true, worker.ExitCauseHidden }), worker.EndedByUnknown},
		"Podman has not been asked":        {with(func(e *worker.Evidence) { e.NoStopEvents = true }), worker.EndedByUnknown},
		"Podman hides it, but it was ours": {with(func(e *worker.Evidence) { e.NoStopEvents, e.OwnStop = true, true }), worker.EndedByStoker},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.evidence.EndedBy()) })
	}
}
