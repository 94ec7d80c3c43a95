package worker_test

import "testing"

// Inspects whose answer is older than an event that arrived meanwhile. An outdated answer must not last until the next list.
func TestOutdatedInspects(t *testing.T) {
	run(t, []scenario{
		{"recovered while the inspect after its start was under way", `
			given health
			up
			die 1
			> start 1
			start
			healthy
			answer stale running starting
			= free
			= event healed`},
		{"paused while the inspect after its start was under way", `
			up
			die 1
			> start 1
			start
			pause
			answer stale running
			= held paused`},
		{"renamed for a replacement while an inspect was under way", `
			up
			> inspect
			mute update
			rename 0123456789ab_w
			answer running
			= held being-replaced
			die 1
			> inspect
			= held being-replaced`},
		{"Docker has restarted it, and an operator has stopped it, while an inspect was under way", `
			given docker=always
			up
			list restarting
			+2s
			= held docker-restarting
			mute update
			world down 143 new:1s
			stop
			answer stale running
			= held stopped-by-operator
			+1h
			> nothing`},
	})
}
