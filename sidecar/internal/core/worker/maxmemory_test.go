package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaxMemory(t *testing.T) {
	const leak = `
		given max-memory=90% memory=100
		up
		+15s
		> read
		reads 0.1 0 0 mem:91
		+15s
		> read
		reads 0.1 0 0 mem:92
		+15s
		> read
		reads 0.1 0 0 mem:93
		+15s
		> read
		= stage none
	`
	run(t, []scenario{
		{"above the bound for a minute", leak + `
			reads 0.1 0 0 mem:94
			+15s
			> read
			reads 0.1 0 0 mem:95
			= due-for memory
			turn
			recycle
			> stop 0
			= reason memory`},
		{"below it in between", leak + `
			reads 0.1 0 0 mem:89
			+15s
			> read
			reads 0.1 0 0 mem:95
			+15s
			> read
			reads 0.1 0 0 mem:95
			= stage none`},
		{"not measured in between", leak + `
			reads 0.1 0 0
			+15s
			> read
			reads 0.1 0 0 mem:95
			= stage none`},
		{"no readings for some time", leak + `
			reads none
			+15s
			> read
			+70s
			reads 0.1 0 0 mem:95
			= stage none`},
		{"another incarnation starts over", leak + `
			reads 0.1 0 0 mem:94
			die 1
			> start 1
			start
			answer running none
			+15s
			> read
			reads 0.1 0 0 mem:95
			= stage none`},
		{"below it again before its turn", leak + `
			reads 0.1 0 0 mem:94
			+15s
			> read
			reads 0.1 0 0 mem:95
			= stage waits-for-group
			+15s
			> read
			reads 0.1 0 0 mem:50
			= stage none`},
		{"bytes need no limit", `
			given max-memory=50MiB max-memory-for=0s
			up
			+15s
			> read
			reads 0.1 0 0 mem:51
			= due-for memory`},
		{"a share without a limit: a mistake in the labels", `
			given max-memory=90%
			up
			= event problem
			= held bad-labels
			+1h
			die 1
			> nothing`},
	})
}

// TestMemoryLimitByUpdate: a limit set later ends the problem.
func TestMemoryLimitByUpdate(t *testing.T) {
	s := play(t, "given max-memory=90%\nup\n= held bad-labels")
	require.Len(t, s.m.View().Problems, 1)
	s.world.MemoryLimit = 100 << 20
	s.goOn("update running\n= free\n+15s\n> read")
	require.Empty(t, s.m.View().Problems)
}
