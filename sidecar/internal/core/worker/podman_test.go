package worker_test

import "testing"

// Podman sends no stop event before an exit, but records the request: an inspect shows it (docs/podman.md).
func TestPodman(t *testing.T) {
	run(t, []scenario{
		{"a crash is healed after an inspect", `
			given podman
			up
			> inspect
			mute die 137 own
			> inspect
			answer down 137
			> start 1
			= fault exited
			= reason crashed`},
		{"a stop, its event after the exit", `
			given podman
			up
			mute die 0 meant
			answer down 0
			> nothing
			= held stopped-by-operator
			stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"a stop, its event before the exit", `
			given podman
			up
			stop
			die 0 meant
			+1h
			> nothing
			= held stopped-by-operator`},
		{"a kill", `
			given podman
			up
			kill KILL
			die 137 meant
			+1h
			> nothing
			= held stopped-by-operator`},
		{"a start ends the hold", `
			given podman
			up
			die 0 meant
			start
			= free
			die 1 own
			> start 1`},
		{"a signal that it survived does not make its crash a requested stop", `
			given podman
			up
			kill KILL
			+1h
			die 1 meant
			+5s
			> start 1`},
		{"but a stop after such a signal is one", `
			given podman
			up
			kill KILL
			+1h
			die 0 meant
			+1s
			stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"hidden, and a stop event comes", `
			given podman
			up
			die 0 hidden
			+1s
			> nothing
			stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"hidden, and no stop event comes", `
			given podman
			up
			die 1 hidden
			+1s
			> nothing
			+2s
			> start 1`},
		{"hidden, no stop event comes, and the code is one that a stop leaves", `
			given podman
			up
			die 137 hidden
			+1h
			> nothing
			= held exit-not-observed`},
		{"Stoker's own stop of an unhealthy one is no operator's", `
			given podman health
			up
			unhealthy
			> stop 1
			mute die 137 meant
			stop
			answer down 137
			+5s
			> start 1`},
		{"stopped while no Stoker was there", `
			given podman
			up
			stoker-killed
			die 0 meant
			up
			+1h
			> nothing
			= held stopped-by-operator`},
		{"crashed while no Stoker was there", `
			given podman
			up
			stoker-killed
			die 1 own
			up
			+1h
			> start 1`},
		{"its restart policy restarts it", `
			given podman docker=always
			up
			die 1 own
			+1s
			> nothing
			start
			= free
			= attempts 0`},
		{"its restart policy does not", `
			given podman docker=on-failure:2
			up
			die 1 own
			+9s
			> nothing
			+2s
			> start 1
			= reason docker-gave-up`},
		{"a stop under a restart policy", `
			given podman docker=always
			up
			die 0 meant
			+1h
			> nothing
			= held stopped-by-operator`},
	})
}
