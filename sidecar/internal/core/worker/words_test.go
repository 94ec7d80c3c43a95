package worker_test

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// given parses the properties of the worker: labels by their names, and those of the container.
func (s *script) given(at string, words []string) {
	labels, remembered := map[string]string{}, false
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "health":
			s.world.HasHealthcheck, s.world.Health = true, worker.HealthHealthy
		case "task":
			s.id.Task = true
		case "rm":
			s.world.AutoRemove = true
		case "demand":
			labels["stoker.demand"] = "redis://queue:6379/0?list=tasks"
		case "podman":
			s.podman = true
		case "cpus", "host":
			n, err := strconv.ParseFloat(value, 64)
			require.NoError(s.t, err, at)
			if name == "host" {
				s.host = int(n)
				continue
			}
			s.world.CPUs = n
		case "restart-at":
			labels["stoker.restart-at"] = strings.ReplaceAll(value, "_", " ")
		case "memory": // MiB
			n, err := strconv.Atoi(value)
			require.NoError(s.t, err, at)
			s.world.MemoryLimit = int64(n) << 20
		case "pid-of":
			s.world.Parents, s.world.PIDParent = []string{value}, value
		case "devices":
			s.world.Devices = true
		case "probe-every":
			s.world.ProbeEvery = duration(s.t, at, value)
		case "quota":
			labels["stoker.cpus"] = value
		case "where-none":
			n, err := strconv.ParseFloat(value, 64)
			require.NoError(s.t, err, at)
			s.whereNone = n
		case "grace":
			s.world.StopTimeout = duration(s.t, at, value)
		case "stop-signal":
			s.world.StopSignal = signal(value)
		case "docker":
			policyName, retries, _ := strings.Cut(value, ":")
			n, _ := strconv.Atoi(retries)
			s.world.RestartPolicy = worker.RestartPolicy{Name: policyName, MaxRetries: n}
		case "barred":
			s.id.Unmanageable = worker.Reason(value)
		case "down":
			s.describe([]string{"down", value})
		case "networks":
			s.world.Networks = strings.Split(value, ",")
			s.world.Definition, s.world.ModeNetwork = inspectWith(s.world.Networks), s.world.Networks[0]
		case "never-started":
			s.world.Status, s.world.StartedAt = worker.StatusCreated, time.Time{}
		case "remembered":
			remembered = true
		default:
			labels["stoker."+name] = value
		}
	}
	s.id.Policy = s.labelled(at, labels)
	if s.id.Task {
		s.id.Policy = s.id.Policy.ForTask()
	}
	if remembered {
		mem := worker.Saved{Key: "w", Incarnation: s.world.Incarnation, Expected: true}
		s.m, s.closed = worker.Restore(s.id, mem), true
	}
}

// scriptPolicy is the default without evidence, which only some scripts test.
func scriptPolicy() policy.Policy {
	p := policy.Default()
	p.Evidence.Level = policy.EvidenceOff
	return p
}

func (s *script) labelled(at string, labels map[string]string) policy.Policy {
	p, problems := policy.Defaults{Policy: scriptPolicy()}.Parse(labels)
	require.Empty(s.t, problems, at)
	if s.whereNone > 0 {
		p.CPUs, p.CPUsWhereNone = s.whereNone, true
	}
	return p
}

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
	"USR1": syscall.SIGUSR1,
}

func signal(name string) syscall.Signal { return signals[name] }

// describe parses a state: running [starting|healthy|unhealthy|timed-out], down CODE [port taken], restarting, paused, removing.
// "new" is another incarnation, "new:3s" one that began 3 s ago. "restarts:1": Docker restarted it once since the last start
// through the API.
func (s *script) describe(words []string) {
	w := &s.world
	for i, field := range words {
		field, ago, _ := strings.Cut(field, ":")
		switch field {
		case "new":
			w.StartedAt = s.now
			if ago != "" {
				began, err := time.ParseDuration(ago)
				require.NoError(s.t, err, field)
				w.StartedAt = s.now.Add(-began)
			}
		case "made":
			w.ID, w.StartedAt = "fedcba9876543210", s.now
		case "down":
			w.Status, w.FinishedAt = worker.StatusExited, s.now
			w.ExitCode, _ = strconv.Atoi(words[i+1])
		case "running":
			w.Status, w.ExitCode, w.StartError, w.NetworkFailed = worker.StatusRunning, 0, "", false
		case "restarting", "paused", "removing", "dead", "created":
			w.Status = worker.Status(field)
		case "starting", "healthy", "unhealthy":
			w.Health = worker.Health(field)
			w.Probes = []worker.Probe{{At: s.now, ExitCode: 1, Output: "bad"}}
		case "timed-out":
			w.Health = worker.HealthUnhealthy
			w.Probes = []worker.Probe{{At: s.now, ExitCode: worker.ProbeTimedOut}}
		case "cpus":
			w.CPUs, _ = strconv.ParseFloat(words[i+1], 64)
		case "restarts": // by Docker's policy
			w.RestartCount, _ = strconv.Atoi(ago)
		case "port-taken":
			w.StartError = "port is already allocated"
		case "oom":
			w.OOMKilled = true
		case "start-error":
			w.StartError, w.NetworkFailed = ago, strings.HasPrefix(ago, "port")
		case "networks":
			w.Networks = strings.FieldsFunc(ago, func(r rune) bool { return r == ',' })
			slices.Sort(w.Networks)
			w.Definition = inspectWith(w.Networks)
		}
	}
}

// answer ends the action in flight.
func (s *script) answer(at string, w []string) {
	s.t.Helper()
	require.NotNil(s.t, s.flight, at+": nothing is in flight")
	o := worker.Outcome{Result: worker.Done}
	switch w[0] {
	case "failed":
		o.Result, o.Err = worker.Failed, strings.Join(w[1:], " ")
		o.NetworkFailed = w[1] == "port"
		o.Snapshot = s.snapshot()
	case "uninspected": // it failed, and the inspect after it as well
		o.Result, o.Err = worker.Failed, strings.Join(w[1:], " ")
		o.NetworkFailed = w[1] == "port"
	case "outdated": // it failed, and the inspect after it was taken before the last event
		o.Result, o.Err, o.Snapshot = worker.Failed, strings.Join(w[1:], " "), s.snapshot()
		o.Snapshot.Status, o.Snapshot.StartedAt = worker.StatusExited, noon.Add(-time.Hour)
	case "refused":
		s.describe(w[1:])
		o.Result, o.Snapshot = worker.Refused, s.snapshot()
	case "unknown":
		o.Result, o.Accepted = worker.Unknown, len(w) > 1 && w[1] == "accepted"
		if len(w) > 1 && w[1] == "restarted" {
			s.describe(append(w[2:], "new"))
			o.Restarted, o.Snapshot = true, s.snapshot()
		}
	case "unreachable":
		o.Result, o.Unreachable = worker.Failed, true
	case "missing":
		o.Result, o.Missing = worker.Failed, true
	case "vanished": // before a recreate did anything
		o.Result, o.Missing = worker.Refused, true
	case "skipped":
		o.Result = worker.Skipped
	case "unfit": // unchanged
		o.Result, o.CannotRecreate, o.Err = worker.Failed, true, strings.Join(w[1:], " ")
		o.Snapshot = s.snapshot()
	case "undone": // restored
		o.Result, o.Err = worker.Failed, "undone"
		if w[1] == "unstarted" {
			s.describe(w[2:])
		} else {
			s.describe(append(w[1:], "new"))
		}
		o.Snapshot = s.snapshot()
	case "stood-down":
		o.Result, o.OperatorStopped = worker.Failed, true
		s.describe(w[1:])
		o.Snapshot = s.snapshot()
	case "stale": // an inspect that was taken before the last event
		stale := s.world
		s.describe(w[1:])
		o.Snapshot = s.snapshot()
		s.world = stale
	case "ran": // the command before a stop
		code, _ := strconv.Atoi(w[1])
		o.Evidence = &worker.HealEvidence{Command: &worker.CommandEvidence{ExitCode: &code}}
	case "hangs":
		o.Evidence = &worker.HealEvidence{Command: &worker.CommandEvidence{TimedOut: true}}
	case "throttled": // its quota throttles it in that share of the periods
		share, _ := strconv.ParseFloat(w[1], 64)
		o.Evidence = &worker.HealEvidence{Usage: &worker.UsageEvidence{Throttled: &share}}
	case "nothing":
	default:
		s.describe(w)
		o.Snapshot = s.snapshot()
	}
	s.mute = false
	s.finish(o)
	s.grant()
}

// reads answers a sample: CPUs used, throttled share, share of the periods that were active, and whether the host is out of CPU
// or only busy. "none" is no answer in time. A single reading shows the use since the last.
func (s *script) reads(at string, w []string) {
	s.t.Helper()
	require.NotNil(s.t, s.sampling, at+": no readings are asked for")
	in := worker.StatsRead{Incarnation: *s.sampling, Span: s.span}
	s.sampling = nil
	if last := len(w) - 1; w[last] == "out" || w[last] == "busy" {
		in.Host = &worker.HostLoad{Busy: 1, Runnable: map[string]float64{"out": 9, "busy": 2.5}[w[last]], CPUs: 2}
		w = w[:last]
	}
	if w[0] == "none" {
		in.Err = "no answer"
		s.step(in)
		return
	}
	var memory uint64
	if mib, ok := strings.CutPrefix(w[len(w)-1], "mem:"); ok {
		n, err := strconv.ParseUint(mib, 10, 64)
		require.NoError(s.t, err, at)
		memory, w = n<<20, w[:len(w)-1]
	}
	before := s.meter
	took := s.now.Sub(before.At)
	if s.span || before.At.IsZero() {
		before.At, took = s.now.Add(-time.Second), time.Second
	}
	var share [3]float64
	for i, field := range w {
		n, err := strconv.ParseFloat(field, 64)
		require.NoError(s.t, err, at)
		share[i] = n
	}
	periods := float64(took/(100*time.Millisecond)) * share[2]
	now := worker.Stats{
		At: s.now, CPU: before.CPU + time.Duration(share[0]*float64(took)), Periods: before.Periods + uint64(periods),
		Throttled: before.Throttled + uint64(periods*share[1]), Memory: memory,
	}
	in.Usage = &worker.Usage{Now: now}
	if s.span {
		in.Usage.Before = before
	} else {
		s.meter = now
	}
	s.step(in)
}

// expectDone compares the actions since the last such line. An inspect is only compared if the line has one.
func (s *script) expectDone(at, want string) {
	s.t.Helper()
	got := s.did
	if want != "inspect" {
		got = starts(got)
	}
	if want == "nothing" {
		want = ""
	}
	require.Equal(s.t, want, strings.Join(got, ", "), at)
	s.did = nil
}

func (s *script) expect(at string, w []string) {
	s.t.Helper()
	p := s.m.View()
	switch w[0] {
	case "held":
		require.Equal(s.t, worker.Reason(w[1]), p.Held, at)
	case "free":
		require.Equal(s.t, worker.HeldNot, p.Held, at)
		require.False(s.t, p.Heal.Open(), at)
	case "attempts":
		require.Equal(s.t, w[1], strconv.Itoa(p.Attempts), at)
	case "phase":
		require.Equal(s.t, worker.Phase(w[1]), p.Phase, at)
	case "fault", "reason", "intent":
		require.True(s.t, p.Heal.Open(), at+": no heal is open")
		got := map[string]string{
			"fault": string(p.Heal.Fault), "reason": string(p.Heal.Reason), "intent": string(p.Heal.Intent),
		}
		require.Equal(s.t, w[1], got[w[0]], at)
	case "due":
		low, high, _ := strings.Cut(w[1], "..")
		wait := s.turn.Due.Sub(s.now)
		require.GreaterOrEqual(s.t, wait, duration(s.t, at, low), at)
		require.LessOrEqual(s.t, wait, duration(s.t, at, high), at)
	case "missing":
		require.Equal(s.t, worker.StatusGone, p.Status, at)
	case "leads":
		parent, due, ok := s.m.DependentsDue()
		require.True(s.t, ok, at)
		require.Equal(s.t, w[1], due.Sub(s.now).String(), at)
		require.Equal(s.t, w[2:], append([]string{}, short(parent.PreviousIDs)...), at)
	case "lost":
		require.Equal(s.t, w[1:], append([]string{}, p.LostNetworks...), at)
	case "remembers": // the networks of the definition
		require.JSONEq(s.t, string(inspectWith(w[1:])), string(s.m.Saved().Definition), at)
	case "like": // the model of the recreate instead of the inspect
		require.JSONEq(s.t, string(inspectWith(w[1:])), s.like, at)
	case "idle":
		require.Zero(s.t, s.turn.Due, at)
	case "stage":
		require.Equal(s.t, strings.TrimSuffix(w[1], "none"), string(p.Recycle.Stage), at)
	case "due-for":
		require.Equal(s.t, w[1], string(p.Recycle.Fault), at)
	case "quiet", "unquiet":
		require.Equal(s.t, w[0] == "quiet", s.m.RecycleState().Idle, at)
	case "occupies", "vacant":
		require.Equal(s.t, w[0] == "occupies", s.m.RecycleState().Occupies, at)
	case "over":
		require.True(s.t, s.turn.Removed, at)
	case "lacking", "not-lacking":
		require.Equal(s.t, w[0] == "lacking", s.m.HostStarved(), at)
	case "outside":
		require.Equal(s.t, worker.Health(w[1]), p.Probe.Status, at)
	case "probe-due":
		due, ok := s.m.ProbeDue()
		require.True(s.t, ok, at)
		require.Equal(s.t, w[1], due.Sub(s.now).String(), at)
	case "unprobed":
		_, ok := s.m.ProbeDue()
		require.False(s.t, ok, at)
	case "event":
		require.Contains(s.t, s.events, w[1], at)
		s.events = nil
	case "no-event":
		require.NotContains(s.t, s.events, w[1], at)
	default:
		require.Fail(s.t, "no such expectation", at)
	}
}
