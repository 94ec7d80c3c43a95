package dockertest

import (
	"net/http"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Op is one request of the API.
type Op string

// The requests.
const (
	OpCreate     Op = "create"
	OpStart      Op = "start"
	OpStop       Op = "stop"
	OpKill       Op = "kill"
	OpRestart    Op = "restart"
	OpPause      Op = "pause"
	OpUnpause    Op = "unpause"
	OpRename     Op = "rename"
	OpUpdate     Op = "update"
	OpRemove     Op = "remove"
	OpInspect    Op = "inspect"
	OpList       Op = "list"
	OpInfo       Op = "info" // version, info, ping, and looks at images, volumes and networks
	OpConnect    Op = "connect"
	OpDisconnect Op = "disconnect"
	OpCopy       Op = "copy" // files into a container
)

// Mutates reports whether the request would change something.
func (o Op) Mutates() bool { return o != OpInspect && o != OpList && o != OpInfo }

// Request is one request to the engine.
type Request struct {
	By      Actor
	Op      Op
	Ref     string         // name or ID
	Signal  syscall.Signal // kill; 0 is KILL
	Grace   time.Duration  // stop and restart; OwnGrace for the container's own
	NewName string         // rename
	Spec    Spec           // create
	UpdateArgs
	RemoveArgs
	Action   worker.Action
	onRecord func(*Record)
	furnish  func(c *container) *Error // connect, disconnect and copy
}

// UpdateArgs are the arguments of OpUpdate.
type UpdateArgs struct {
	CPUs    float64 // 0 leaves the quota
	Restart string  // empty leaves the policy
}

// RemoveArgs are the arguments of OpRemove.
type RemoveArgs struct {
	Force   bool
	Volumes bool // the anonymous ones too
}

// Reply is the answer to a Request.
type Reply struct {
	Err     *Error
	ID      string    // create
	Details Details   // inspect
	List    []Details // list
	Info    worker.Engine
}

// call is one request under way.
type call struct {
	w      *World
	req    Request
	record *Record
	done   func(Reply)
	sent   time.Time
}

// Call sends a request. done gets the answer later, once, or never when a fault swallows it. A caller that gives up waiting
// changes nothing: the engine goes on.
func (w *World) Call(req Request, done func(Reply)) {
	c := &call{w: w, req: req, done: done, sent: w.now}
	if req.Op.Mutates() {
		c.record = &Record{By: req.By, Op: req.Op, Key: req.Ref, Action: req.Action, CallTimes: CallTimes{Sent: w.now}, Signal: int(req.Signal)}
		if req.onRecord != nil {
			req.onRecord(c.record)
		}
	}
	fault := w.callFault(req)
	travel := w.draw(string(req.By)+req.Ref+"call", w.config.Timing.Call) / 2
	w.after(travel+fault.delay(), func() { c.arrive(fault) })
}

// arrive is the moment at which the engine receives the request.
func (c *call) arrive(fault *Fault) {
	w := c.w
	if !w.EngineUp() {
		c.answer(Reply{Err: &Error{Message: "cannot connect to the engine", Unsent: true}})
		return
	}
	c.note()
	switch fault.kind() {
	case Refuse:
		c.settle(Reply{Err: refuse(http.StatusInternalServerError, "%s", fault.text())})
		return
	case TimeOutUndone:
		return
	case TimeOutDone:
		c.dispatch(c.finish)
		return
	}
	w.calls = append(w.calls, c)
	c.dispatch(c.settle)
}

// note puts the request on record, with the container as it is before it.
func (c *call) note() {
	if c.record == nil {
		return
	}
	c.record.Arrived = c.w.now
	if target := c.w.find(c.req.Ref); target != nil {
		c.record.Key, c.record.Labels, c.record.Incarnation = target.Name, target.Spec.Labels, target.incarnation()
	} else if c.req.Op == OpCreate {
		c.record.Key, c.record.Labels = c.req.Spec.Name, c.req.Spec.Labels
	}
	c.w.audit = append(c.w.audit, c.record)
}

// finish completes the record.
func (c *call) finish(r Reply) {
	if c.record == nil {
		return
	}
	c.record.Done = c.w.now
	c.record.Effect = r.Err == nil
	if r.Err != nil {
		c.record.Err = r.Err.Message
	}
}

// settle is the end of the engine's part: the answer goes back.
func (c *call) settle(r Reply) {
	c.finish(r)
	w := c.w
	for i, other := range w.calls {
		if other == c {
			w.calls = append(w.calls[:i:i], w.calls[i+1:]...)
			break
		}
	}
	w.after(w.draw(string(c.req.By)+c.req.Ref+"call", w.config.Timing.Call)/2, func() { c.answer(r) })
}

func (c *call) answer(r Reply) {
	if c.record != nil && c.record.Answered.IsZero() {
		c.record.Answered = c.w.now
	}
	if c.done != nil {
		done := c.done
		c.done = nil
		done(r)
	}
}

// breakOff is the end of the connection in the middle of a request.
func (c *call) breakOff() { c.answer(Reply{Err: &Error{Message: "unexpected EOF"}}) }

// dispatch does the request.
func (c *call) dispatch(done func(Reply)) {
	w, req := c.w, c.req
	switch req.Op {
	case OpCreate:
		w.create(req.Spec, req.By, func(id string, err *Error) { done(Reply{ID: id, Err: err}) })
		return
	case OpList:
		done(Reply{List: w.list()})
		return
	case OpInfo:
		done(Reply{Info: w.info()})
		return
	}
	target := w.find(req.Ref)
	if target == nil {
		done(Reply{Err: noSuch(req.Ref)})
		return
	}
	c.act(target, done)
}

// act does a request that has a container.
func (c *call) act(target *container, done func(Reply)) {
	w, req := c.w, c.req
	plain := func(err *Error) { done(Reply{Err: err}) }
	c.recordIntent(target)
	order := stopOrder{by: req.By, grace: req.Grace}
	switch req.Op {
	case OpInspect:
		target.inspect(done)
	case OpStart:
		w.start(target, req.By, plain)
	case OpStop:
		w.stop(target, order, plain)
	case OpKill:
		w.kill(target, req.signal(), req.By, plain)
	case OpRestart:
		w.restart(target, order, plain)
	case OpRemove:
		target.dropVolumes = req.Volumes
		w.remove(target, req.Force, req.By, plain)
	case OpPause, OpUnpause, OpRename, OpUpdate, OpConnect, OpDisconnect, OpCopy:
		target.acquire(func() {
			err := w.edit(target, req)
			target.release()
			plain(err)
		})
	}
}

// edit does a request that is over at once.
func (w *World) edit(c *container, req Request) *Error {
	if c.gone {
		return noSuch(req.Ref)
	}
	switch req.Op {
	case OpPause:
		return w.pause(c, req.By)
	case OpUnpause:
		return w.unpause(c, req.By)
	case OpRename:
		return w.rename(c, req.NewName, req.By)
	case OpConnect, OpDisconnect, OpCopy:
		return req.furnish(c)
	}
	if req.CPUs != 0 {
		c.Spec.CPUs = req.CPUs
	}
	if req.Restart != "" {
		c.Spec.RestartPolicy = worker.RestartPolicy{Name: req.Restart}
	}
	w.emit(c, "update", req.By)
	return nil
}

// recordIntent records what the operator intends with the container. A stop of a container that is down already counts: it is the operator's intent,
// even though no event shows it.
func (c *call) recordIntent(target *container) {
	if c.req.By != ByOperator {
		return
	}
	switch c.req.Op {
	case OpStop, OpRemove:
		*target.wanted = false
	case OpKill:
		if target.Running && meansStop(c.req.signal(), target.stopSignal()) {
			*target.wanted = false
		}
	}
}

func meansStop(sig, own syscall.Signal) bool {
	switch sig {
	case own, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
		return true
	}
	return false
}

func (r Request) signal() syscall.Signal {
	if r.Signal == 0 {
		return syscall.SIGKILL
	}
	return r.Signal
}

// inspect waits for the container's lock, as the engine's does.
func (c *container) inspect(done func(Reply)) {
	c.acquire(func() {
		d, gone := c.details(), c.gone
		c.release()
		if gone {
			done(Reply{Err: noSuch(d.Name)})
			return
		}
		done(Reply{Details: d})
	})
}

// list takes no lock, as the engine's does not. Newest first.
func (w *World) list() []Details {
	list := make([]Details, 0, len(w.containers))
	for i := len(w.containers) - 1; i >= 0; i-- {
		list = append(list, w.containers[i].details())
	}
	return list
}

func (w *World) info() worker.Engine {
	return worker.Engine{
		Now: w.EngineNow(), BootedAt: w.engine.bootedAt, Version: w.config.Version, APIVersion: w.config.APIVersion,
		CPUs: w.config.CPUs,
	}
}
