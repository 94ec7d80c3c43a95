package worker_test

import (
	"testing"
)

// TestNetworksOfUnobservedStarts: what a start has lost, where no event or inspect shows that start.
func TestNetworksOfUnobservedStarts(t *testing.T) {
	run(t, []scenario{
		{"a start that was accepted, and an operator's disconnect before the inspect", `
			given networks=front
			up
			die 137
			> start 1
			world running new networks:
			answer unknown accepted
			+1s
			= lost`},
		{"a start that failed while no Stoker was there, before one that worked", `
			given networks=front
			up
			stoker-killed
			world running new networks:
			up
			= lost front
			> connect front`},
		{"and before one that failed for something else", `
			given networks=front docker=always
			up
			stoker-killed
			world down 137 networks: start-error:mount
			up
			= lost front`},
		{"not without a start: an operator's disconnect while no Stoker was there", `
			given networks=front,rear
			up
			stoker-killed
			world networks:rear
			up
			= lost
			= remembers rear`},
		{"a policy's start that failed before the engine went down, and worked when it came up", `
			given networks=front docker=always
			up
			engine restarted
			world running new networks:
			up
			= lost front
			> connect front`},
		{"a policy's start that failed after an exit right before Stoker's own stop", `
			given networks=front docker=always health
			up
			unhealthy
			> stop 1
			die 2
			answer down 2
			> start 1
			world running new networks:
			answer running healthy
			= lost front
			> connect front`},
		{"a start without an event", `
			given networks=front
			up
			world running new networks:
			update
			= lost front
			> connect front`},
		{"a start by Docker that an inspect shows before its event, and an operator's disconnect: nothing has failed in between", `
			given networks=front,rear docker=always
			up
			mute die 1
			world running new restarts:1 networks:front
			answer running
			= lost
			start
			> nothing`},
		{"the same without the exit event: there may have been more than one", `
			given networks=front,rear docker=always
			up
			world running new restarts:1 networks:front
			update
			= lost rear
			> connect rear`},
		{"an exit without an event, and a start after it that failed for another reason", `
			given networks=front docker=always
			up
			world down 137 networks: start-error:mount
			update
			= lost front`},
		{"a recreate that was refused after a failed start of the old container, and started", `
			given networks=front on-unhealthy=recreate health
			up
			unhealthy
			> recreate 1
			world running new healthy networks:
			answer refused running
			= lost front
			> connect front`},
		{"recreated from the saved definition", `
			given networks=front,rear recreate-after=1
			up
			die 137
			> start 1
			world networks:rear start-error:port1
			answer failed port
			+2s
			> recreate 2
			= like front rear`},
		{"a recreate that comes back without is connected", `
			given networks=front recreate-after=1
			up
			die 137
			> start 1
			answer failed no
			+2s
			> recreate 2
			answer running made networks:
			= lost front
			= phase verifying
			= remembers front
			> connect front`},
		{"not while an operator stops it", `
			given networks=front
			up
			die 137
			> start 1
			world networks: start-error:port1
			answer failed port
			start
			> connect front
			answer failed port
			kill TERM
			+5s
			> nothing
			die 143
			+1h
			> nothing
			= held stopped-by-operator`},
	})
}
