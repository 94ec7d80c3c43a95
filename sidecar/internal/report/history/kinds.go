package history

import "stoker/sidecar/internal/core/worker"

// Kinds are all kinds of events, in the order in which a worker's life has them.
func Kinds() []worker.NoteKind {
	return []worker.NoteKind{
		worker.NoteTaken, worker.NoteReleased, worker.NoteProblem, worker.NoteHeld, worker.NoteFault,
		worker.NoteHealFailed, worker.NoteHealed, worker.NoteRecovered, worker.NoteStable, worker.NoteExhausted,
		worker.NoteRefused, worker.NoteHung, worker.NoteBlind, worker.NoteQuota, worker.NoteQuotaFailed,
		worker.NoteFollowed, worker.NoteLinkLost, worker.NoteLinkUp, worker.NoteHostIll, worker.NoteHostWell,
	}
}
