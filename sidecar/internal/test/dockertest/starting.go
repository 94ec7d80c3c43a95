package dockertest

import (
	"fmt"
	"net/http"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Error is a request that the engine did not do. Status 0 is no answer at all.
type Error struct {
	Status  int
	Message string
	// Unsent: the engine was never reached, so that nothing was done. Only with Status 0.
	Unsent bool
}

func (e *Error) Error() string { return e.Message }

func refuse(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// start is POST start. The caller holds no lock.
func (w *World) start(c *container, by Actor, done func(*Error)) {
	c.acquire(func() {
		if err := c.startable(); err != nil {
			c.release()
			done(err)
			return
		}
		w.bringUp(c, by, true, func(err *Error) {
			if err == nil && by == ByOperator {
				*c.wanted = true
			}
			c.release()
			done(err)
		})
	})
}

func (c *container) startable() *Error {
	switch {
	case c.gone:
		return noSuch(c.Name)
	case c.Paused:
		return refuse(http.StatusConflict, "cannot start a paused container, try unpause instead")
	case c.Running:
		return refuse(http.StatusNotModified, "container is already running")
	case c.Removing || c.Dead:
		return refuse(http.StatusConflict, "container is marked for removal and cannot be started")
	case c.broken != "":
		return refuse(http.StatusBadRequest, "%s", c.broken)
	}
	return nil
}

func noSuch(ref string) *Error { return refuse(http.StatusNotFound, "No such container: %s", ref) }

// bringUp is the engine's own work for a start. afresh is a start through the API or at boot, which forgets the
// policy's state and the stop by hand, but only once nothing can fail any more. The caller holds the lock.
func (w *World) bringUp(c *container, by Actor, afresh bool, done func(*Error)) {
	w.engineAfter(w.draw(c.ID+"start", w.config.Timing.Start), func() {
		if err := w.startProblem(c, by); err != nil {
			w.failStart(c, err)
			done(err)
			return
		}
		if afresh {
			c.restarts = restartManager{}
			c.RestartCount = 0
			c.manuallyStopped = false
		}
		c.manuallyRestarted = false
		c.startedBefore = true
		c.Running, c.Paused, c.Restarting, c.Dead, c.OOMKilled = true, false, false, false, false
		c.ExitCode, c.Error = 0, ""
		c.Pid = 1000 + int(w.roll("pid")%30000)
		c.StartedAt = w.EngineNow()
		w.begin(c, by)
		// The process is there before its start event is.
		w.engineAfter(time.Millisecond, func() {
			c.startMonitor()
			w.emit(c, "start", by)
			done(nil)
		})
	})
}

// startProblem is why a start fails now.
func (w *World) startProblem(c *container, by Actor) *Error {
	if len(c.failStarts) > 0 {
		message := c.failStarts[0]
		c.failStarts = c.failStarts[1:]
		return refuse(http.StatusInternalServerError, "%s", message)
	}
	if c.broken != "" {
		return refuse(http.StatusInternalServerError, "%s", c.broken)
	}
	if err := w.namespaceProblem(c); err != nil {
		return err
	}
	if err := w.networkProblem(c); err != nil {
		return err
	}
	err := w.portProblem(c)
	if err != nil {
		w.loseNetwork(c, by)
	}
	return err
}

func (w *World) portTaken(port int, by *container) bool {
	if w.machine.ports[port] {
		return true
	}
	for _, c := range w.containers {
		if c != by && c.publishes(port) && c.Running && !c.Restarting {
			return true
		}
	}
	return false
}

// failStart leaves the error in the state without an event, and the exit code of the last life stays unless it
// was 0 (watched on 20.10.24).
func (w *World) failStart(c *container, err *Error) {
	c.Error = err.Message
	if c.ExitCode == 0 {
		c.ExitCode = 128
	}
	w.autoRemove(c)
}

// create makes a container.
func (w *World) create(spec Spec, by Actor, done func(string, *Error)) {
	w.engineAfter(w.draw("create", w.config.Timing.Create), func() {
		if spec.Name == "" {
			spec.Name = "container-" + decimal(int(w.made+1))
		}
		if other := w.named(spec.Name); other != nil {
			done("", nameTaken(spec.Name, other))
			return
		}
		c := w.add(spec)
		w.emit(c, "create", by)
		done(c.ID, nil)
	})
}

func (w *World) add(spec Spec) *container {
	w.made++
	spec = spec.filled()
	spec.Body = spec.Body.clone()
	c := &container{w: w, inherited: inherited{wanted: new(bool)}}
	w.inherit(c, spec.Labels)
	c.Details = Details{ID: longID(w.config.Seed ^ scramble(w.made)), Name: spec.Name, Spec: spec, Created: w.EngineNow()}
	w.bindNamespaces(c)
	w.furnish(c)
	c.Connected = spec.networks()
	if c.given == nil {
		given := c.networks()
		c.given, c.loss = &given, &Loss{}
	}
	c.Health = worker.HealthNone // with a health check too: the engine has none to show before the first start
	w.containers = append(w.containers, c)
	return c
}

// inherit makes a container that replaces another one the same worker to the world: what operators want of the one they want
// of the other, and what keeps the one from starting keeps the other. Of one that is gone an operator may want it back.
func (w *World) inherit(c *container, labels map[string]string) {
	of := labels[worker.MarkOf]
	if of == "" {
		return
	}
	for _, old := range w.containers {
		if old.ID == of {
			c.inherited = old.inherited
			return
		}
	}
	for _, old := range w.removed {
		if old.ID == of {
			c.given, c.loss, c.broken = old.given, old.loss, old.broken
			*c.wanted = true
		}
	}
}

func nameTaken(name string, by *container) *Error {
	return refuse(http.StatusConflict,
		"Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container "+
			"to be able to reuse that name.", "/"+name, by.ID)
}
