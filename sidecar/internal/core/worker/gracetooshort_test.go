package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGraceTooShort(t *testing.T) {
	run(t, []scenario{
		{"grace: killed after its grace by a throttling quota", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.9
			> stop 1
			kill TERM
			+5s
			kill KILL
			die 137
			= event grace-too-short
			answer nothing
			> start 1`},
		{"grace: killed after its grace, and not throttled", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.1
			> stop 1
			kill TERM
			+5s
			kill KILL
			die 137
			= no-event grace-too-short
			answer nothing
			> start 1`},
		{"grace: throttled, and exited in time", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.9
			> stop 1
			kill TERM
			die 0
			= no-event grace-too-short
			answer nothing
			> start 1`},
		{"grace: out of memory while it wound up", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.9
			> stop 1
			kill TERM
			oom
			die 137
			= no-event grace-too-short
			answer nothing
			> start 1`},
	})
}

func TestGraceTooShortNamesTheLabel(t *testing.T) {
	s := play(t, `
		given health evidence=basic grace=5s
		up
		unhealthy
		answer throttled 0.9
		kill TERM
		+5s
		kill KILL
		die 137
		> collect, stop 1`)
	require.Contains(t, s.details, "killed (exit code 137) at the end of its grace of 5s, while its quota throttled it in 90 % of the periods with work: "+
		"raise stoker.stop-timeout, or the quota")
}
