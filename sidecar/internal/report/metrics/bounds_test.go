package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

func TestHostileNamesDoNotBreakThePage(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"not UTF-8":          "bad\xff\xfename",
		"only not UTF-8":     "\xff",
		"half a rune at 128": strings.Repeat("a", 127) + "é",
		"newline":            "a\nstoker_engine_up 0",
		"quotes":             `a",state="running"} 1`,
		"backslash":          `a\`,
		"escape sequence":    "a\x1b[2J\u009b31m",
		"right to left":      "a\u202eb",
		"zero byte":          "a\x00b",
		"100 kB":             strings.Repeat("x", 100_000),
		"100 kB of garbage":  strings.Repeat("\x80\n", 50_000),
		"as if changed":      "a~0123456789abcdef",
		"as if summed up":    overflow,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.Record([]worker.Event{note(worker.EventManaged, key), faultEvent(key), healedEvent(key)})
			s.view.Workers = []fleet.WorkerView{newWorker(key), newWorker("next")}
			page := s.scrape(t)
			require.True(t, utf8.ValidString(page))
			require.Less(t, len(page), 64_000)
			requireSamples(t, page, "stoker_engine_up 1\n")
			require.Len(t, series(page, "stoker_heals_total"), 1)
			require.Len(t, series(page, "stoker_worker_running"), 2)
			requireSamples(t, page, "stoker_workers_overflow 0\n")
		})
	}
}

func TestWhatIsSecretIsNotShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	s := newStage()
	n := faultEvent("w")
	n.Output, n.Detail = "password="+secret, "token "+secret
	s.Record([]worker.Event{n, {At: noon(), Kind: worker.EventEngineConnected, Detail: secret}})
	w := newWorker("w")
	w.Problems = []policy.Problem{{Label: "stoker.x", Value: secret, Message: "no label " + secret}}
	s.view.Workers = []fleet.WorkerView{w}
	requireAbsent(t, s.scrape(t), secret)
}

func TestWorkersBeyondTheBoundAreSummedUp(t *testing.T) {
	t.Parallel()
	const beyond = 25
	s := newStage()
	for i := range maxWorkers + beyond {
		key := fmt.Sprintf("w%04d", i)
		s.Record([]worker.Event{note(worker.EventManaged, key), faultEvent(key), healedEvent(key)})
		s.view.Workers = append(s.view.Workers, newWorker(key))
	}
	last := &s.view.Workers[maxWorkers+beyond-1]
	last.State, last.Held = fleet.StateExhausted, worker.HeldExhausted
	last.Boosted, last.Share = true, worker.Share{At: noon(), CPUs: 0.25, Throttled: 0.5}
	page := s.scrape(t)
	require.Len(t, series(page, "stoker_worker_running"), maxWorkers+1)
	require.Len(t, series(page, "stoker_heals_total"), maxWorkers+1)
	requireSamples(t, page,
		`stoker_workers_overflow 25`, `stoker_workers{state="running"} 1024`, `stoker_worker_running{worker="~other"} 25`,
		`stoker_worker_state{state="running",worker="~other"} 24`, `stoker_worker_state{state="exhausted",worker="~other"} 1`,
		`stoker_worker_held{reason="exhausted",worker="~other"} 1`, `stoker_worker_quota_cpus{worker="~other"} 12.5`,
		`stoker_worker_boosted{worker="~other"} 1`, `stoker_worker_cpu_use{worker="~other"} 0.25`,
		`stoker_heals_total{action="start",fault="exited",outcome="healed",worker="~other"} 25`,
	)

	require.Empty(t, series(page, "stoker_worker_throttled_ratio"), "shares cannot be summed up")

	s.Record([]worker.Event{note(worker.EventUnmanaged, "w0000")}) // makes room
	s.view.Workers = s.view.Workers[1:]
	page = s.scrape(t)
	requireSamples(t, page, "stoker_workers_overflow 24\n")
	requireAbsent(t, page, `worker="w0000"`)
}

func TestNobodyCanSwellALabel(t *testing.T) {
	t.Parallel()
	s := newStage()
	for i := range 10_000 {
		word := fmt.Sprint("word", i)
		s.Observed(word)
		s.Notified(word)
		s.Dropped(word, 1)
		s.Called(word, time.Second, word)
		n := healedEvent("w")
		n.Fault, n.Heal, n.Reason = worker.Fault(word), worker.HealAction(word), worker.Reason(word)
		opened := n
		opened.Kind = worker.EventFault
		s.Record([]worker.Event{opened, n, {Kind: worker.EventKind(word)}})
	}
	page := s.scrape(t)
	for _, name := range []string{
		"stoker_observations_total", "stoker_notifications_total", "stoker_events_dropped_total", "stoker_events_total",
		"stoker_engine_call_duration_seconds_count", "stoker_heal_duration_seconds_count", "stoker_faults_total", "stoker_heals_total",
	} {
		require.LessOrEqual(t, len(series(page, name)), maxWords+1, name)
	}
	requireSamples(t, page, `stoker_observations_total{kind="~other"} 9936`)
	requireSamples(t, page, `stoker_heals_total{action="~other",fault="~other",outcome="~other",worker="w"} 9936`)
}

func TestSeriesEndWithTheirWorker(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.Record([]worker.Event{faultEvent("w"), healedEvent("w")})
	s.view.Workers = []fleet.WorkerView{newWorker("w")}
	require.Len(t, series(s.scrape(t), "stoker_worker_running"), 1)
	s.Record([]worker.Event{note(worker.EventUnmanaged, "w")})
	s.view.Workers = nil
	requireAbsent(t, s.scrape(t), `worker="w"`)
}

func TestARecreateGoesOnWithItsSeries(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.Record([]worker.Event{faultEvent("w"), healedEvent("w")})
	old := note(worker.EventUnmanaged, "w")
	replacement := healedEvent("w")
	replacement.ID = "id-of-the-new-one"
	s.Record([]worker.Event{replacement, old}) // the old one is removed when the new one runs
	s.view.Workers = []fleet.WorkerView{newWorker("w")}
	requireSamples(t, s.scrape(t), `stoker_heals_total{action="start",fault="exited",outcome="healed",worker="w"} 2`)
}

func TestNoNoteTellsOfARename(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.Record([]worker.Event{faultEvent("before"), healedEvent("before")})
	s.view.Workers = []fleet.WorkerView{newWorker("before")}
	s.scrape(t)

	s.view.Workers = []fleet.WorkerView{newWorker("after")}
	s.view.At = noon().Add(goneAfter)
	require.Len(t, series(s.scrape(t), "stoker_worker_running"), 1, "it may be in the middle of a recreate")
	s.view.At = noon().Add(goneAfter + time.Second)
	s.view.Engine.Connected = false
	require.Len(t, series(s.scrape(t), "stoker_worker_running"), 1, "without a connection it is not known")
	s.view.Engine.Connected = true
	page := s.scrape(t)
	requireAbsent(t, page, `worker="before"`)
	requireSamples(t, page, `stoker_worker_running{worker="after"} 1`)
}

func TestAPictureThatIsOlderThanTheNotesLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.view.Workers = []fleet.WorkerView{newWorker("w")}
	s.Record([]worker.Event{note(worker.EventManaged, "w"), note(worker.EventUnmanaged, "w")})
	require.Len(t, series(s.scrape(t), "stoker_worker_running"), 1)
	s.view = fleet.View{At: noon().Add(goneAfter + time.Second), Engine: s.view.Engine}
	requireAbsent(t, s.scrape(t), `worker="w"`)
	require.Empty(t, s.workers.byName)
}

func TestAWorkerShownTwiceDoesNotHideThePage(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.view.Workers = []fleet.WorkerView{newWorker("w"), newWorker("w")}
	page := s.scrape(t)
	requireSamples(t, page, "stoker_workers_overflow 1\n")
}

func BenchmarkScrapeOfAThousandWorkers(b *testing.B) {
	s := newStage()
	for i := range maxWorkers {
		key := fmt.Sprintf("w%04d", i)
		s.Record([]worker.Event{faultEvent(key), healedEvent(key)})
		s.view.Workers = append(s.view.Workers, newWorker(key))
	}
	for b.Loop() {
		s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil))
	}
}
