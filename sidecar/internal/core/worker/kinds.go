package worker

// EventKinds returns all kinds of events, in the order of a worker's life. It is the only list: tests check everything that must
// handle each kind (API, metrics, notifications, page, log) against it.
func EventKinds() []EventKind {
	return []EventKind{
		EventManaged, EventUnmanaged, EventProblem, EventHeld, EventFault,
		EventHealFailed, EventHealed, EventRecovered, EventStable, EventExhausted,
		EventRefused, EventHung, EventOutOfMemory, EventGraceTooShort, EventEvidence, EventStatsUnavailable, EventUnprobed, EventQuota, EventQuotaFailed,
		EventNetworkLost, EventNetworkRestored,
		EventDependentsRestarted, EventEngineDisconnected, EventEngineConnected, EventHostOverloaded, EventHostRecovered,
		EventWoken, EventAsleep, EventDemandLost, EventDemandBack, EventDemandLimited,
		EventServiceScaled, EventServiceHeld, EventServiceForced, EventTaskLost,
	}
}
