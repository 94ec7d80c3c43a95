package dockertest

import (
	"syscall"
	"time"
)

// process is what runs in a container during one life. It belongs to the host: an engine that falls does not take
// it along.
type process struct {
	c         *container
	began     time.Time
	behaviour Behaviour
	forced    *CheckResult // set from outside, over what the behaviour gives
	alive     bool
	exit      processExit
	freezer   freezer
}

// processExit is the end of a process: its own or the one that a signal brings about, to come or past.
type processExit struct {
	due  *due
	left time.Duration // until due, while frozen
	code int
	oom  bool
	by   Actor     // who asked for it; ByItself while no client did
	at   time.Time // the engine's clock; zero before
}

// freezer is the cgroup's: it stops the time of a process.
type freezer struct {
	frozen  bool
	since   time.Time
	pending syscall.Signal // the strongest that waits for the thaw; 0 is none
}

// begin starts a process in c.
func (w *World) begin(c *container, by Actor) {
	p := &process{c: c, began: w.now, behaviour: c.Spec.behaviour(len(c.lives)), alive: true, exit: processExit{by: ByItself}}
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
	if p.freezer.frozen {
		if p.exit.due == nil || d < p.exit.left {
			p.exit.left, p.exit.code, p.exit.oom = d, code, oom
			p.exit.due = &due{}
		}
		return
	}
	if p.exit.due != nil && p.exit.due.do != nil && p.exit.due.at.Before(w.now.Add(d)) {
		return
	}
	p.exit.due.off()
	p.exit.code, p.exit.oom = code, oom
	p.exit.due = w.after(d, func() { p.end(code, oom) })
}

// end is the end of the process. The engine learns of it a little later, if it is there to learn.
func (p *process) end(code int, oom bool) {
	if !p.alive {
		return
	}
	w, c := p.c.w, p.c
	p.exit.due.off()
	p.alive, p.exit.code, p.exit.at = false, code, w.EngineNow()
	life := p.life()
	life.Ended, life.EndedBy, life.ExitCode = w.now, p.exit.by, code
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
	if p.freezer.frozen {
		if p.freezer.pending != syscall.SIGKILL {
			p.freezer.pending = sig
		}
		p.exit.by = by
		return
	}
	switch {
	case sig == syscall.SIGKILL:
		p.exit.by = by
		p.end(137, false)
	case p.windsUp(sig) && !p.behaviour.IgnoreTerm:
		p.exit.by = by
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
	p.freezer.frozen, p.freezer.since = true, w.now
	if p.exit.due != nil && p.exit.due.do != nil {
		p.exit.left = p.exit.due.at.Sub(w.now)
		p.exit.due.off()
	}
}

// thaw lets its time go on, and delivers what came meanwhile.
func (p *process) thaw() {
	w := p.c.w
	p.freezer.frozen = false
	p.began = p.began.Add(w.now.Sub(p.freezer.since))
	if p.exit.due != nil {
		code, oom := p.exit.code, p.exit.oom
		p.exit.due = w.after(p.exit.left, func() { p.end(code, oom) })
	}
	if sig := p.freezer.pending; sig != 0 {
		p.freezer.pending = 0
		p.signal(sig, p.exit.by)
	}
}

// healthCheck is what a probe finds now.
func (p *process) healthCheck(now time.Time) CheckResult {
	b, age := p.behaviour, now.Sub(p.began)
	switch {
	case p.forced != nil:
		return *p.forced
	case age < b.PassAfter:
		return Failing
	case b.FailAfter > 0 && age >= b.FailAfter && b.FailResult == Passing:
		return Failing
	case b.FailAfter > 0 && age >= b.FailAfter:
		return b.FailResult
	}
	return Passing
}

// Crash sends a signal from the host, as a kill of the pid does: no API, no kill event. On a frozen process it waits
// for the thaw (cgroup v1).
func (w *World) Crash(name string, sig syscall.Signal) bool {
	return w.strike(name, func(p *process) {
		if p.freezer.frozen {
			p.freezer.pending = syscall.SIGKILL
			return
		}
		p.exit.by = ByItself
		p.end(128+int(sig), false)
	})
}

// Exit makes the process end by itself.
func (w *World) Exit(name string, code int) bool {
	return w.strike(name, func(p *process) {
		p.exit.by = ByItself
		p.endAfter(0, code, false)
	})
}

// OOM makes the kernel end the process for want of memory.
func (w *World) OOM(name string) bool {
	return w.strike(name, func(p *process) {
		p.exit.by = ByItself
		p.endAfter(0, 137, true)
	})
}

// SetHealthCheck makes the probes of this life find what is given, from the next one on.
func (w *World) SetHealthCheck(name string, result CheckResult) bool {
	return w.strike(name, func(p *process) { p.forced = &result })
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
func (w *World) TakePort(port int) { w.machine.ports[port] = true }

// FreePort gives it back.
func (w *World) FreePort(port int) { delete(w.machine.ports, port) }

// LetStart ends all that keeps a container from starting, apart from taken ports.
func (w *World) LetStart(name string) {
	if c := w.lastOf(name); c != nil {
		for _, one := range append(w.removedOf(name), c) {
			one.failStarts, one.broken = nil, ""
		}
	}
}
