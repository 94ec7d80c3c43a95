package history

import "stoker/sidecar/internal/lifecycle"

// Kinds are all kinds of events, in the order in which a worker's life has them.
func Kinds() []lifecycle.NoteKind {
	return []lifecycle.NoteKind{
		lifecycle.NoteTaken, lifecycle.NoteReleased, lifecycle.NoteProblem, lifecycle.NoteHeld, lifecycle.NoteFault,
		lifecycle.NoteHealFailed, lifecycle.NoteHealed, lifecycle.NoteRecovered, lifecycle.NoteStable, lifecycle.NoteExhausted,
		lifecycle.NoteRefused, lifecycle.NoteHung, lifecycle.NoteBlind, lifecycle.NoteQuota, lifecycle.NoteQuotaFailed,
		lifecycle.NoteFollowed, lifecycle.NoteLinkLost, lifecycle.NoteLinkUp, lifecycle.NoteHostIll, lifecycle.NoteHostWell,
	}
}
