package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// view requests the workers now.
func (h *simHost) view() {
	h.f.Viewed(h.w.Now())
	h.apply(h.f.Tick(h.w.Now()))
}

// used returns the workers with known CPU use.
func (h *simHost) used() []worker.Key {
	known := []worker.Key{}
	for _, w := range h.f.View(h.w.Now()).Workers {
		if !w.Share.At.IsZero() {
			known = append(known, w.Key)
		}
	}
	return known
}

func quotas(n int) *simHost {
	h := newSimHost(dockertest.Config{Seed: 5}, fleet.Settings{})
	for _, name := range names(n) {
		s := newWorker(name)
		s.CPUs = 0.5
		h.w.Operator().Run(s)
	}
	h.live(time.Second)
	h.startStoker()
	h.live(time.Second)
	return h
}

func TestNoReadingsWithoutViewers(t *testing.T) {
	h := quotas(5)
	h.live(time.Hour)
	require.Zero(t, h.sent[worker.ReadStats])
	require.Empty(t, h.used())
}

func TestFirstViewIsAnsweredSoon(t *testing.T) {
	h := quotas(20)
	h.view()
	h.live(10 * time.Second)
	require.Len(t, h.used(), 20)
	require.LessOrEqual(t, h.most[worker.ReadStats], 8)
	w := h.f.View(h.w.Now()).Workers[3]
	require.InDelta(t, 0.25, w.Share.CPUs, 0.01, "the fake's workers use half of their quota")
	require.InDelta(t, 0.1, w.Share.Throttled, 0.05)
}

func TestReadingsForViewers(t *testing.T) {
	h := quotas(20)
	for range 60 {
		h.view()
		h.live(10 * time.Second)
	}
	sent := h.sent[worker.ReadStats]
	require.LessOrEqual(t, sent, 20*21, "one in thirty seconds each, and one at the beginning")
	require.GreaterOrEqual(t, sent, 20*19)
	h.live(3 * time.Minute)
	sent = h.sent[worker.ReadStats]
	h.live(time.Hour)
	require.Equal(t, sent, h.sent[worker.ReadStats], "no view was requested for two minutes")
	h.view()
	h.live(10 * time.Second)
	require.Equal(t, sent+20, h.sent[worker.ReadStats])
}

// TestReadingsAreSpread: after the first readings, workers are read at different times.
func TestReadingsAreSpread(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up(names(60)...)
	busiest := 0
	for range 120 {
		d.f.Viewed(d.now)
		d.pass(time.Second)
		asked := d.verb(worker.ReadStats)
		if d.now.Sub(noon) > time.Minute {
			busiest = max(busiest, len(asked))
		}
		d.do = nil
		for _, a := range asked {
			d.reads(a, worker.Stats{At: d.now, CPU: d.now.Sub(noon) / 4})
		}
	}
	require.Less(t, busiest, 8, "sixty in thirty seconds are two a second")
}

// reads answers a reading with the stats of that time.
func (d *harness) reads(a worker.Action, now worker.Stats) {
	u := &worker.Usage{Now: now}
	if a.Span {
		u.Before = worker.Stats{At: now.At.Add(-time.Second), CPU: now.CPU - time.Second/4}
	}
	d.take(d.f.Finish(d.now, worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Usage: u}}))
}

func TestCheapReadingsAreCompared(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.f.Viewed(d.now)
	d.pass(0)
	first := d.verb(worker.ReadStats)
	require.Len(t, first, 1)
	require.True(t, first[0].Span, "there is nothing to compare it with")
	d.reads(first[0], worker.Stats{At: d.now, CPU: time.Minute})
	require.InDelta(t, 0.25, d.newWorker("a").Share.CPUs, 1e-9)

	d.do = nil
	for len(d.verb(worker.ReadStats)) == 0 {
		d.f.Viewed(d.now)
		d.pass(time.Second)
	}
	second := d.verb(worker.ReadStats)[0]
	require.False(t, second.Span)
	took := d.now.Sub(noon)
	d.reads(second, worker.Stats{At: d.now, CPU: time.Minute + took/2, Periods: 100, Throttled: 40})
	require.InDelta(t, 0.5, d.newWorker("a").Share.CPUs, 1e-9)
	require.InDelta(t, 0.4, d.newWorker("a").Share.Throttled, 1e-9)

	d.event(worker.Exited, "a")
	require.Zero(t, d.newWorker("a").Share, "who is down uses nothing")
}

// TestReadingsDelayNoDecision: all capacity for display readings is taken by answers that never come.
func TestReadingsDelayNoDecision(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up(names(30)...)
	d.f.Viewed(d.now)
	d.pass(0)
	require.Len(t, d.verb(worker.ReadStats), 8)
	d.do = nil
	unhealthy := d.running(worker.Action{Incarnation: worker.Incarnation{ID: "id-w00"}, Key: "w00"})
	unhealthy.HasHealthcheck, unhealthy.Health, unhealthy.CPUs = true, worker.HealthUnhealthy, 0.5
	unhealthy.Probes = []worker.Probe{{At: d.now, ExitCode: worker.ProbeTimedOut}}
	d.event(worker.Unhealthy, "w00")
	d.answer(d.verb(worker.Inspect)[0], unhealthy)
	asked := d.verb(worker.ReadStats)
	require.Len(t, asked, 1, "although a display reading of the same worker is in flight")
	require.True(t, asked[0].Span)
	d.do = nil
	d.event(worker.Exited, "w01")
	require.Equal(t, []worker.Key{"w01"}, keys(d.verb(worker.Start)))
}

func TestReadingsAreTheSameEachTime(t *testing.T) {
	first := []string(nil)
	for range 3 {
		h := quotas(30)
		for range 12 {
			h.view()
			h.live(10 * time.Second)
		}
		if first == nil {
			first = h.log
		}
		require.Equal(t, first, h.log)
	}
}
