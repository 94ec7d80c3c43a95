package fault

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// HeartbeatSwitch stops the heartbeat while work goes on.
type HeartbeatSwitch interface {
	Mute(on bool)
}

// Process is the target of faults. It has functions, so that tests can replace them.
type Process struct {
	Exit      func(code int)        // ends the process at once, with no checkpoint
	Crash     func()                // ends it by SIGSEGV
	Memory    func() (uint64, bool) // the container's memory limit
	Log       func(string, ...any)  // logs one line
	Heartbeat HeartbeatSwitch
	Gate      *Gate
}

// Injector carries out faults.
type Injector struct {
	world      Process
	ignoreTerm atomic.Bool

	mu    sync.Mutex
	leaks sync.WaitGroup
	plug  context.CancelFunc // stops the leak
}

// NewInjector returns an injector, which does nothing until Inject.
func NewInjector(world Process) *Injector { return &Injector{world: world, plug: func() {}} }

// IgnoresTerm reports whether SIGTERM is ignored.
func (i *Injector) IgnoresTerm() bool { return i.ignoreTerm.Load() }

// Inject carries out the fault now, whatever its time. A leak ends with ctx.
func (i *Injector) Inject(ctx context.Context, fault Fault) {
	i.world.Log("fault: %s", fault)
	switch fault.Kind {
	case Crash:
		i.world.Crash()
	case Exit:
		i.world.Exit(fault.Arg)
	case Hang:
		i.world.Gate.set(hanging)
	case Spin:
		i.world.Gate.set(spinning)
	case Leak:
		i.leak(ctx, fault.Arg)
	case IgnoreTerm:
		i.ignoreTerm.Store(true)
	case Unhealthy:
		i.world.Heartbeat.Mute(true)
	case Recover:
		i.undo()
	}
}

func (i *Injector) undo() {
	i.mu.Lock()
	i.plug()
	i.mu.Unlock()
	i.world.Heartbeat.Mute(false)
	i.ignoreTerm.Store(false)
	i.world.Gate.set(open)
}

// leak refuses to run without a memory limit: the kernel would then kill any process of the host.
func (i *Injector) leak(ctx context.Context, perSecond int) {
	if _, limited := i.world.Memory(); !limited {
		i.world.Log("fault: leak refused, this container has no memory limit: set mem_limit")
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.plug()
	ctx, i.plug = context.WithCancel(ctx)
	i.leaks.Go(func() { take(ctx, perSecond) })
}

// wait returns when no leak runs.
func (i *Injector) wait() {
	i.mu.Lock()
	i.plug()
	i.mu.Unlock()
	i.leaks.Wait()
}

const leakTick = 50 * time.Millisecond

// take allocates more and more memory until ctx ends. A page counts only once it was written to.
func take(ctx context.Context, perSecond int) {
	tick := time.NewTicker(leakTick)
	defer tick.Stop()
	var held [][]byte
	portion := max(1, (perSecond<<20)/int(time.Second/leakTick))
	for {
		select {
		case <-ctx.Done():
			runtime.KeepAlive(held)
			return
		case <-tick.C:
			piece := make([]byte, portion)
			for at := 0; at < len(piece); at += 4096 {
				piece[at] = 1
			}
			held = append(held, piece)
		}
	}
}
