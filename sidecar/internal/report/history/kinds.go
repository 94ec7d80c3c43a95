package history

import "stoker/sidecar/internal/core/worker"

// Kinds are all kinds of events, in the order in which a worker's life has them.
func Kinds() []worker.EventKind {
	return []worker.EventKind{
		worker.EventManaged, worker.EventUnmanaged, worker.EventProblem, worker.EventHeld, worker.EventFault,
		worker.EventHealFailed, worker.EventHealed, worker.EventRecovered, worker.EventStable, worker.EventExhausted,
		worker.EventRefused, worker.EventHung, worker.EventStatsUnavailable, worker.EventQuota, worker.EventQuotaFailed,
		worker.EventDependentsRestarted, worker.EventEngineDisconnected, worker.EventEngineConnected, worker.EventHostOverloaded, worker.EventHostRecovered,
	}
}
