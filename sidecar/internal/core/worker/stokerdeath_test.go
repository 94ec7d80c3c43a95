package worker_test

import "testing"

func TestAcrossStokersDeath(t *testing.T) {
	run(t, []scenario{
		{"rule 5: an operator's stop is saved", `
			up
			kill TERM
			die 143
			stop
			stoker-killed
			up
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 5: an operator's stop is saved, and its exit replayed", `
			up
			kill TERM
			die 143
			stop
			stoker-killed
			old die 143
			old stop
			up
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 8: started by an operator and exited, all unobserved", `
			up
			kill TERM
			die 143
			stoker-killed
			+5s
			list down 3 new
			+2s
			> start 1`},
		{"rule 8: started and stopped by an operator, all unobserved", `
			up
			kill TERM
			die 143
			stoker-killed
			+5s
			list down 143 new
			+1h
			> nothing
			= held exit-not-observed`},
		{"rule 8: started by an operator and crashed, the exit replayed", `
			up
			kill TERM
			die 143
			stoker-killed
			+5s
			old die 0
			list down 0 new:3s
			> start 1`},
		{"rule 5: a stop with only its signal observed", `
			up
			kill TERM
			stoker-killed
			old die 143
			list down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 10: killed in Docker's restart delay, which a stop ended", `
			given docker=always
			up
			mute die 1
			answer restarting
			stoker-killed
			list down 1
			+70ms
			late stop
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 10: killed in Docker's restart delay, without a restart", `
			given docker=always
			up
			mute die 1
			answer restarting
			stoker-killed
			list down 1
			+2s
			> start 1`},
		{"killed during the back-off", `
			up
			die 1
			> start 1
			start
			answer running
			die 1
			stoker-killed
			old die 1
			up
			+1s
			> start 2`},
		{"killed before the answer to the start, which happened", `
			up
			die 1
			> start 1
			stoker-killed
			old:2s die 1
			list running new
			= free
			= attempts 1`},
		{"killed before the answer to the start, which did not", `
			up
			die 1
			> start 1
			stoker-killed
			up
			+1s
			> start 2`},
		{"killed before the answer to the start, which happens later: it is no operator's, and gives no new attempts", `
			given max-attempts=2
			up
			die 1
			> start 1
			stoker-killed
			up
			start
			= free
			= attempts 1
			die 1
			+1s
			> start 2`},
		{"killed before the answer to the last start, which happens later", `
			given max-attempts=1
			up
			die 1
			> start 1
			stoker-killed
			up
			= held exhausted
			start
			= free
			= attempts 1
			die 1
			= held exhausted
			start
			= free
			= attempts 0`},
		{"killed before the answer to the start, which does not happen: a start a minute later is an operator's", `
			given max-attempts=1
			up
			die 1
			> start 1
			stoker-killed
			up
			+1m
			start
			= attempts 0`},
		{"killed while it verifies", `
			given health
			up
			die 1
			> start 1
			start
			answer running starting
			stoker-killed
			up
			= phase verifying
			healthy
			= event healed`},
		{"killed before the stop", `
			given health unhealthy-for=10s
			up
			unhealthy
			stoker-killed
			up
			+10s
			> stop 1`},
		{"killed during the stop, nothing replayed", `
			given health
			up
			unhealthy
			> stop 1
			stoker-killed
			list down 143
			+2s
			> start 1`},
		{"killed during the stop, all replayed", `
			given health
			up
			unhealthy
			> stop 1
			+2s
			stoker-killed
			old kill TERM
			old die 143
			old stop
			list down 143
			+1s
			> start 1`},
		{"killed during the stop, SIGKILL replayed", `
			given health
			up
			unhealthy
			> stop 1
			+12s
			stoker-killed
			old:2s kill KILL
			old:2s die 137
			old:2s stop
			list down 137
			> start 1`},
		{"killed during the stop, which an operator joined", `
			given health
			up
			unhealthy
			> stop 1
			+2s
			stoker-killed
			old kill TERM
			old kill TERM
			old die 143
			old stop
			old stop
			list down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"killed during the stop, which goes on", `
			given health
			up
			unhealthy
			> stop 1
			stoker-killed
			up
			+4s
			> nothing
			late kill KILL
			die 137
			+1h
			> nothing`},
		{"killed between stop and start", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			stoker-killed
			old kill TERM
			old die 143
			old stop
			up
			> start 1`},
		{"killed during the stop, with a grace of the container's own", `
			given health grace=1s
			up
			unhealthy
			> stop 1
			+1s
			stoker-killed
			old:1s kill TERM
			old:0s kill KILL
			old:0s die 137
			old:0s stop
			list down 137
			> start 1`},
		{"rule 5: killed during an operator's long stop", `
			given grace=5m
			up
			kill TERM
			stoker-killed
			+4m
			old die 143
			list down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"killed between stop and start, which had failed once", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			answer down 143
			> start 1
			answer failed no such device
			stoker-killed
			old kill TERM
			old die 143
			old stop
			up
			+1s
			> start 2`},
		{"killed between stop and start, on-exit=never", `
			given health on-exit=never
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			stoker-killed
			old kill TERM
			old die 143
			old stop
			up
			> start 1`},
		{"killed between stop and start, and an operator started it", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			stoker-killed
			list running starting new
			healthy
			= free`},
		{"killed with the start on its way, and the operator stopped it afterwards", `
			given health
			up
			unhealthy
			> stop 1
			kill TERM
			die 143
			stop
			answer down 143
			> start 1
			stoker-killed
			+5s
			old:5s kill TERM
			old:5s die 143
			old:5s stop
			old:4s start
			old:3s kill TERM
			old:3s die 143
			old:3s stop
			list down 143
			+1h
			> nothing
			= held stopped-by-operator`},
		{"an old start in the replay does not reset the attempts", `
			up
			die 1
			> start 1
			start
			answer running
			+1s
			stoker-killed
			old:990ms start
			up
			= attempts 1`},
		{"rule 7: killed during its own stop, and a replayed SIGKILL came a second before the grace was over", `
			given health grace=5s
			up
			unhealthy
			> stop 1
			kill TERM
			stoker-killed
			+20s
			old:16s kill KILL
			old:16s die 137
			list down 137
			+1h
			> nothing
			= held stopped-by-operator`},
		{"rule 7: killed during its own stop, and a replayed SIGKILL came when the grace was over", `
			given health grace=5s
			up
			unhealthy
			> stop 1
			kill TERM
			stoker-killed
			+20s
			old:15s kill KILL
			old:15s die 137
			list down 137
			> start 1`},
	})
}
