package fault

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Muter stops the heartbeat while work goes on.
type Muter interface {
	Mute(on bool)
}

// World is what faults do to the process. Functions, so that a test survives them.
type World struct {
	Exit   func(code int)        // ends the process at once, with no checkpoint
	Crash  func()                // ends it by SIGSEGV
	Memory func() (uint64, bool) // the container's memory limit
	Say    func(string, ...any)  // one line for people
	Heart  Muter
	Gate   *Gate
}

// Injector makes faults happen.
type Injector struct {
	world      World
	ignoreTerm atomic.Bool

	mu    sync.Mutex
	leaks sync.WaitGroup
	plug  context.CancelFunc // stops the leak
}

// NewInjector does nothing until Inject.
func NewInjector(world World) *Injector { return &Injector{world: world, plug: func() {}} }

// IgnoresTerm says whether SIGTERM is to do nothing.
func (i *Injector) IgnoresTerm() bool { return i.ignoreTerm.Load() }

// Inject makes the fault happen now, whatever its time says. A leak ends with ctx.
func (i *Injector) Inject(ctx context.Context, fault Fault) {
	i.world.Say("fault: %s", fault)
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
		i.world.Heart.Mute(true)
	case Recover:
		i.undo()
	}
}

func (i *Injector) undo() {
	i.mu.Lock()
	i.plug()
	i.mu.Unlock()
	i.world.Heart.Mute(false)
	i.ignoreTerm.Store(false)
	i.world.Gate.set(open)
}

// leak refuses to run without a memory limit: there the kernel would look for a victim on the whole host.
func (i *Injector) leak(ctx context.Context, perSecond int) {
	if _, limited := i.world.Memory(); !limited {
		i.world.Say("fault: leak refused, this container has no memory limit: set mem_limit")
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.plug()
	ctx, i.plug = context.WithCancel(ctx)
	i.leaks.Go(func() { take(ctx, perSecond) })
}

// wait returns when no leak runs any more.
func (i *Injector) wait() {
	i.mu.Lock()
	i.plug()
	i.mu.Unlock()
	i.leaks.Wait()
}

const leakTick = 50 * time.Millisecond

// take holds more and more memory until ctx ends. A page counts only once it was written to.
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
