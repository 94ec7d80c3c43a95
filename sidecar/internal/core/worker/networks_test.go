package worker_test

import (
	"encoding/json"
	"testing"
)

// A start that fails because a port is taken removes the network of that port (engine 29.1 to 29.7.2, moby/moby#51758).
func TestLostNetworks(t *testing.T) {
	run(t, []scenario{
		{"connected again before each start, until one works", `
			given networks=front,rear
			up
			= lost
			die 137
			> start 1
			world networks:rear start-error:port1
			answer failed port
			= lost front
			= fault start-failed
			= remembers front rear
			+2s
			> connect front, start 2
			world networks:rear start-error:port2
			answer failed port
			= lost front
			+5s
			> connect front, start 3
			answer running new networks:front,rear
			= free
			= lost
			= remembers front rear
			= no-event network-lost`},
		{"all of them, one at each start, where the last one was connected and lost another", `
			given networks=front,rear
			up
			die 137
			> start 1
			world networks:rear start-error:port1
			answer failed port
			+2s
			> connect front, start 2
			world networks:front start-error:port2
			answer failed port
			= lost rear
			= remembers front rear`},
		{"its own policy's start has failed, and Stoker's would work", `
			given networks=front docker=always
			up
			mute die 137
			world networks: start-error:port1
			answer down 137
			> connect front, start 1
			= lost
			answer running new networks:front
			= free`},
		{"another client's start succeeds right after Stoker's failed", `
			given networks=front
			up
			die 137
			> start 1
			world running new networks:
			answer failed port
			= lost front
			> connect front`},
		{"the same, and Stoker's did not fail for a network: an operator has disconnected it meanwhile", `
			given networks=front
			up
			die 137
			> start 1
			world running new networks:
			answer failed no such device
			= lost
			> nothing`},
		{"the same, and the inspect after Stoker's has no answer", `
			given networks=front
			up
			die 137
			> start 1
			world networks:
			start
			answer uninspected port
			= lost front
			> connect front`},
		{"another client started it without: connected while it runs, with back-off, reported once", `
			given networks=front
			up
			die 137
			> start 1
			world networks: start-error:port1
			answer failed port
			start
			= lost front
			= phase watching
			> connect front
			answer failed port
			= event network-lost
			+1s
			> connect front
			answer failed port
			= no-event network-lost
			+1s
			> nothing
			+1s
			> connect front
			answer running networks:front
			= event network-restored
			= lost
			= remembers front
			= free
			+1h
			> nothing`},
		{"a start that worked without is no heal", `
			given networks=front health
			up
			die 137
			> start 1
			world networks: start-error:port1
			answer failed port
			+2s
			> connect front, start 2
			answer running new networks: healthy
			= phase verifying
			= lost front
			= attempts 2
			> connect front
			answer failed port
			= no-event healed
			healthy
			= phase verifying
			list running healthy
			= phase verifying
			+1s
			> connect front
			answer running networks:front healthy
			= event healed
			= free`},
		{"a restart of Stoker forgets nothing", `
			given networks=front
			up
			die 137
			> start 1
			world networks: start-error:port1
			answer failed port
			stoker-killed
			up
			= lost front
			+5s
			> connect front, start 2
			= remembers front`},
		{"killed before it could note what the start has done", `
			given networks=front
			up
			die 137
			> start 1
			stoker-killed
			world networks: start-error:port1
			up
			= lost front
			+5s
			> connect front, start 2`},
		{"an operator's disconnect of a running one", `
			given networks=front,rear
			up
			world networks:rear
			update
			= lost
			= remembers rear
			die 1
			> start 1
			answer running new networks:rear
			= free
			= lost`},
		{"an operator's disconnect while it waits for its next start", `
			given networks=front,rear backoff-initial=10s
			up
			die 137
			+10s
			> start 1
			world start-error:port1
			answer failed port
			+5s
			world networks:rear
			+20s
			> start 2
			= lost
			= remembers rear`},
		{"and what a failed start took is connected without what the operator took", `
			given networks=back,front,rear backoff-initial=10s
			up
			die 137
			+10s
			> start 1
			world networks:back,rear start-error:port1
			answer failed port
			= lost front
			+5s
			world networks:rear
			+20s
			> connect front, start 2
			= lost
			= remembers front rear`},
		{"an operator's disconnect, and a start that fails for something else", `
			given networks=front,rear
			up
			die 137
			> start 1
			world networks:rear start-error:mount
			answer failed mount
			= lost
			+2s
			> start 2`},
		{"an operator's disconnect that a list shows, before a start fails", `
			given networks=back,front,rear
			up
			world networks:front,rear
			list running
			+3s
			die 137
			> start 1
			world networks:rear start-error:port1
			answer failed port
			= lost front
			= remembers front rear`},
		{"an operator's failed start", `
			given networks=front backoff-initial=10s
			up
			die 137
			+10s
			> start 1
			world start-error:port1
			answer failed port
			+5s
			world networks: start-error:port2
			+20s
			> connect front, start 2`},
		{"lost before any inspect: the network of its mode is known", `
			given networks=front,rear never-started
			world networks: start-error:port1
			up
			= lost front
			+5s
			> connect front, start 1`},
		{"a start that failed for something else, before any inspect", `
			given networks=front never-started
			world networks: start-error:mount
			up
			= lost
			+5s
			> start 1`},
		{"a start that was not answered, and another one that worked before an inspect", `
			given networks=front
			up
			die 137
			> start 1
			world running new networks:
			answer unknown
			+1s
			= lost front
			> connect front`},
		{"the network is gone as well: the start has failed", `
			given networks=front max-attempts=3
			up
			die 137
			> start 1
			world networks: start-error:port1
			answer failed port
			mute list exited
			+2s
			> connect front
			answer failed no such network
			= event heal-failed
			= attempts 2
			= fault start-failed
			mute list exited
			+5s
			> connect front
			answer unreachable
			= attempts 2
			mute list exited
			+1s
			> connect front
			answer failed no such network
			= held exhausted`},
		{"stopped while it is connected before its start", `
			given networks=front
			up
			die 137
			> start 1
			world networks: start-error:port1
			answer failed port
			mute list exited
			+2s
			> connect front
			start
			kill TERM
			die 143
			answer down 143 networks:front
			+1h
			> nothing
			= held stopped-by-operator`},
		{"modes have nothing to lose", `
			given networks=host
			up
			die 137
			> start 1
			world networks: start-error:port1
			answer failed no
			+2s
			= lost
			> start 2`},
		{"an operator's connect that a list shows, before a start fails", `
			given networks=rear
			up
			world networks:front,rear
			list running
			+3s
			die 137
			> start 1
			world networks:rear start-error:port1
			answer failed port
			= lost front`},
		{"the same of one that is down", `
			given networks=front,rear
			up
			stop
			die 143
			world networks:rear start-error:port1
			list exited
			+3s
			= lost front
			= held stopped-by-operator
			start
			> connect front`},
	})
}

// inspectWith is an engine's inspect of a container with networks.
func inspectWith(networks []string) []byte {
	all := map[string]any{}
	for _, name := range networks {
		all[name] = map[string]any{"Aliases": []string{"of-" + name}}
	}
	raw, err := json.Marshal(map[string]any{"Id": containerID, "NetworkSettings": map[string]any{"Networks": all, "SandboxKey": "x"}})
	if err != nil {
		panic(err)
	}
	return raw
}
