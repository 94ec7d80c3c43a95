package dockertest

import (
	"math"
	"net/http"
	"syscall"
	"time"
)

// OwnGrace as a grace is the container's own stop timeout, else the engine's. Any other grace below zero is
// for ever.
const OwnGrace = time.Duration(math.MinInt64)

// engineGrace is the engine's default stop timeout.
const engineGrace = 10 * time.Second

// stopOrder is how a container is to be stopped.
type stopOrder struct {
	by    Actor
	grace time.Duration
}

func (c *container) grace(asked time.Duration) time.Duration {
	if asked != OwnGrace {
		return asked
	}
	if c.Spec.StopTimeout != 0 {
		return c.Spec.StopTimeout
	}
	return engineGrace
}

// stop is POST stop.
func (w *World) stop(c *container, s stopOrder, done func(*Error)) {
	if !c.Running {
		done(refuse(http.StatusNotModified, "container is already stopped"))
		return
	}
	w.stopFlow(c, s, done)
}

// stopFlow sends the stop signal, waits for the grace, sends SIGKILL, and emits stop at the end. In the wait for a restart by
// the policy there is no process to signal: then stop is all that is emitted.
func (w *World) stopFlow(c *container, s stopOrder, done func(*Error)) {
	var force *due
	wait := &stopWait{by: s.by, announces: true}
	wait.then = func() {
		force.off()
		w.engineAfter(w.draw(c.ID+"stop", w.config.Timing.Stop), func() {
			if !wait.announced {
				w.emit(c, "stop", s.by)
			}
			done(nil)
		})
	}
	c.acquire(func() {
		if c.gone {
			c.release()
			done(noSuch(c.Name))
			return
		}
		w.sendSignal(c, c.stopSignal(), s.by)
		c.release()
		if grace := c.grace(s.grace); grace >= 0 {
			force = w.engineAfter(grace, func() { w.force(c, s.by) })
		}
		c.whenStopped(wait)
	})
}

// force sends SIGKILL if the container still runs.
func (w *World) force(c *container, by Actor) {
	c.acquire(func() {
		if c.Running {
			w.sendSignal(c, syscall.SIGKILL, by)
		}
		c.release()
	})
}

// sendSignal is moby's killWithSignal: any signal is a stop by hand for the engine, and turns off the policy unless the
// container has a stop signal of its own and this is another one. The caller holds the lock.
func (w *World) sendSignal(c *container, sig syscall.Signal, by Actor) {
	if !c.Running {
		return
	}
	if w.engine.phase != stopping {
		c.manuallyStopped = true
	}
	thaw := false
	if c.Spec.StopSignal == 0 || sig == syscall.SIGKILL || sig == c.Spec.StopSignal {
		waiting := c.Restarting
		c.cancelPolicy()
		if waiting {
			if by == ByOperator {
				*c.wanted = false // whatever the signal, that is what it does
			}
			return
		}
		thaw = c.Paused
	}
	kill := w.event(c, "kill", by)
	kill.Signal = int(sig)
	w.publish(kill)
	c.process.signal(sig, by)
	if thaw {
		w.unfreeze(c, by)
	}
}

// kill is POST kill. SIGKILL waits for the end; any other signal is only sent.
func (w *World) kill(c *container, sig syscall.Signal, by Actor, done func(*Error)) {
	c.acquire(func() {
		if !c.Running {
			c.release()
			done(refuse(http.StatusConflict, "Cannot kill container: %s: Container %s is not running", c.Name, c.ID))
			return
		}
		if by == ByOperator && meansStop(sig, c.stopSignal()) {
			*c.wanted = false // also when it was not running yet when the request came
		}
		w.sendSignal(c, sig, by)
		c.release()
		if sig != syscall.SIGKILL {
			done(nil)
			return
		}
		c.whenStopped(&stopWait{then: func() { done(nil) }})
	})
}

// restart is POST restart: a stop if it runs, then a start, then restart. If the start fails the stop by hand stays in
// force, and with it Docker's policy is off.
func (w *World) restart(c *container, s stopOrder, done func(*Error)) {
	begin := func() {
		w.restartStart(c, s.by, func(err *Error) {
			if err == nil {
				w.emit(c, "restart", s.by)
			}
			done(err)
		})
	}
	if !c.Running {
		begin()
		return
	}
	c.manuallyRestarted = true
	w.stopFlow(c, s, func(*Error) { begin() })
}

func (w *World) restartStart(c *container, by Actor, done func(*Error)) {
	w.start(c, by, func(err *Error) {
		if err != nil && err.Status == http.StatusNotModified {
			err = nil // another client was quicker
		}
		if err != nil {
			err = refuse(err.Status, "Cannot restart container %s: %s", c.Name, err.Message)
		}
		done(err)
	})
}

// remove is DELETE.
func (w *World) remove(c *container, force bool, by Actor, done func(*Error)) {
	switch {
	case c.Removing:
		done(refuse(http.StatusConflict, "removal of container %s is already in progress", c.Name))
		return
	case c.Running && !force:
		done(refuse(http.StatusConflict,
			"You cannot remove a %s container %s. Stop the container before attempting removal or force remove",
			c.Status(), c.ID))
		return
	}
	c.Removing = true
	bury := func() {
		w.engineAfter(w.draw(c.ID+"remove", w.config.Timing.Remove), func() {
			w.bury(c, by)
			done(nil)
		})
	}
	c.acquire(func() { // which waits for a start under way
		if c.Running && !force {
			c.Removing = false
			c.release()
			done(refuse(http.StatusConflict, "container %s was started meanwhile", c.ID))
			return
		}
		w.sendSignal(c, syscall.SIGKILL, by)
		c.release()
		c.whenStopped(&stopWait{then: bury})
	})
}

// pause is POST pause.
func (w *World) pause(c *container, by Actor) *Error {
	switch {
	case !c.Running:
		return refuse(http.StatusConflict, "Container %s is not running", c.ID)
	case c.Paused:
		return refuse(http.StatusConflict, "Container %s is already paused", c.ID)
	case c.Restarting:
		return refuse(http.StatusConflict, "Container %s is restarting, wait until the container is running", c.ID)
	}
	c.Paused = true
	c.process.freeze()
	c.stopMonitor()
	w.emit(c, "pause", by)
	return nil
}

// unpause is POST unpause.
func (w *World) unpause(c *container, by Actor) *Error {
	if !c.Paused {
		return refuse(http.StatusInternalServerError, "Container %s is not paused", c.ID)
	}
	w.unfreeze(c, by)
	return nil
}

// unfreeze lets a paused container go on. Its health stays unhealthy until the first probe that works, running as it is
// (watched on 20.10.24).
func (w *World) unfreeze(c *container, by Actor) {
	c.Paused = false
	w.emit(c, "unpause", by)
	if c.Spec.Health != nil && c.monitor == nil {
		c.scheduleProbe()
	}
	c.process.thaw()
}

// rename is POST rename.
func (w *World) rename(c *container, name string, by Actor) *Error {
	if name == c.Name {
		return refuse(http.StatusBadRequest, "Renaming a container with the same name as its current name")
	}
	if other := w.named(name); other != nil {
		err := nameTaken(name, other)
		return refuse(err.Status, "Error when allocating new name: %s", err.Message)
	}
	old := c.Name
	c.Name = name
	event := w.event(c, "rename", by)
	event.OldName = "/" + old
	w.publish(event)
	return nil
}
