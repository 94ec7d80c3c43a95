package dockertest

import (
	"fmt"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// probesKept is how many results the engine keeps, and startInterval its pause between probes during the start period
// (moby daemon/health.go).
const (
	probesKept    = 5
	startInterval = 5 * time.Second
)

// startMonitor begins the probes of a new life. The old results stay.
func (c *container) startMonitor() {
	if c.Spec.Health == nil {
		return
	}
	c.Health, c.Streak = worker.HealthStarting, 0
	c.scheduleProbe()
}

// stopMonitor ends the probes, and sets unhealthy, without an event: the health of a stopped or paused container
// means nothing.
func (c *container) stopMonitor() {
	if c.Spec.Health == nil || c.monitor == nil {
		return
	}
	c.monitor.off()
	c.monitor = nil
	c.Health = worker.HealthUnhealthy
}

func (c *container) scheduleProbe() {
	h := c.Spec.Health
	wait := h.Interval
	if c.Health == worker.HealthStarting && c.w.EngineNow().Sub(c.StartedAt) < h.StartPeriod {
		wait = min(startInterval, h.Interval)
	}
	c.monitor = c.w.engineAfter(wait, c.probe)
}

// probe runs one probe; its result comes when it is through or cut off.
func (c *container) probe() {
	w, began, check := c.w, c.w.EngineNow(), c.process.healthCheck(c.w.now)
	took := min(w.draw(c.ID+"probe", w.config.Timing.Probe), c.Spec.Health.Timeout)
	if check == Hanging {
		took = c.Spec.Health.Timeout
	}
	if w.config.ProbeEvents {
		w.emit(c, "exec_create: worker healthcheck", ByEngine)
		w.emit(c, "exec_start: worker healthcheck", ByEngine)
	}
	c.monitor = w.engineAfter(took, func() {
		if w.config.ProbeEvents {
			w.emit(c, "exec_die", ByEngine)
		}
		c.judge(began, outcomeOf(check, *c.Spec.Health, began))
		c.scheduleProbe()
	})
}

func outcomeOf(check CheckResult, h Healthcheck, began time.Time) worker.Probe {
	switch check {
	case Failing:
		return worker.Probe{At: began, ExitCode: 1, Output: "heartbeat too old\n"}
	case Hanging:
		return worker.Probe{
			At: began, ExitCode: worker.ProbeTimedOut, Output: fmt.Sprintf("Health check exceeded timeout (%v)", h.Timeout),
		}
	}
	return worker.Probe{At: began, Output: "ok\n"}
}

// judge counts a result in and emits an event when the health changed.
func (c *container) judge(began time.Time, result worker.Probe) {
	h, before := c.Spec.Health, c.Health
	c.Probes = append(c.Probes, result)
	if len(c.Probes) > probesKept {
		c.Probes = c.Probes[len(c.Probes)-probesKept:]
	}
	early := c.Health == worker.HealthStarting && began.Sub(c.StartedAt) < h.StartPeriod
	switch {
	case result.ExitCode == 0:
		c.Streak, c.Health = 0, worker.HealthHealthy
	case !early:
		c.Streak++
		if c.Streak >= h.Retries {
			c.Health = worker.HealthUnhealthy
		}
	}
	if c.Health != before {
		c.w.emit(c, "health_status: "+string(c.Health), ByItself)
	}
}
