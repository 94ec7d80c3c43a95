package dockertest

import (
	"strings"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// process is what runs in a container during one life. It belongs to the host: an engine that falls does not take
// it along.
type process struct {
	c         *container
	began     time.Time
	behaviour Behaviour
	alive     bool
	frozen    bool
	frozenAt  time.Time
	ending    *due           // its own end or the one that a signal brought about
	left      time.Duration  // of ending, while frozen
	endCode   int            // of ending
	endOOM    bool           // of ending
	killer    Actor          // who asked for its end; ByItself while no client did
	pending   syscall.Signal // the strongest signal that waits for the thaw; 0 is none
	forced    *Sickness      // set from outside, over what the behaviour gives
	ended     time.Time      // the engine's clock
}

// begin starts a process in c.
func (w *World) begin(c *container, by Actor) {
	p := &process{c: c, began: w.now, behaviour: c.Spec.behaviour(len(c.lives)), alive: true, killer: ByItself}
	c.process = p
	c.lives = append(c.lives, Life{Incarnation: c.incarnation(), Name: c.Name, Began: w.now, StartedBy: by})
	if p.behaviour.RunFor > 0 {
		p.endAfter(p.behaviour.RunFor, p.behaviour.ExitCode, p.behaviour.OOM)
	}
}

func (p *process) life() *Life { return &p.c.lives[len(p.c.lives)-1] }

// endAfter plans the end. An end that comes sooner stands.
func (p *process) endAfter(d time.Duration, code int, oom bool) {
	w := p.c.w
	if p.frozen {
		if p.ending == nil || d < p.left {
			p.left, p.endCode, p.endOOM = d, code, oom
			p.ending = &due{}
		}
		return
	}
	if p.ending != nil && p.ending.do != nil && p.ending.at.Before(w.now.Add(d)) {
		return
	}
	p.ending.off()
	p.endCode, p.endOOM = code, oom
	p.ending = w.after(d, func() { p.end(code, oom) })
}

// end is the end of the process. The engine learns of it a little later, if it is there to learn.
func (p *process) end(code int, oom bool) {
	if !p.alive {
		return
	}
	w, c := p.c.w, p.c
	p.ending.off()
	p.alive, p.endCode, p.ended = false, code, w.EngineNow()
	life := p.life()
	life.Ended, life.EndedBy, life.ExitCode = w.now, p.killer, code
	w.killNamespace(c)
	if w.engine.phase == down {
		c.OOMKilled = c.OOMKilled || oom
		return // the boot finds it
	}
	if oom {
		c.OOMKilled = true
		w.emit(c, "oom", ByItself)
	}
	w.engineAfter(w.draw(c.ID+"exit", w.config.Timing.Exit), func() {
		c.acquire(func() {
			w.settleExit(c, p)
			c.release()
		})
	})
}

// signal delivers a signal that by sent. PID 1 has no default action for signals that it does not handle, so that all but
// the ones that mean stop are lost on it.
func (p *process) signal(sig syscall.Signal, by Actor) {
	if !p.alive {
		return
	}
	if p.frozen {
		if p.pending != syscall.SIGKILL {
			p.pending = sig
		}
		p.killer = by
		return
	}
	switch {
	case sig == syscall.SIGKILL:
		p.killer = by
		p.end(137, false)
	case p.windsUp(sig) && !p.behaviour.IgnoreTerm:
		p.killer = by
		p.endAfter(p.behaviour.TermDelay, p.behaviour.TermExit, false)
	}
}

func (p *process) windsUp(sig syscall.Signal) bool {
	switch sig {
	case p.c.Spec.StopSignal, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
		return true
	}
	return false
}

// freeze stops its time.
func (p *process) freeze() {
	w := p.c.w
	p.frozen, p.frozenAt = true, w.now
	if p.ending != nil && p.ending.do != nil {
		p.left = p.ending.at.Sub(w.now)
		p.ending.off()
	}
}

// thaw lets its time go on, and delivers what came meanwhile.
func (p *process) thaw() {
	w := p.c.w
	p.frozen = false
	p.began = p.began.Add(w.now.Sub(p.frozenAt))
	if p.ending != nil {
		code, oom := p.endCode, p.endOOM
		p.ending = w.after(p.left, func() { p.end(code, oom) })
	}
	if sig := p.pending; sig != 0 {
		p.pending = 0
		p.signal(sig, p.killer)
	}
}

// sickness is what a probe finds now.
func (p *process) sickness(now time.Time) Sickness {
	b, age := p.behaviour, now.Sub(p.began)
	switch {
	case p.forced != nil:
		return *p.forced
	case age < b.WellAfter:
		return Failing
	case b.SickAfter > 0 && age >= b.SickAfter && b.Sickness == Well:
		return Failing
	case b.SickAfter > 0 && age >= b.SickAfter:
		return b.Sickness
	}
	return Well
}

// Crash sends a signal from the host, as a kill of the pid does: no API, no kill event. On a frozen process it waits
// for the thaw (cgroup v1).
func (w *World) Crash(name string, sig syscall.Signal) bool {
	return w.strike(name, func(p *process) {
		if p.frozen {
			p.pending = syscall.SIGKILL
			return
		}
		p.killer = ByItself
		p.end(128+int(sig), false)
	})
}

// Exit makes the process end by itself.
func (w *World) Exit(name string, code int) bool {
	return w.strike(name, func(p *process) {
		p.killer = ByItself
		p.endAfter(0, code, false)
	})
}

// OOM makes the kernel end the process for want of memory.
func (w *World) OOM(name string) bool {
	return w.strike(name, func(p *process) {
		p.killer = ByItself
		p.endAfter(0, 137, true)
	})
}

// Sicken makes the probes of this life find what is given, from the next one on; Well cures.
func (w *World) Sicken(name string, s Sickness) bool {
	return w.strike(name, func(p *process) { p.forced = &s })
}

// strike does something to the living process of a container; false when there is none.
func (w *World) strike(name string, f func(*process)) bool {
	c := w.find(name)
	if c == nil || c.process == nil || !c.process.alive {
		return false
	}
	f(c.process)
	return true
}

// Behave changes what the container's lives are like: the next ones, and whether this one minds its stop signal.
func (w *World) Behave(name string, b Behaviour) bool {
	c := w.lastOf(name)
	if c == nil {
		return false
	}
	for _, one := range append(w.removedOf(name), c) {
		one.Spec.Behaviour, one.Spec.Lives = b, nil
	}
	if p := c.process; p != nil && p.alive {
		p.behaviour.IgnoreTerm, p.behaviour.TermDelay, p.behaviour.TermExit = b.IgnoreTerm, b.TermDelay, b.TermExit
	}
	return true
}

// lastOf is the container of that name, or the last one that had it: another one may be made like it.
func (w *World) lastOf(name string) *container {
	if c := w.find(name); c != nil {
		return c
	}
	if removed := w.removedOf(name); len(removed) > 0 {
		return removed[len(removed)-1]
	}
	return nil
}

// removedOf are the containers of that name that are gone, in the order of their removals. One with --rm is set aside before it is
// stopped to be recreated, and so has another name when it goes; what is made from it later is the worker all the same.
func (w *World) removedOf(name string) []*container {
	var removed []*container
	for _, old := range w.removed {
		if strings.TrimSuffix(old.Name, worker.BackupSuffix) == name {
			removed = append(removed, old)
		}
	}
	return removed
}

// FailStarts makes the next starts of a container fail, one after the other, with these errors.
func (w *World) FailStarts(name string, errs ...string) bool {
	c := w.find(name)
	if c == nil {
		return false
	}
	c.failStarts = append(c.failStarts, errs...)
	return true
}

// BreakStarts takes away something that a container mounts, until reason is empty. The engine refuses starts through the
// API before they begin, with status 400: that leaves no error in the state (watched on 20.10.24).
func (w *World) BreakStarts(name, reason string) bool {
	c := w.find(name)
	if c == nil {
		return false
	}
	c.broken = reason
	return true
}

// TakePort gives a host port to another process: starts of containers that publish it fail.
func (w *World) TakePort(port int) { w.ports[port] = true }

// FreePort gives it back.
func (w *World) FreePort(port int) { delete(w.ports, port) }

// LetStart ends all that keeps a container from starting, apart from taken ports.
func (w *World) LetStart(name string) {
	if c := w.lastOf(name); c != nil {
		for _, one := range append(w.removedOf(name), c) {
			one.failStarts, one.broken = nil, ""
		}
	}
}
