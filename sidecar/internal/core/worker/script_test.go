package worker_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// A script is a sequence of inputs to one worker and of checks, one per line:
//
//	given health grace=5s on-exit=failure docker=on-failure:2 rm stop-signal=USR1 max-attempts=2 …   (first line only)
//	up | up unhealthy        the first list and inspect find it running
//	+500ms                   time passes; actions that become due meanwhile start at their time
//	die 1 · kill TERM · stop · start · oom · unhealthy · healthy · pause · unpause · update · destroy · list running healthy
//	old die 1                the same, replayed by the engine at the start of a session
//	late kill TERM           the same, a second late (late:5s: five); it arrives after the answer that it caused
//	rename w.stoker-old · rename w w.stoker-old · list running as:NAME      another name, from w or from the second one
//	mute unhealthy           the same, and the inspect after it waits for its answer line
//	answer running …         the action in flight ended: running, down CODE, restarting, paused, failed TEXT, unknown,
//	                         uninspected TEXT, outdated TEXT, unreachable, refused, missing, vanished, undone …, undone unstarted …; "new": in a new incarnation
//	> start 2 · > stop · > inspect · > nothing      actions since the last such line, in order; a start with its attempt
//	> collect · > collect drain      reads before a stop, and its command: only with evidence=basic or logs, or before-stop=drain
//	answer ran 0 · answer hangs      the command ended with that exit code, or did not end in time
//	> connect front          to the lost networks; for a container that is down it succeeds at once, unless inspects are muted
//	= lost front rear · = remembers front rear      networks that a failed start removed; networks of the saved definition
//	= held exhausted · = free · = attempts 2 · = phase backing-off · = due 1s..2s · = idle · = event healed · = no-event fault
//	die 0 meant · die 1 own · die 1 hidden   on Podman (given podman): the cause in its inspect
//	transaction stops        the recreate is about to stop the old container
//	transaction refused      the engine refused that stop
//	world networks:a,b start-error:TEXT     the next inspect differs, without an event
//	wake · sleep · work waits · work none · work consumed      inputs from the demand of the worker's group
//	turn · recycle [busy]    its turn to be recycled has come · it begins
//	= stage waits-for-idle · = due-for old · = quiet · = occupies      state of its recycle
//	reads 0.1 0 0 mem:700    CPU readings, with the memory in MiB
//	outside success|refused|silent|unmade|impossible TEXT   the result of a probe from outside; = outside healthy, = probe-due 30s
//	stoker-killed            Stoker was killed; the next one reads the journal, lists and inspects
//	engine gone              it shuts down: it answers no request, while events still arrive
//	engine restarted [-5s]   another engine process; stops within that time were its shutdown's
//
// Inspects need no line: by default they are answered at once with the true state.
type script struct {
	t    *testing.T
	m    *worker.Machine
	id   worker.Identity
	now  time.Time
	turn worker.Effects

	flight *worker.Action
	ids    uint64
	like   string // the model of the last recreate instead of the inspect
	scriptEngine
	scriptRecord
	scriptStats
}

// scriptEngine is the engine of a script.
type scriptEngine struct {
	world  worker.Snapshot // what an inspect would show
	closed bool            // no session is open: no action is started
	mute   bool            // inspects wait for an answer line
	podman bool
}

// scriptRecord is what happened since a script last mentioned it.
type scriptRecord struct {
	did     []string
	events  []string
	details []string
}

// scriptStats is the CPU readings of a script.
type scriptStats struct {
	sampling  *worker.Incarnation // readings of that incarnation are requested
	span      bool
	host      int
	whereNone float64
	meter     worker.Stats
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func play(t *testing.T, text string) *script {
	t.Helper()
	s := &script{t: t, now: noon, id: worker.Identity{Key: "w", ID: containerID, Policy: scriptPolicy()}}
	s.world = worker.Snapshot{
		Incarnation:  worker.Incarnation{ID: containerID, StartedAt: noon.Add(-time.Hour)},
		Key:          "w",
		ProcessState: worker.ProcessState{Status: worker.StatusRunning},
		HealthState:  worker.HealthState{Health: worker.HealthNone},
		EndRules:     worker.EndRules{StopSignal: syscall.SIGTERM},
		Definition:   []byte("{}"),
	}
	s.goOn(text)
	return s
}

// goOn plays more lines.
func (s *script) goOn(text string) {
	s.t.Helper()
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.TrimSpace(strings.Split(line, "#")[0])
		if line != "" {
			s.line(fmt.Sprintf("line %d: %s", i+1, line), strings.Fields(line))
		}
	}
	require.Empty(s.t, starts(s.did), "the script does not mention these")
}

const containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func (s *script) line(at string, w []string) {
	s.t.Helper()
	if s.m == nil && w[0] != "given" {
		s.m, s.closed = worker.New(s.id), true
		s.m.Host(s.host)
	}
	switch {
	case w[0] == "given":
		s.given(at, w[1:])
	case w[0] == "up":
		s.up(w[1:])
	case w[0] == ">":
		s.expectDone(at, strings.Join(w[1:], " "))
	case w[0] == "=":
		s.expect(at, w[1:])
	case w[0] == "reads":
		s.reads(at, w[1:])
	case w[0] == "outside": // the result of a probe from outside
		s.outside(at, w[1:])
	case w[0] == "answer":
		s.answer(at, w[1:])
	case w[0] == "transaction" && w[1] == "refused": // the engine refused that stop
		s.step(worker.RecreateStopFailed{})
	case w[0] == "transaction": // is about to stop the old container
		s.step(worker.RecreateStop{})
	case w[0] == "wake":
		s.step(worker.Wake{Reason: worker.ReasonWorkWaits})
	case w[0] == "sleep":
		s.step(worker.Sleep{Reason: worker.ReasonNoWork})
	case w[0] == "turn":
		s.step(worker.RecycleTurn{})
	case w[0] == "recycle":
		s.step(worker.RecycleNow{Busy: len(w) > 1})
	case w[0] == "work": // waits, none, consumed
		s.step(worker.WorkReported{Waits: w[1] != "none", Consumed: w[1] == "consumed"})
	case w[0] == "stoker-killed":
		s.killStoker(at)
	case w[0] == "engine":
		s.engine(at, w[1:])
	case w[0] == "world": // changes without an event
		s.describe(w[1:])
	case strings.HasPrefix(w[0], "+"):
		s.pass(duration(s.t, at, w[0][1:]))
	default:
		s.event(at, w)
	}
}

// up is the first list, and the inspect after it.
func (s *script) up(w []string) {
	if len(w) > 0 {
		s.describe(w)
	}
	s.step(s.list())
}

func (s *script) list() worker.Observation {
	return worker.Observation{Kind: worker.Listed, At: s.now, ID: s.id.ID, Key: "w", ListState: worker.ListState{Status: s.world.Status, Health: s.world.Health}, Replay: worker.Replay{Origin: worker.OriginReplayed}}
}

func (s *script) killStoker(at string) {
	raw, err := json.Marshal(s.m.Saved())
	require.NoError(s.t, err, at)
	var mem worker.Saved
	require.NoError(s.t, json.Unmarshal(raw, &mem), at)
	s.now = s.now.Add(time.Millisecond)                            // no two events have the same time
	s.m, s.flight, s.closed = worker.Restore(s.id, mem), nil, true // the next "up" is the list
	s.turn, s.sampling, s.meter = worker.Effects{}, nil, worker.Stats{}
	s.did, s.events = nil, nil
}

func (s *script) engine(at string, w []string) {
	if w[0] == "gone" {
		s.closed = true
		return
	}
	in := worker.EngineRestarted{BootedAt: s.now}
	if len(w) > 1 {
		in.StopsSince = s.now.Add(duration(s.t, at, w[1]))
	}
	s.closed = true // until the next list
	s.step(in)
}

// step applies one input, then starts and answers the actions that follow from it at once.
func (s *script) step(in worker.Input) {
	s.take(step(s.t, s.m, s.now, in))
	if o, ok := in.(worker.Observation); ok && o.Kind == worker.Listed {
		s.closed = false // the session is open
	}
	s.grant()
}

func (s *script) take(t worker.Effects) {
	s.turn = t
	if t.Logs != nil {
		s.did = append(s.did, fmt.Sprintf("logs %d", t.Logs.ExitCode))
	}
	for _, n := range t.Events {
		s.events = append(s.events, string(n.Kind))
		s.details = append(s.details, n.Detail)
	}
}

func (s *script) grant() {
	defer func() { s.sample() }()
	for s.flight == nil && !s.closed && !s.turn.Due.IsZero() && !s.turn.Due.After(s.now) && !s.braked() {
		s.ids++
		t := step(s.t, s.m, s.now, worker.Dispatch{ActionID: s.ids})
		s.take(t)
		if t.Do == nil {
			continue
		}
		s.flight = t.Do
		switch t.Do.Verb {
		case worker.Inspect:
			s.did = append(s.did, "inspect")
			if !s.mute {
				s.finish(worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: s.snapshot()}})
			}
		case worker.Start:
			s.did = append(s.did, "start "+strconv.Itoa(t.Do.Attempt))
		case worker.Connect:
			s.did = append(s.did, strings.Join(append([]string{"connect"}, t.Do.Networks...), " "))
			if s.world.Status.Down() && !s.mute {
				s.describe([]string{"networks:" + strings.Join(append(t.Do.Networks, s.world.Networks...), ",")})
				s.finish(worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: s.snapshot()}})
			}
		case worker.Stop, worker.Kill:
			s.did = append(s.did, t.Do.Verb.String()+" "+strconv.Itoa(t.Do.Attempt))
		case worker.Collect:
			s.did = append(s.did, strings.Join(append([]string{"collect"}, t.Do.Evidence.Command...), " "))
		case worker.Update:
			s.did = append(s.did, fmt.Sprintf("update %g %g", t.Do.From, t.Do.CPUs))
		case worker.Recreate:
			s.did = append(s.did, "recreate "+strconv.Itoa(t.Do.Attempt))
			s.like = string(t.Do.Like)
			require.Equal(s.t, s.m.Missing(), len(t.Do.Definition) > 0)
		}
	}
}

// braked reports whether the fleet delays the restart of a worker that lacks CPU.
func (s *script) braked() bool { return s.turn.Class == worker.ClassStop && s.m.HostStarved() }

// sample requests the readings that are due.
func (s *script) sample() {
	span, due, ok := s.m.StatsDue()
	if !ok || s.closed || s.sampling != nil || due.After(s.now) {
		return
	}
	life := s.m.Saved().Incarnation
	s.sampling, s.span = &life, span
	s.did = append(s.did, map[bool]string{true: "sample", false: "read"}[span])
}

// next returns when something is due, at the latest at the end.
func (s *script) next(end time.Time) (time.Time, bool) {
	due := s.turn.Due
	if _, at, ok := s.m.StatsDue(); ok && s.sampling == nil && at.After(s.now) && (!due.After(s.now) || at.Before(due)) {
		due = at
	}
	return due, due.After(s.now) && !due.After(end)
}

// pass lets time pass, from one due time to the next.
func (s *script) pass(d time.Duration) {
	end := s.now.Add(d)
	for s.flight == nil && !s.closed {
		due, ok := s.next(end)
		if !ok {
			break
		}
		s.now = due
		s.grant()
	}
	s.now = end
	s.grant()
}

func (s *script) finish(o worker.Outcome) {
	o.Action = *s.flight
	s.flight = nil
	s.take(step(s.t, s.m, s.now, o))
}

func (s *script) snapshot() *worker.Snapshot {
	c := s.world
	return &c
}

func short(ids []string) []string {
	out := []string{}
	for _, id := range ids {
		out = append(out, id[:4])
	}
	return out
}

func starts(did []string) []string {
	var out []string
	for _, d := range did {
		if d != "inspect" {
			out = append(out, d)
		}
	}
	return out
}

func duration(t *testing.T, at, text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(t, err, at)
	return d
}
