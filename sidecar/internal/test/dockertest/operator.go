package dockertest

import (
	"syscall"
	"time"
)

// Operator acts on the world as a person with a Docker client does. Each request is only sent; it is done as the clock goes on.
type Operator struct{ w *World }

// Operator is a user of the API other than Stoker.
func (w *World) Operator() Operator { return Operator{w} }

// Answer is what becomes of an operator's request.
type Answer struct {
	Done bool
	Reply
}

func (o Operator) send(req Request) *Answer {
	req.By = ByOperator
	a := &Answer{}
	o.w.Call(req, func(r Reply) { a.Done, a.Reply = true, r })
	return a
}

// Run creates and starts a container.
func (o Operator) Run(spec Spec) *Answer {
	a := &Answer{}
	o.w.Call(Request{By: ByOperator, Op: OpCreate, Spec: spec}, func(r Reply) {
		if r.Err != nil {
			a.Done, a.Reply = true, r
			return
		}
		o.w.Call(Request{By: ByOperator, Op: OpStart, Ref: r.ID}, func(started Reply) {
			started.ID = r.ID
			a.Done, a.Reply = true, started
		})
	})
	return a
}

// Create creates a container.
func (o Operator) Create(spec Spec) *Answer { return o.send(Request{Op: OpCreate, Spec: spec}) }

// Start starts a container.
func (o Operator) Start(ref string) *Answer { return o.send(Request{Op: OpStart, Ref: ref}) }

// Stop stops a container, with a grace or OwnGrace.
func (o Operator) Stop(ref string, grace time.Duration) *Answer {
	return o.send(Request{Op: OpStop, Ref: ref, Grace: grace})
}

// Kill sends a signal to a container.
func (o Operator) Kill(ref string, sig syscall.Signal) *Answer {
	return o.send(Request{Op: OpKill, Ref: ref, Signal: sig})
}

// Restart restarts a container, with a grace or OwnGrace.
func (o Operator) Restart(ref string, grace time.Duration) *Answer {
	return o.send(Request{Op: OpRestart, Ref: ref, Grace: grace})
}

// Pause freezes a container.
func (o Operator) Pause(ref string) *Answer { return o.send(Request{Op: OpPause, Ref: ref}) }

// Unpause thaws it.
func (o Operator) Unpause(ref string) *Answer { return o.send(Request{Op: OpUnpause, Ref: ref}) }

// Rename gives a container another name.
func (o Operator) Rename(ref, name string) *Answer {
	return o.send(Request{Op: OpRename, Ref: ref, NewName: name})
}

// Update sets a container's quota.
func (o Operator) Update(ref string, cpus float64) *Answer {
	return o.send(Request{Op: OpUpdate, Ref: ref, UpdateArgs: UpdateArgs{CPUs: cpus}})
}

// Remove removes a container, a running one only by force.
func (o Operator) Remove(ref string, force bool) *Answer {
	return o.send(Request{Op: OpRemove, Ref: ref, RemoveArgs: RemoveArgs{Force: force}})
}

// Act is one thing that an operator does at one time: a value, so that a script of them can be printed, shrunk and
// replayed.
type Act struct {
	At     time.Duration // since the world began
	Op     Op
	Key    string
	Signal syscall.Signal // OpKill; 0 is KILL
	Grace  time.Duration  // OpStop and OpRestart; OwnGrace for the container's own
}

// Schedule has an operator act. Acts of the past are done at once.
func (w *World) Schedule(acts ...Act) {
	for _, a := range acts {
		w.on(w.config.Start.Add(a.At), func() {
			w.Operator().send(Request{Op: a.Op, Ref: a.Key, Signal: a.Signal, Grace: a.Grace, RemoveArgs: RemoveArgs{Force: true}})
		})
	}
}
