// Package thrift keeps Stoker small while nothing happens. What a start and a first look at the workers need is several times
// what waiting needs, and the Go runtime by itself gives little of it back.
package thrift

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

const (
	// growth is how much garbage may gather, in percent of what is in use. Stoker holds some 2 MiB: half of Go's usual growth saves
	// 3 MiB.
	growth = 50
	// every is the time between two looks at how much is resident.
	every = 30 * time.Second
	// settling is the time from the start to the first clean-up.
	settling = 5 * time.Second
	// worthwhile is by how much, in bytes, Stoker must have grown since the last clean-up: one costs as much CPU as many minutes of
	// waiting, so that there is none while nothing happens.
	worthwhile = 2 << 20
)

// Run gives back to the kernel what is not in use, until ctx ends: memory of Go's heap, and pages of the program's file, which come
// back from the kernel's cache when they are needed. GOGC in the environment is obeyed.
func Run(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	next := time.NewTimer(settling)
	defer next.Stop()
	for small := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			small = cleanUp(small)
			next.Reset(every)
		}
	}
}

// cleanUp is worth it when Stoker has grown since it was this small, in bytes. It returns how small it is now.
func cleanUp(small int) int {
	if resident() < small+worthwhile {
		return small
	}
	debug.FreeOSMemory()
	dropProgram()
	return resident()
}

// resident is the process's memory in bytes, pages of files included; 0 when the kernel does not tell.
func resident() int {
	var all, pages int
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		_, _ = fmt.Sscan(string(text), &all, &pages)
	}
	return pages * os.Getpagesize()
}
