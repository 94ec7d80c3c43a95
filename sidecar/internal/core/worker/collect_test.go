package worker_test

import (
	"fmt"
	"os"
	"sort"
	"sync"
	"testing"
	"time"

	"stoker/sidecar/internal/core/worker"
)

var seenMu sync.Mutex
var seenTransitions = map[string]int{}

func observed(m *worker.Machine, now time.Time, in worker.Input) worker.Effects {
	before := m.View().Phase
	e := m.Step(now, in)
	seenMu.Lock()
	seenTransitions[fmt.Sprintf("%s|%s|%s", before, worker.InputName(in), m.View().Phase)]++
	seenMu.Unlock()
	return e
}

func TestMain(m *testing.M) {
	code := m.Run()
	if f := os.Getenv("COLLECT"); f != "" {
		var lines []string
		for k, n := range seenTransitions {
			lines = append(lines, fmt.Sprintf("%s|%d", k, n))
		}
		sort.Strings(lines)
		out, _ := os.Create(f)
		for _, l := range lines {
			fmt.Fprintln(out, l)
		}
		out.Close()
	}
	os.Exit(code)
}
