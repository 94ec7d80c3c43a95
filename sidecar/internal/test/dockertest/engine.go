package dockertest

import (
	"syscall"
	"time"
)

// phase is how far the engine process is.
type phase uint8

const (
	down     phase = iota
	booting        // containers are settled and started; no requests yet
	serving        // requests are answered
	stopping       // going down in good order: no new requests, streams still open
)

// engine is the engine process.
type engine struct {
	phase    phase
	bootedAt time.Time     // the engine's clock; the default bridge is made then
	skew     time.Duration // of its clock
	epoch    uint64        // what an engine process put on the timeline dies with it
	turns    hooks[turn]
}

// engineAfter puts something on the timeline that an engine which falls forgets.
func (w *World) engineAfter(d time.Duration, do func()) *due {
	epoch := w.engine.epoch
	return w.after(d, func() {
		if w.engine.epoch == epoch {
			do()
		}
	})
}

// EngineUp reports whether the engine takes requests.
func (w *World) EngineUp() bool { return w.engine.phase == serving }

// EngineStopping reports whether the engine is going down in good order.
func (w *World) EngineStopping() bool { return w.engine.phase == stopping }

// BootedAt is when this engine process made its default bridge, on its own clock. What it did before that, to containers that
// had outlived the engine before, is in its ring with earlier times.
func (w *World) BootedAt() time.Time { return w.engine.bootedAt }

// ShutDown takes the engine down in good order: no new requests, kill, die and stop for each running container, then the
// streams break (watched on 20.10.24).
func (w *World) ShutDown() {
	if !w.EngineUp() {
		return
	}
	w.closeListeners(stopping)
	left := 1
	done := func() {
		if left--; left == 0 {
			w.engineAfter(w.config.Timing.Shutdown, w.fall)
		}
	}
	for _, c := range append([]*container(nil), w.containers...) {
		if c.Running {
			left++
			w.stopFlow(c, stopOrder{by: ByEngine, grace: OwnGrace}, func(*Error) { done() })
		}
	}
	done()
}

// CrashEngine kills the engine process: the streams break at once, without events, and the containers run on.
func (w *World) CrashEngine() {
	if w.engine.phase != down {
		w.fall()
	}
}

// lostExit is the exit code that the engine gives a container whose end it did not see.
const lostExit = 255

// CrashHost takes engine and containers down at once, as a power cut does.
func (w *World) CrashHost() {
	w.CrashEngine()
	for _, c := range w.containers {
		if c.process != nil && c.process.alive {
			c.process.exit.by = ByEngine
			c.process.freezer.frozen = false
			c.process.end(lostExit, false)
		}
	}
}

// fall is the end of the engine process.
func (w *World) fall() {
	w.closeListeners(down)
	w.engine.epoch++
	w.events.ring = nil
	for _, c := range w.containers {
		c.busy, c.waiting, c.stopped = false, nil, nil
		c.monitor, c.restarts.pending = nil, nil
		c.Removing = false
	}
	for _, call := range w.calls {
		call.breakOff()
	}
	w.calls = nil
	w.engine.turns.call(streamsBroke)
}

// Boot starts an engine process that is down. Containers that outlived the last one are stopped first, with kill, die and
// stop in the new ring; then the bridge is made, and the policies apply.
func (w *World) Boot() {
	if w.engine.phase != down {
		return
	}
	w.engine.phase = booting
	w.engineAfter(w.config.Timing.Boot/2, func() {
		left := 1
		done := func() {
			if left--; left == 0 {
				w.engineAfter(20*time.Millisecond, w.finishBoot)
			}
		}
		for _, c := range append([]*container(nil), w.containers...) {
			if w.survived(c) {
				left++
				w.reap(c, done)
			}
		}
		done()
	})
}

// survived settles what died while the engine was away, and reports whether the process still runs.
func (w *World) survived(c *container) bool {
	if !c.Running {
		return false
	}
	if c.process.alive {
		return true
	}
	at := c.process.exit.at
	if c.process.exit.code == lostExit {
		at = w.EngineNow()
	}
	c.setStopped(c.process.exit.code, at)
	return false
}

// reap stops a container that outlived the engine. The engine is not shutting down then, so that it takes its own stop for
// one by hand: unless-stopped stays down after a crash of the engine (watched on 20.10.24). No monitor runs, so that the
// health stays what it was.
func (w *World) reap(c *container, done func()) {
	c.manuallyStopped = true
	c.restarts = restartManager{canceled: true}
	w.stopFlow(c, stopOrder{by: ByEngine, grace: OwnGrace}, func(*Error) { done() })
}

// finishBoot makes the bridge and starts what the policies want; requests are answered when all that is through.
func (w *World) finishBoot() {
	w.engine.bootedAt = w.EngineNow()
	w.engineAfter(w.config.Timing.Boot/2, func() {
		left := 1
		done := func() {
			if left--; left == 0 {
				w.openListeners()
			}
		}
		for _, c := range append([]*container(nil), w.containers...) {
			if w.startsAtBoot(c) {
				left++
				c.acquire(func() { w.bringUp(c, ByEngine, true, func(*Error) { c.release(); done() }) })
			} else if c.Spec.AutoRemove && c.startedBefore {
				w.bury(c, ByEngine)
			}
		}
		done()
	})
}

// startsAtBoot asks the policy with a fresh manager, which was never cancelled.
func (w *World) startsAtBoot(c *container) bool {
	c.restarts = restartManager{}
	return c.startedBefore && !c.Running && c.wantsRestart(c.ExitCode, c.manuallyStopped, c.FinishedAt.Sub(c.StartedAt))
}

// closeListeners ends the time in which requests are answered, if it lasted until now.
func (w *World) closeListeners(next phase) {
	was := w.engine.phase
	w.engine.phase = next
	if was != serving {
		return
	}
	w.engine.turns.call(listenersClosed)
}

func (w *World) openListeners() {
	w.engine.phase = serving
	w.engine.turns.call(listenersOpen)
}

// RestartEngine is a shutdown with a boot after it, away for a while in between.
func (w *World) RestartEngine(away time.Duration) {
	w.ShutDown()
	w.bootWhenDown(away)
}

func (w *World) bootWhenDown(away time.Duration) {
	if w.engine.phase != down {
		w.after(10*time.Millisecond, func() { w.bootWhenDown(away) })
		return
	}
	w.after(away, w.Boot)
}

// stopSignal is the signal that stops c.
func (c *container) stopSignal() syscall.Signal {
	if c.Spec.StopSignal != 0 {
		return c.Spec.StopSignal
	}
	return syscall.SIGTERM
}
