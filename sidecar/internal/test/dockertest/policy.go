package dockertest

import "time"

// Docker's own restart policy, as in moby restartmanager: 100 ms, doubled up to a minute, from the beginning again after a
// run of ten seconds or more.
const (
	policyFirstDelay = 100 * time.Millisecond
	policyMaxDelay   = time.Minute
	policyGoodRun    = 10 * time.Second
)

// restartManager is the policy's state. An API start makes a new one.
type restartManager struct {
	delay    time.Duration
	canceled bool
	pending  *due // the restart that waits for its delay
}

// wantsRestart decides at the end of a life. It keeps the order of the engine's own questions: always does not ask
// whether an operator stopped the container, it only notices that it was cancelled.
func (c *container) wantsRestart(code int, byHand bool, ran time.Duration) bool {
	m, policy := &c.restarts, c.Spec.RestartPolicy
	if !policy.Active() || m.canceled {
		return false
	}
	if ran >= policyGoodRun {
		m.delay = 0
	}
	m.delay = min(max(2*m.delay, policyFirstDelay), policyMaxDelay)
	switch policy.Name {
	case "always":
		return true
	case "unless-stopped":
		return !byHand
	case "on-failure":
		return code != 0 && (policy.MaxRetries == 0 || c.RestartCount < policy.MaxRetries)
	}
	return false
}

// settleExit is what the engine does when it learns of the end of a process. The caller holds the container's lock.
func (w *World) settleExit(c *container, p *process) {
	if c.process != p || !c.Running || c.gone {
		return
	}
	c.stopMonitor()
	ran := w.EngineNow().Sub(c.StartedAt)
	again := c.wantsRestart(p.exit.code, w.engine.phase == stopping || c.manuallyStopped, ran)
	if again {
		c.RestartCount++
		c.Restarting, c.Paused, c.Pid = true, false, 0
		c.ExitCode, c.FinishedAt = p.exit.code, p.exit.at
	} else {
		c.setStopped(p.exit.code, p.exit.at)
	}
	w.announceStopEarly(c)
	die := w.event(c, "die", p.exit.by)
	die.ExitCode = p.exit.code
	w.publish(die)
	if again {
		c.restarts.pending = w.engineAfter(c.restarts.delay, func() { w.policyStart(c) })
	} else if !c.manuallyRestarted {
		w.autoRemove(c)
	}
	c.tellStopped()
}

// announceStopEarly now and then lets the stop go out before the die: their order is a race in the engine.
func (w *World) announceStopEarly(c *container) {
	for _, wait := range c.stopped {
		if wait.announces && !wait.announced && w.oneIn(16, c.ID+"stop-first") {
			wait.announced = true
			w.emit(c, "stop", wait.by)
		}
	}
}

// policyStart is Docker's own restart after the delay. If it fails the container is stopped and never tried again.
func (w *World) policyStart(c *container) {
	c.acquire(func() {
		if c.gone || !c.Restarting || c.restarts.canceled {
			c.release()
			return
		}
		code, at := c.ExitCode, c.FinishedAt
		w.bringUp(c, ByDocker, false, func(err *Error) {
			if err != nil {
				c.setStopped(code, at)
				w.autoRemove(c)
				c.tellStopped()
			}
			c.release()
		})
	})
}

// cancelPolicy turns the policy off until the next start through the API, and ends a wait for its restart.
func (c *container) cancelPolicy() {
	c.restarts.canceled = true
	if c.Restarting {
		c.restarts.pending.off()
		c.setStopped(c.ExitCode, c.FinishedAt)
		c.w.autoRemove(c)
		c.tellStopped()
	}
}

// autoRemove removes a container that was run with --rm. A container that ended for a restart through the API, and one
// that ends because the engine goes down, is spared; the latter is removed at the next boot.
func (w *World) autoRemove(c *container) {
	if !c.Spec.AutoRemove || c.Removing || c.gone || w.engine.phase != serving {
		return
	}
	c.Removing = true
	wait := w.draw(c.ID+"remove", w.config.Timing.Remove)
	if len(c.stopped) > 0 {
		wait += w.config.Timing.Stop // a stop is announced first
	}
	w.engineAfter(wait, func() { w.bury(c, ByItself) })
}

// bury forgets a container.
func (w *World) bury(c *container, by Actor) {
	if c.gone {
		return
	}
	c.gone = true
	c.Removing, c.Dead = false, true
	c.monitor.off()
	c.restarts.pending.off()
	kept := w.containers[:0]
	for _, other := range w.containers {
		if other != c {
			kept = append(kept, other)
		}
	}
	w.containers = kept
	w.removed = append(w.removed, c)
	w.dropVolumes(c)
	w.emit(c, "destroy", by)
}
