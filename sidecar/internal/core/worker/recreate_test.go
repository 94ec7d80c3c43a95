package worker_test

import "testing"

func TestRecreate(t *testing.T) {
	run(t, []scenario{
		{"rule 12: unhealthy, and its label asks for a recreate", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			= phase recreating
			kill TERM
			die 143
			stop
			rename w.stoker-old
			destroy
			> nothing
			answer made running starting
			= phase verifying
			healthy
			= event healed
			= free`},
		{"rule 7: what happens to the old one while it is replaced is the transaction's", `
			given health on-unhealthy=recreate grace=10s
			up
			unhealthy
			> recreate 1
			kill TERM
			+10s
			kill KILL
			die 137
			stop
			list down 137
			answer made running healthy
			= free`},
		{"rule 5: an operator stops it while it is replaced", `
			given health on-unhealthy=recreate grace=10s
			up
			unhealthy
			> recreate 1
			kill TERM
			= no-event held
			kill TERM
			die 143
			stop
			stop
			answer stood-down down 143
			= held stopped-by-operator
			+1h
			> nothing`},
		{"rule 17: it cannot be recreated unchanged", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer unfit HostConfig.Isolation
			= event refused
			> stop 1
			kill TERM
			die 143
			stop
			answer down 143
			> start 1`},
		{"rule 17: down, and cannot be recreated unchanged", `
			given recreate-after=1
			up
			die 1
			> start 1
			answer down 1 new
			late start
			late die 1
			+1s
			> recreate 2
			answer unfit image gone
			> start 2
			= event refused`},
		{"the transaction failed, and the old one runs again", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer undone running starting
			= event heal-failed
			= attempts 1
			unhealthy
			= due 0s..1s
			+1s
			> recreate 2`},
		{"rule 5: it was rolled back, and the stop of the Stoker before is still under way", `
			given health on-unhealthy=recreate grace=20s
			up
			unhealthy
			> recreate 1
			transaction stop
			kill TERM
			+8s
			stoker-killed
			up
			> recreate 1
			transaction stop
			transaction refused
			world healthy
			answer undone unstarted running healthy
			= event heal-failed
			= phase stopping
			+12s
			kill KILL
			die 137
			stop
			> start 1`},
		{"the transaction failed, and the old one is down", `
			given recreate-after=1
			up
			die 1
			> start 1
			answer down 1 new
			late start
			late die 1
			+1s
			> recreate 2
			answer undone down 1
			+2s
			> start 3`},
		{"rule 14: its result is unknown", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer unknown
			> nothing
			kill TERM
			die 143
			+30s
			> recreate 1
			answer made running healthy
			= free
			= attempts 1`},
		{"rule 7: its result is unknown, and it has started the old one again itself", `
			given recreate-after=1
			up
			die 1
			> start 1
			answer down 1 new
			late start
			late die 1
			+1s
			> recreate 2
			answer unknown restarted running starting
			start
			+1s
			> recreate 2
			answer refused
			= event heal-failed
			= phase watching
			= attempts 2`},
		{"rule 14: Stoker was killed in the middle of it", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			stoker-killed
			old kill TERM
			old die 143
			old stop
			up down 143
			> recreate 1
			answer made running healthy
			= event healed`},
		{"the engine could not be asked", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer unreachable
			= attempts 0
			+1s
			> recreate 1`},
		{"rule 5: an operator stops it before the engine could be asked", `
			given health on-unhealthy=recreate grace=10s
			up
			unhealthy
			> recreate 1
			kill TERM
			die 143
			stop
			answer unreachable
			= held stopped-by-operator
			+1h
			> nothing`},
		{"rule 5: an operator kills it before the engine could be asked", `
			given health on-unhealthy=recreate grace=10s
			up
			unhealthy
			> recreate 1
			kill KILL
			die 137
			answer unreachable
			= held stopped-by-operator
			+1h
			> nothing`},
		{"rule 5: an operator begins to stop it, and it still runs when the transaction has ended", `
			given health on-unhealthy=recreate grace=10s
			up
			unhealthy
			> recreate 1
			kill TERM
			answer stood-down running new
			+1s
			die 143
			= held stopped-by-operator
			+1h
			> nothing`},
		{"rule 5: an operator stops it before the first inspect of the transaction", `
			given health on-unhealthy=recreate grace=10s
			up
			unhealthy
			> recreate 1
			kill TERM
			die 143
			stop
			answer refused down 143
			= held stopped-by-operator
			+1h
			> nothing`},
		{"something else is there than was decided on", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer refused running healthy
			= free
			= attempts 0`},
		{"healthy again before its turn", `
			given health on-unhealthy=recreate unhealthy-for=1m
			up
			unhealthy
			+10s
			healthy
			= free
			+1h
			> nothing`},
		{"it died while it waited to be recreated", `
			given health on-unhealthy=recreate unhealthy-for=1m
			up
			unhealthy
			die 1
			> start 1`},
		{"no container is left of it", `
			given health on-unhealthy=recreate
			up
			unhealthy
			> recreate 1
			answer missing
			= fault missing
			= missing
			+1s
			> recreate 2
			answer made running healthy
			= free`},
		{"the new one does not stay up", `
			given recreate-after=1
			up
			die 1
			> start 1
			answer down 1 new
			late start
			late die 1
			+1s
			> recreate 2
			answer made down 1
			+2s
			= event heal-failed
			+2s
			> start 3`},
	})
}
