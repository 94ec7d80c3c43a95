package worker_test

import (
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

var kinds = map[string]worker.Kind{
	"die": worker.Exited, "kill": worker.Signalled, "stop": worker.Stopped, "start": worker.Started,
	"oom": worker.OutOfMemory, "unhealthy": worker.Unhealthy, "healthy": worker.Healthy, "pause": worker.Paused,
	"unpause": worker.Resumed, "update": worker.Updated, "destroy": worker.Gone, "rename": worker.Renamed,
	"list": worker.Listed, "create": worker.Created,
}

// event feeds the machine an event, and updates the world unless it is late.
func (s *script) event(at string, w []string) {
	s.t.Helper()
	o := worker.Observation{At: s.now, ID: s.world.ID, Key: "w"}
	news, slow := true, 5*time.Millisecond
	for {
		prefix, ago, _ := strings.Cut(w[0], ":")
		if prefix == "slow" { // a start event so long after the start
			w, news, slow = w[1:], false, duration(s.t, at, ago)
			continue
		}
		if prefix != "old" && prefix != "late" && prefix != "mute" {
			break
		}
		w = w[1:]
		s.mute = s.mute || prefix == "mute"
		if prefix == "old" {
			o.Origin = worker.OriginReplayed
		}
		if prefix != "mute" {
			news, o.At = false, s.now.Add(-time.Second)
		}
		if ago != "" {
			o.At = s.now.Add(-duration(s.t, at, ago))
		}
	}
	o.Kind = kinds[w[0]]
	require.NotZero(s.t, o.Kind, at+": no such event")
	switch o.Kind {
	case worker.Started:
		if !news {
			o.At = s.world.StartedAt.Add(slow)
		}
	case worker.Exited:
		o.ExitCode, _ = strconv.Atoi(w[1])
		o.NoStopEvents = s.podman
		if w[len(w)-1] == "restarting" {
			o.Restarting, w = true, w[:len(w)-1]
		}
	case worker.Signalled:
		o.Signal = signal(w[1])
		require.NotZero(s.t, o.Signal, at)
	case worker.Renamed:
		o.OldKey, o.Key = "w", worker.Key(w[1])
		if len(w) > 2 {
			o.OldKey = worker.Key(w[2])
		}
	case worker.Listed:
		s.describe(w[1:])
		o.Status, o.Health, o.Networks = s.world.Status, s.world.Health, s.world.Networks
		if name, ok := strings.CutPrefix(w[len(w)-1], "as:"); ok {
			o.Key = worker.Key(name)
		}
	}
	if news {
		s.follow(o, w)
	}
	s.step(o)
}

var endings = map[string]worker.ExitCause{
	"meant": worker.ExitCauseRequested, "own": worker.ExitCauseOwn, "hidden": worker.ExitCauseHidden,
}

// follow updates the world by an event.
func (s *script) follow(o worker.Observation, w []string) {
	switch o.Kind {
	case worker.Exited:
		s.describe([]string{"down", w[1]})
		s.world.OOMKilled = len(w) > 2 && !s.podman
		if s.podman {
			s.world.ExitCause = endings[w[2]]
		}
	case worker.Started:
		s.describe([]string{"running", "new"})
		if s.world.HasHealthcheck {
			s.world.Health = worker.HealthStarting
		}
	case worker.Updated:
		s.describe(w[1:])
	case worker.Unhealthy:
		s.describe(append([]string{"unhealthy"}, w[1:]...))
	case worker.Healthy:
		s.describe([]string{"healthy"})
	case worker.Paused:
		s.describe([]string{"paused"})
	case worker.Resumed:
		s.describe([]string{"running"})
	}
}
