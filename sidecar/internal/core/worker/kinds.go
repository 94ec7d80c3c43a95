package worker

// EventKinds returns all kinds of events, in the order in which a worker's life has them. It is the one list: whatever
// must handle every kind (API, metrics, notifications, page, log) is tested against it.
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
