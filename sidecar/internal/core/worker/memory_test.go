package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// On cgroup v2 with the systemd driver an engine often does not report the kernel's kill: the container only exits with 137.
func TestLikelyOutOfMemory(t *testing.T) {
	run(t, []scenario{
		{"137, a memory limit, and no signal was sent", `
			given memory=32
			up
			die 137
			> start 1
			= fault oom
			= reason likely-out-of-memory`},
		{"the out-of-memory event comes after the exit", `
			given memory=32
			up
			die 137
			> start 1
			oom
			= reason out-of-memory`},
		{"no memory limit", "up\ndie 137\n> start 1\n= fault exited\n= reason crashed"},
		{"another exit code", "given memory=32\nup\ndie 1\n> start 1\n= fault exited\n= reason crashed"},
		{"an operator killed it", "given memory=32\nup\nkill KILL\ndie 137\n> nothing\n= held stopped-by-operator"},
		{"an old signal does not explain the exit, but another client sent one", `
			given memory=32
			up
			kill TERM
			+1h
			die 137
			+5s
			> start 1
			= fault exited`},
		{"it exits with its parent's PID namespace", `
			given memory=32 pid-of=parent
			up
			die 137
			> start 1
			= fault exited`},
		{"the exit came before the first inspect", `
			given memory=32 remembered
			old die 137
			list down 137
			> start 1
			= reason likely-out-of-memory`},
		{"Docker's own policy gave up", `
			given memory=32 docker=on-failure:1
			up
			die 137
			+2s
			> start 1
			= fault oom`},
	})
}

// The kernel kills a child of the worker's main process: nothing exits. The event is emitted once per incarnation.
func TestOutOfMemoryInside(t *testing.T) {
	run(t, []scenario{
		{"an event reports it, and the worker continues", `
			given memory=32
			up
			oom
			= no-event out-of-memory
			+2s
			= event out-of-memory
			oom
			+1m
			= no-event out-of-memory
			> nothing`},
		{"an inspect shows it without an event", `
			given memory=32
			up
			list running oom
			update running
			= event out-of-memory
			> nothing`},
		{"it makes the worker exit", `
			given memory=32
			up
			oom
			die 137
			= no-event out-of-memory
			> start 1
			= fault oom`},
	})
}

// A memory reading shortly before the exit is evidence, and appears in the detail.
func TestMemoryEvidence(t *testing.T) {
	s := play(t, "given memory=32\nup")
	s.m.DisplayStatsRead(s.now, s.m.Saved().Incarnation, worker.Usage{Now: worker.Stats{At: s.now, CPU: time.Second, Memory: 31 << 20}})
	s.goOn("+4s\ndie 137\n> start 1")
	require.Equal(t, "killed, but no signal was sent through the engine; 4s before it used 31 MiB of its 32 MiB of memory", s.details[len(s.details)-1])
	s = play(t, "given memory=32\nup\ndie 137\n> start 1")
	require.Equal(t, "killed, but no signal was sent through the engine; its memory limit is 32 MiB", s.details[len(s.details)-1])
}

// A memory reading explains an exit for a minute.
func TestAgeOfMemoryEvidence(t *testing.T) {
	for age, want := range map[string]string{
		"0s":      "0s before it used 31 MiB of its 32 MiB of memory",
		"1m":      "1m0s before it used 31 MiB of its 32 MiB of memory",
		"60001ms": "its memory limit is 32 MiB",
	} {
		s := play(t, "given memory=32\nup")
		s.m.DisplayStatsRead(s.now, s.m.Saved().Incarnation, worker.Usage{Now: worker.Stats{At: s.now, CPU: time.Second, Memory: 31 << 20}})
		s.goOn("+" + age + "\ndie 137\n> start 1")
		require.Equal(t, "killed, but no signal was sent through the engine; "+want, s.details[len(s.details)-1])
	}
}
