// Package thrift keeps Stoker small while nothing happens. What a start and a first look at the workers need is several times
// what waiting needs, and the Go runtime by itself gives little of it back.
package thrift

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

const (
	// growth is how much garbage may gather, in percent of what is in use. Stoker holds some 2 MiB: half of Go's usual growth saves
	// 3 MiB and costs a millisecond of CPU more for each look at a hundred workers.
	growth = 50
	// every is the time between two clean-ups. Each costs some 5 ms of CPU.
	every = 30 * time.Second
	// settling is the time from the start to the first clean-up.
	settling = 5 * time.Second
)

// Run gives back to the kernel what is not in use, until ctx ends: memory of Go's heap, and pages of the program's file, which come
// back from the kernel's cache when they are needed. GOGC in the environment is obeyed.
func Run(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	next := time.NewTimer(settling)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			debug.FreeOSMemory()
			dropProgram()
			next.Reset(every)
		}
	}
}
