// Package dockertest is one in-memory Docker world with two faces.
//
// The World behaves as a Docker engine with containers on a virtual clock: same events in the same order, same hidden
// flags, same false answers. Its first interface, Sim, feeds a single-threaded simulation with observations and outcomes. Its second,
// Server, serves the Docker HTTP API to the real client. Host runs one set of scenarios against the world and
// against a real engine, so that the world cannot drift from the truth.
//
// What the engine does was read in moby's source (v28.5.2) and watched on engine 20.10.24; where they differ, the
// comment notes it.
package dockertest

import (
	"time"
)

// Config is what a World is made from. The zero value is a fine engine.
type Config struct {
	Seed       uint64
	Start      time.Time // of the clock; zero is the start of 2026
	Timing     Timing    // zero is RealTiming
	CPUs       int       // of the host; 0 is 4
	Version    string    // of the engine; empty is 28.5.2
	APIVersion string    // newest that the engine has; empty is 1.47
	// ProbeEvents puts the three exec events of each health probe into the ring, as a real engine does, so that
	// they push out the events that matter.
	ProbeEvents bool
	// LosesNetworks: a start that fails because the port is taken removes a network from the container for good.
	LosesNetworks bool
	// Addresses: running containers have one each, in 127.0.0.0/8.
	Addresses bool
}

// Timing is how long the engine takes. Each use is drawn around the value, from 3/4 to 5/4 of it.
type Timing struct {
	Call     time.Duration // a request there and back, without the work
	Create   time.Duration
	Start    time.Duration // the engine's own work for a start
	Exit     time.Duration // from the end of the process to die
	Stop     time.Duration // from die to stop
	Remove   time.Duration
	Event    time.Duration // from the event to its reader
	Probe    time.Duration // a health probe that works
	Shutdown time.Duration // from the last stop of a shutdown to the broken stream
	Boot     time.Duration // from the start of the engine process to the first answer
}

// RealTiming is what engine 20.10.24 took on two cores.
func RealTiming() Timing {
	ms := time.Millisecond
	return Timing{
		Call: 2 * ms, Create: 50 * ms, Start: 300 * ms, Exit: 35 * ms, Stop: 66 * ms, Remove: 85 * ms, Event: ms,
		Probe: 65 * ms, Shutdown: 20 * ms, Boot: 1300 * ms,
	}
}

// QuickTiming is for tests on a real clock, where the order of things matters and their length does not.
func QuickTiming() Timing {
	ms := time.Millisecond
	return Timing{
		Call: 200 * time.Microsecond, Create: ms, Start: 10 * ms, Exit: 3 * ms, Stop: 3 * ms, Remove: 3 * ms,
		Event: 100 * time.Microsecond, Probe: 2 * ms, Shutdown: 2 * ms, Boot: 50 * ms,
	}
}

func (c Config) filled() Config {
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if c.Timing == (Timing{}) {
		c.Timing = RealTiming()
	}
	if c.CPUs == 0 {
		c.CPUs = 4
	}
	if c.Version == "" {
		c.Version = "28.5.2"
	}
	if c.APIVersion == "" {
		c.APIVersion = "1.47"
	}
	return c
}

// World is a host with a Docker engine and containers. It is single-threaded: nothing in it locks, waits or reads a
// clock, and everything that takes time is put on its own timeline.
type World struct {
	timeline
	containerSet
	config  Config
	draws   map[string]uint64
	engine  engine
	machine machine
	events  engineEvents
	stores  stores

	faults []Fault
	audit  []*Record
	calls  []*call // under way
}

// machine is the host, apart from its engine.
type machine struct {
	overloaded bool // it is short of CPU
	meter      func(id string) (time.Duration, bool)
	ports      map[int]bool // taken by a process that is no container
}

// New is a world with an engine that has just booted and no container.
func New(config Config) *World {
	config = config.filled()
	w := &World{config: config, draws: map[string]uint64{}, machine: machine{ports: map[int]bool{}}}
	w.now = config.Start
	w.engine = engine{phase: serving, bootedAt: config.Start}
	return w
}

// Now is the world's clock, which no clock step touches.
func (w *World) Now() time.Time { return w.now }

// EngineNow is what the engine takes for the time.
func (w *World) EngineNow() time.Time { return w.now.Add(w.engine.skew) }

// StepClock moves the engine's clock, forward or back, from now on.
func (w *World) StepClock(by time.Duration) { w.engine.skew += by }

// Advance lets time pass, with all that is due in it.
func (w *World) Advance(d time.Duration) { w.advanceTo(w.now.Add(d)) }

// AdvanceTo lets time pass up to at.
func (w *World) AdvanceTo(at time.Time) { w.advanceTo(at) }

// NextDue is when something happens in the world by itself.
func (w *World) NextDue() (time.Time, bool) { return w.next() }

// draw is a latency around base. It depends on the seed, on id and on how often id was asked for, and on nothing
// else, so that a change in one place of a run leaves the latencies of the others as they were.
func (w *World) draw(id string, base time.Duration) time.Duration {
	return base*3/4 + time.Duration(w.roll(id)%uint64(base/2+1))
}

// oneIn is true once in n times, by the same rule as draw.
func (w *World) oneIn(n uint64, id string) bool { return w.roll(id)%n == 0 }

func (w *World) roll(id string) uint64 {
	w.draws[id]++
	return scramble(w.config.Seed ^ scramble(fingerprint(id)^scramble(w.draws[id])))
}

// fingerprint is FNV-1a.
func fingerprint(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// scramble is the finaliser of splitmix64: every bit of x changes half of the bits of the result.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
