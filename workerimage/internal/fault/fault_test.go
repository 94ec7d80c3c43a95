package fault

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	tests := map[string][]Fault{
		"":                    nil,
		" , ":                 nil,
		"crash":               {{Kind: Crash}},
		"crash@30s":           {{Kind: Crash, After: 30 * time.Second}},
		"crash@60s~20s":       {{Kind: Crash, After: time.Minute, Spread: 20 * time.Second}},
		"exit":                {{Kind: Exit, Arg: 1}},
		"exit:0@1m":           {{Kind: Exit, After: time.Minute}},
		"leak,leak:8":         {{Kind: Leak, Arg: 64}, {Kind: Leak, Arg: 8}},
		"hang@5s, recover@1m": {{Kind: Hang, After: 5 * time.Second}, {Kind: Recover, After: time.Minute}},
	}
	for list, want := range tests {
		got, err := Parse(list)
		require.NoError(t, err, list)
		require.Equal(t, want, got, list)
	}
	for _, kind := range Kinds() {
		_, err := Parse(string(kind))
		require.NoError(t, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, list := range []string{
		"explode", "exit:256", "exit:-1", "exit:", "exit:x", "leak:0", "crash:1", "crash@", "crash@30", "crash@-1s", "crash@1s~", "crash@1s~x", "@1s", "crash@8761h", "crash@1s~2562047h",
	} {
		_, err := Parse(list)
		require.Error(t, err, list)
	}
	faults, err := Parse("hang,explode,exit:x")
	require.Error(t, err)
	require.Len(t, faults, 1)
}

// FuzzParse reads any list. Each fault is valid, its time is not in the past, and its name parses to the same fault.
func FuzzParse(f *testing.F) {
	for _, list := range []string{
		"crash@60s~20s", "unhealthy@10s,recover@40s", "exit:255,leak:1048576", " , ", "hang@2562047h~2562047h", "exit:1@-1s", "leak:+7@.5s~0", "crash@1s~\xff",
	} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		faults, err := Parse(list)
		again, sameErr := Parse(list)
		require.Equal(t, faults, again)
		require.Equal(t, err == nil, sameErr == nil)
		for _, one := range faults {
			require.Contains(t, Kinds(), one.Kind)
			require.GreaterOrEqual(t, one.After, time.Duration(0))
			require.GreaterOrEqual(t, one.Spread, time.Duration(0))
			due := one.due()
			require.True(t, due >= 0 && due >= one.After-one.Spread && due <= one.After+one.Spread)
			same, err := Parse(one.String())
			require.NoError(t, err)
			require.Equal(t, []Fault{{Kind: one.Kind, Arg: one.Arg}}, same)
		}
	})
}

func TestDueStaysWithinTheSpread(t *testing.T) {
	fault := Fault{After: 10 * time.Second, Spread: 4 * time.Second}
	seen := map[bool]int{}
	for range 200 {
		due := fault.due()
		require.GreaterOrEqual(t, due, 6*time.Second)
		require.LessOrEqual(t, due, 14*time.Second)
		seen[due < fault.After]++
	}
	require.Len(t, seen, 2)
	require.GreaterOrEqual(t, Fault{After: 1, Spread: time.Hour}.due(), time.Duration(0))
}

func TestFaultsComeWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newTrace()
		orders := make(chan []Fault)
		file := filepath.Join(t.TempDir(), "fault")
		stop := serve(t, world, file, orders, "exit:3@30s,crash@10s,exit:4")
		defer stop()

		time.Sleep(9 * time.Second)
		require.Equal(t, []string{"exit 4"}, world.take())
		time.Sleep(time.Second + pollInterval)
		require.Equal(t, []string{"crash"}, world.take())
		time.Sleep(20 * time.Second)
		require.Equal(t, []string{"exit 3"}, world.take())

		orders <- []Fault{{Kind: Unhealthy}}
		synctest.Wait()
		require.Equal(t, []string{"mute true"}, world.take())

		require.NoError(t, Send(file, "recover@5s"))
		time.Sleep(4 * time.Second)
		require.Empty(t, world.take())
		require.NoFileExists(t, file)
		time.Sleep(time.Second + 2*pollInterval)
		require.Equal(t, []string{"mute false"}, world.take())
	})
}

func TestABadFileIsRemovedAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newTrace()
		file := filepath.Join(t.TempDir(), "fault")
		require.Error(t, Send(file, "explode"))
		require.Error(t, Send(file, ""))
		require.NoFileExists(t, file)
		require.NoError(t, os.WriteFile(file, []byte("explode"), 0o600))
		stop := serve(t, world, file, nil, "")
		defer stop()
		time.Sleep(10 * pollInterval)
		require.NoFileExists(t, file)
		require.Equal(t, 1, world.lines())
	})
}

func TestAFileThatCannotBeRemovedIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newTrace()
		stop := serve(t, world, t.TempDir(), nil, "")
		defer stop()
		time.Sleep(10 * pollInterval)
		require.Equal(t, 1, world.lines())
		require.Empty(t, world.take())
	})
}

func TestLeakNeedsAMemoryLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newTrace()
		stop := serve(t, world, "", nil, "leak:1")
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, world.lines()) // the fault, and its refusal
		stop()

		world.memory = true
		stop = serve(t, world, "", nil, "leak:1,recover@10s")
		time.Sleep(11 * time.Second)
		stop() // hangs the test if the leak does not end
	})
}

func TestIgnoreTerm(t *testing.T) {
	injector := NewInjector(newTrace().world())
	require.False(t, injector.IgnoresTerm())
	injector.Inject(t.Context(), Fault{Kind: IgnoreTerm})
	require.True(t, injector.IgnoresTerm())
	injector.Inject(t.Context(), Fault{Kind: Recover})
	require.False(t, injector.IgnoresTerm())
}

func TestGate(t *testing.T) {
	for name, shut := range map[string]mode{"hang": hanging, "spin": spinning} {
		t.Run(name, func(t *testing.T) {
			gate := NewGate()
			gate.Pass(t.Context())
			gate.set(shut)
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer stop()
			gate.Pass(ctx)
			require.Error(t, ctx.Err(), "the gate is shut, only the end of the context lets a thread through")

			var passing sync.WaitGroup
			passing.Go(func() { gate.Pass(t.Context()) })
			gate.set(open)
			passing.Wait()
		})
	}
}

func serve(t *testing.T, world *trace, file string, orders <-chan []Fault, first string) (stop func()) {
	t.Helper()
	faults, err := Parse(first)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	scheduler := NewScheduler(NewInjector(world.world()), file, orders)
	var served sync.WaitGroup
	scheduler.Begin(ctx, faults)
	served.Go(func() { scheduler.Serve(ctx) })
	return func() { cancel(); served.Wait() }
}

// trace is a process that records the calls.
type trace struct {
	mu     sync.Mutex
	done   []string
	logged int
	memory bool
}

func newTrace() *trace { return &trace{} }

func (w *trace) world() Process {
	return Process{
		Exit:      func(code int) { w.note(fmt.Sprintf("exit %d", code)) },
		Crash:     func() { w.note("crash") },
		Memory:    func() (uint64, bool) { return 1 << 30, w.memory },
		Log:       func(string, ...any) { w.mu.Lock(); defer w.mu.Unlock(); w.logged++ },
		Heartbeat: w,
		Gate:      NewGate(),
	}
}

func (w *trace) Mute(on bool) { w.note(fmt.Sprintf("mute %v", on)) }

func (w *trace) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, what)
}

func (w *trace) lines() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logged
}

func (w *trace) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := w.done
	w.done = nil
	return done
}
