package dockertest

import (
	"cmp"
	"syscall"
	"testing"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// fakeHost is the world behind its API, on a unix socket and the real clock.
type fakeHost struct {
	t      testing.TB
	server *Server
	host   string
	scope  string
	port   int // of the health endpoints
}

// FakeHost is a Host without a real engine. It ends with the test.
func FakeHost(t testing.TB) Host {
	t.Helper()
	s := NewServer(Config{Seed: fingerprint(t.Name()), Addresses: true})
	t.Cleanup(s.Close)
	return &fakeHost{t: t, server: s, host: Serve(t, s), scope: "fake", port: serveHealth(t, s)}
}

// Behind is the world behind a fake host; false for a real one. Through it a scenario can plan faults and ask for the truth.
func Behind(h Host) (*Server, bool) {
	fake, ok := h.(*fakeHost)
	if !ok {
		return nil, false
	}
	return fake.server, true
}

func (f *fakeHost) Real() bool         { return false }
func (f *fakeHost) DockerHost() string { return f.host }
func (f *fakeHost) Scope() string      { return f.scope }
func (f *fakeHost) HealthPort() int    { return f.port }

func (f *fakeHost) Run(spec WorkerSpec) Worker {
	f.t.Helper()
	made := f.Create(spec)
	f.Operate(OpStart, made.Name)
	return made
}

func (f *fakeHost) Create(spec WorkerSpec) Worker {
	f.t.Helper()
	name := spec.fullName(f.scope)
	reply := f.must(Request{Op: OpCreate, Spec: f.spec(spec, name)})
	return Worker{Name: name, ID: reply.ID}
}

func (f *fakeHost) spec(spec WorkerSpec, name string) Spec {
	made := Spec{
		Name: name, Labels: spec.labels(f.scope), CPUs: max(spec.CPUs, 0), EndRules: spec.EndRules, HostPort: spec.HostPort,
		Behaviour: Behaviour{RunFor: spec.Behaviour.RunFor, ExitCode: spec.Behaviour.ExitCode, IgnoreTerm: spec.Behaviour.IgnoreTerm},
	}
	if spec.Inside != "" {
		made.NetworkMode = "container:" + spec.Inside
	}
	if spec.Health {
		// Twenty times as fast as a real one, for the order of things is what matters here.
		made.Health = &Healthcheck{Interval: hostProbeInterval / 20, Timeout: cmp.Or(spec.Probes.Timeout, hostProbeTimeout) / 20, Retries: hostProbeRetries}
	}
	return made
}

// must has the operator's request done.
func (f *fakeHost) must(req Request) Reply {
	f.t.Helper()
	req.By = ByOperator
	answers := make(chan Reply, 1)
	f.server.With(func(w *World) { w.Call(req, func(r Reply) { answers <- r }) })
	select {
	case reply := <-answers:
		if reply.Err != nil {
			f.t.Fatalf("%s of %s: %v", req.Op, req.Ref, reply.Err)
		}
		return reply
	case <-time.After(time.Minute):
		f.t.Fatalf("%s of %s: no answer", req.Op, req.Ref)
	}
	return Reply{}
}

func (f *fakeHost) SmallNetwork() {}

func (f *fakeHost) Operate(op Op, name string) {
	f.t.Helper()
	req := Request{Op: op, Ref: name, Grace: OwnGrace, RemoveArgs: RemoveArgs{Force: true}}
	if op == OpUpdate {
		req.CPUs = updatedCPUs
	}
	f.must(req)
}

func (f *fakeHost) Signal(name string, sig syscall.Signal) {
	f.t.Helper()
	f.must(Request{Op: OpKill, Ref: name, Signal: sig})
}

func (f *fakeHost) Rename(name, to string) {
	f.t.Helper()
	f.must(Request{Op: OpRename, Ref: name, NewName: to})
}

// sabotage does something to the world that must have found its target.
func (f *fakeHost) sabotage(name string, do func(w *World) bool) {
	f.t.Helper()
	found := false
	f.server.With(func(w *World) { found = do(w) })
	if !found {
		f.t.Fatalf("%s does not run", name)
	}
}

func (f *fakeHost) Crash(name string, sig syscall.Signal) {
	f.t.Helper()
	f.sabotage(name, func(w *World) bool { return w.Crash(name, sig) })
}

func (f *fakeHost) Exit(name string, code int) {
	f.t.Helper()
	f.sabotage(name, func(w *World) bool { return w.Exit(name, code) })
}

func (f *fakeHost) OOM(name string) {
	f.t.Helper()
	f.sabotage(name, func(w *World) bool { return w.OOM(name) })
}

func (f *fakeHost) SetHealthCheck(name string, s CheckResult) {
	f.t.Helper()
	f.sabotage(name, func(w *World) bool { return w.SetHealthCheck(name, s) })
}

const missingMount = `invalid mount config for type "bind": bind source path does not exist: /gone`

func (f *fakeHost) BreakStarts(name string) func() {
	f.t.Helper()
	f.sabotage(name, func(w *World) bool { return w.BreakStarts(name, missingMount) })
	return func() { f.server.With(func(w *World) { w.BreakStarts(name, "") }) }
}

func (f *fakeHost) TakePort(port int) func() {
	f.server.With(func(w *World) { w.TakePort(port) })
	return func() { f.server.With(func(w *World) { w.FreePort(port) }) }
}

func (f *fakeHost) State(name string) State {
	f.t.Helper()
	state := State{Status: worker.StatusGone}
	f.server.With(func(w *World) {
		if c := w.find(name); c != nil {
			state = State{
				ID: c.ID, Status: c.Status(), Health: c.Health, StartedAt: c.StartedAt, FinishedAt: c.FinishedAt,
				ExitCode: c.ExitCode, Error: c.Error, OOMKilled: c.OOMKilled, RestartCount: c.RestartCount, CPUs: c.Spec.CPUs,
				Networks: c.networks(),
			}
		}
	})
	return state
}

func (f *fakeHost) History(id string) []Happening {
	history := []Happening{}
	f.server.With(func(w *World) {
		for _, e := range w.Events() {
			if e.ID == id {
				history = append(history, Happening{At: e.At, Action: e.short()})
			}
		}
	})
	return history
}
