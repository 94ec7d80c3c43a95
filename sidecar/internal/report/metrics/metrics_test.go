package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

func TestHealsAreCountedByWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	exhaustion := note(worker.EventExhausted, "w")
	exhaustion.Fault = worker.FaultExited
	again := healedEvent("w")
	again.Kind = worker.EventHealFailed
	bare := note(worker.EventRecovered, "w")
	for name, tc := range map[string]struct {
		notes []worker.Event
		want  []string
	}{
		"healed": {
			notes: []worker.Event{faultEvent("w"), healedEvent("w")},
			want:  []string{`{action="start",fault="exited",outcome="healed",worker="w"} 1`},
		},
		"failed, then healed": {
			notes: []worker.Event{faultEvent("w"), again, faultEvent("w"), healedEvent("w")},
			want: []string{
				`{action="start",fault="exited",outcome="failed",worker="w"} 1`,
				`{action="start",fault="exited",outcome="healed",worker="w"} 1`,
			},
		},
		"failed and exhausted: the action is the last one tried": {
			notes: []worker.Event{faultEvent("w"), again, exhaustion},
			want: []string{
				`{action="start",fault="exited",outcome="exhausted",worker="w"} 1`,
				`{action="start",fault="exited",outcome="failed",worker="w"} 1`,
			},
		},
		"exhausted with no action known": {
			notes: []worker.Event{exhaustion},
			want:  []string{`{action="none",fault="exited",outcome="exhausted",worker="w"} 1`},
		},
		"recovered: the event of another's start has neither fault nor action": {
			notes: []worker.Event{faultEvent("w"), bare},
			want:  []string{`{action="start",fault="exited",outcome="recovered",worker="w"} 1`},
		},
		"a held worker that an operator started was not healed": {
			notes: []worker.Event{note(worker.EventHeld, "w"), bare},
		},
		"a stop by an operator ends a heal without an outcome": {
			notes: []worker.Event{faultEvent("w"), note(worker.EventHeld, "w"), bare},
		},
		"starved, and then an operator restarted it: to hold out is not to give up": {
			notes: []worker.Event{sick("w"), starved("w"), bare},
			want:  []string{`{action="restart",fault="unhealthy",outcome="recovered",worker="w"} 1`},
		},
		"hung, refused and restarted": {
			notes: []worker.Event{sick("w"), sameHeal(worker.EventHung, sick("w")), sameHeal(worker.EventRefused, sick("w")), sameHeal(worker.EventHealed, sick("w"))},
			want:  []string{`{action="restart",fault="unhealthy",outcome="healed",worker="w"} 1`},
		},
		"decided blind, and a quota that was set meanwhile": {
			notes: []worker.Event{
				sick("w"), sameHeal(worker.EventStatsUnavailable, sick("w")), note(worker.EventQuota, "w"), note(worker.EventQuotaFailed, "w"), bare,
			},
			want: []string{`{action="restart",fault="unhealthy",outcome="recovered",worker="w"} 1`},
		},
		"orphaned and missing, followed by what lived in it": {
			notes: []worker.Event{
				lost("w", worker.FaultOrphaned), sameHeal(worker.EventHealed, lost("w", worker.FaultOrphaned)), note(worker.EventDependentsRestarted, "w"),
				lost("w", worker.FaultMissing), sameHeal(worker.EventHealFailed, lost("w", worker.FaultMissing)),
			},
			want: []string{
				`{action="recreate",fault="missing",outcome="failed",worker="w"} 1`,
				`{action="recreate",fault="orphaned",outcome="healed",worker="w"} 1`,
			},
		},
		"idle": {
			notes: []worker.Event{lost("w", worker.FaultIdle), sameHeal(worker.EventHealed, lost("w", worker.FaultIdle))},
			want:  []string{`{action="recreate",fault="idle",outcome="healed",worker="w"} 1`},
		},
		"kinds and faults of tomorrow": {
			notes: []worker.Event{
				{At: noon(), Kind: "transmuted", Key: "w", HealDetails: worker.HealDetails{Fault: "haunted"}},
				{At: noon(), Kind: worker.EventHealed, Key: "w", HealDetails: worker.HealDetails{Fault: "haunted", Heal: "exorcise"}},
			},
			want: []string{`{action="exorcise",fault="haunted",outcome="healed",worker="w"} 1`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.Record(tc.notes)
			require.Equal(t, tc.want, series(s.scrape(t), "stoker_heals_total"))
		})
	}
}

func TestAFaultSaysWhy(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.Record([]worker.Event{faultEvent("w"), healedEvent("w"), faultEvent("w")})
	require.Equal(t, []string{`{fault="exited",intent="none",reason="crashed",worker="w"} 2`}, series(s.scrape(t), "stoker_faults_total"))
}

func TestWordsThatAreLeftOutDoNotClash(t *testing.T) {
	t.Parallel()
	s := newStage()
	silent := faultEvent("w")
	silent.Intent = "" // the same series as IntentNone, "none"
	s.Record([]worker.Event{faultEvent("w"), silent})
	require.Equal(t, []string{`{fault="exited",intent="none",reason="crashed",worker="w"} 2`}, series(s.scrape(t), "stoker_faults_total"))
}

func TestTheTimeToHealIsAHistogram(t *testing.T) {
	t.Parallel()
	s := newStage()
	backwards := healedEvent("w")
	backwards.Duration = -time.Second // the clock was set
	s.Record([]worker.Event{healedEvent("w"), backwards})
	page := s.scrape(t)
	requireSamples(t, page, `stoker_heal_duration_seconds_bucket{action="start",fault="exited",le="0.5"} 1`)
	requireSamples(t, page, `stoker_heal_duration_seconds_bucket{action="start",fault="exited",le="1"} 2`)
	requireSamples(t, page, `stoker_heal_duration_seconds_sum{action="start",fault="exited"} 0.7`)
	requireSamples(t, page, `stoker_heal_duration_seconds_bucket{action="start",fault="exited",le="600"} 2`)
}

func TestWhatOtherPackagesFeed(t *testing.T) {
	t.Parallel()
	s := busy()
	s.Dropped("notify", 0)
	s.Dropped("log", 4)
	page := s.scrape(t)
	requireSamples(t, page,
		`stoker_events_dropped_total{sink="log"} 5`,
		`stoker_events_dropped_total{sink="notify"} 0`,
		`stoker_notifications_total{outcome="sent"} 1`,
		`stoker_notifications_total{outcome="failed"} 0`,
		`stoker_observations_total{kind="started"} 1`,
		`stoker_resyncs_total 1`,
		`stoker_engine_call_duration_seconds_bucket{kind="start",outcome="done",le="0.5"} 1`,
		`stoker_events_total{kind="fault"} 2`,
		`stoker_events_total{kind="exhausted"} 0`,
		`stoker_build_info{commit="abcdef",goversion=`,
	)
}

func TestThePictureIsShownAsItIs(t *testing.T) {
	t.Parallel()
	s := busy()
	s.view.HostOverloaded = true
	s.view.Engine.Skew = -1500 * time.Millisecond
	page := s.scrape(t)
	requireSamples(t, page,
		`stoker_engine_up 1`, `stoker_host_overloaded 1`, `stoker_engine_clock_skew_seconds -1.5`, `stoker_engine_cpus 2`,
		`stoker_engine_info{api_version="1.41",version="20.10.24"} 1`,
		`stoker_workers{state="running"} 1`, `stoker_workers{state="waiting"} 1`, `stoker_workers{state="healing"} 0`,
		`stoker_worker_state{state="waiting",worker="worker-b"} 1`,
		`stoker_worker_held{reason="bad-labels",worker="worker-c"} 1`,
		`stoker_worker_label_problems{worker="worker-c"} 1`,
		`stoker_worker_attempts{worker="worker-b"} 2`,
		`stoker_worker_running{worker="worker-b"} 0`, `stoker_worker_expected{worker="worker-b"} 1`,
		`stoker_worker_quota_cpus{worker="worker-a"} 0.5`,
		`stoker_worker_boosted{worker="worker-a"} 1`, `stoker_worker_boosted{worker="worker-b"} 0`,
		`stoker_worker_cpu_use{worker="worker-a"} 0.49`, `stoker_worker_throttled_ratio{worker="worker-a"} 0.75`,
		`stoker_worker_next_attempt_timestamp_seconds{worker="worker-b"} 1.79552166e+09`,
	)
	requireAbsent(t, page, `stoker_worker_next_attempt_timestamp_seconds{worker="worker-a"}`)
	requireAbsent(t, page, `stoker_worker_cpu_use{worker="worker-b"}`) // never measured
	requireAbsent(t, page, `stoker_worker_throttled_ratio{worker="worker-b"}`)
	s.view.Workers[0].Share.ThrottlingUnknown = true
	page = s.scrape(t)
	requireAbsent(t, page, `stoker_worker_throttled_ratio{worker="worker-a"}`) // not counted: 0 would mean that it is not throttled
	requireSamples(t, page, `stoker_worker_cpu_use{worker="worker-a"} 0.49`)

	s.view = fleet.View{At: noon()} // nothing is known yet
	page = s.scrape(t)
	requireSamples(t, page, "stoker_engine_up 0\n")
	requireAbsent(t, page, "stoker_engine_synced_timestamp_seconds ")
	requireAbsent(t, page, "stoker_engine_info{")
}

func TestTellAndScrapeAtOnce(t *testing.T) {
	t.Parallel()
	s := busy()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 200 {
				s.Record([]worker.Event{faultEvent(fmt.Sprint("w", i)), healedEvent(fmt.Sprint("w", i))})
				s.Called("look", time.Millisecond, "done")
				s.Observed("started")
			}
		})
		all.Go(func() {
			for range 20 {
				s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
			}
		})
	}
	all.Wait()
	requireSamples(t, s.scrape(t), `stoker_heals_total{action="start",fault="exited",outcome="healed",worker="w3"} 200`)
}

// stuck is a client that never reads.
type stuck struct {
	httptest.ResponseRecorder
	writing chan struct{} // closed at the first byte
	once    *sync.Once
	cut     chan struct{}
}

func (s *stuck) Write([]byte) (int, error) {
	s.once.Do(func() { close(s.writing) })
	<-s.cut
	return 0, http.ErrHandlerTimeout
}

func TestAClientThatNeverReadsHoldsNothing(t *testing.T) {
	t.Parallel()
	s := busy()
	slow := &stuck{ResponseRecorder: *httptest.NewRecorder(), writing: make(chan struct{}), once: new(sync.Once), cut: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Handler().ServeHTTP(slow, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	}()
	<-slow.writing
	s.Record([]worker.Event{faultEvent("w"), healedEvent("w")})
	require.Len(t, series(s.scrape(t), "stoker_faults_total"), 3)
	close(slow.cut)
	<-ended
}

func TestScrapesAreNotCompressed(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept-Encoding", "gzip")
	answer := httptest.NewRecorder()
	busy().Handler().ServeHTTP(answer, request)
	require.Equal(t, http.StatusOK, answer.Code)
	require.Empty(t, answer.Header().Get("Content-Encoding"))
	require.Equal(t, expfmt.TypeTextPlain, expfmt.ResponseFormat(answer.Header()).FormatType())
}

func TestPrometheusLinterAcceptsTheMetrics(t *testing.T) {
	t.Parallel()
	families, err := busy().registry.Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

// Each Metrics has a registry of its own: two of them in one program do not meet.
func TestNothingIsRegisteredByDefault(t *testing.T) {
	t.Parallel()
	s := busy()
	s.Resynced()
	requireSamples(t, newStage().scrape(t), "stoker_resyncs_total 0\n")
	families, err := prometheus.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.NotContains(t, f.GetName(), "stoker_")
	}
}

// A heal is ended by events with its ID, in whatever order they come.
func TestHealsArePairedByTheirID(t *testing.T) {
	t.Parallel()
	withID := func(e worker.Event, id uint64) worker.Event { e.HealID = id; return e }
	bare := func(kind worker.EventKind, id uint64) worker.Event { return withID(note(kind, "w"), id) }
	for name, tc := range map[string]struct {
		events []worker.Event
		want   []string
	}{
		"the end of an earlier heal does not end this one": {
			events: []worker.Event{withID(faultEvent("w"), 1), withID(sick("w"), 2), withID(healedEvent("w"), 1), bare(worker.EventRecovered, 2)},
			want: []string{
				`{action="restart",fault="unhealthy",outcome="recovered",worker="w"} 1`,
				`{action="start",fault="exited",outcome="healed",worker="w"} 1`,
			},
		},
		"an event about no heal ends none": {
			events: []worker.Event{withID(faultEvent("w"), 1), bare(worker.EventRecovered, 0), withID(healedEvent("w"), 1)},
			want:   []string{`{action="start",fault="exited",outcome="healed",worker="w"} 1`},
		},
		"a heal of before Stoker's restart": {
			events: []worker.Event{bare(worker.EventRecovered, 7)},
			want:   []string{`{action="none",fault="none",outcome="recovered",worker="w"} 1`},
		},
		"attempts of one heal": {
			events: []worker.Event{withID(faultEvent("w"), 1), withID(sameHeal(worker.EventHealFailed, faultEvent("w")), 1), withID(faultEvent("w"), 1), bare(worker.EventExhausted, 1)},
			want: []string{
				`{action="start",fault="exited",outcome="exhausted",worker="w"} 1`,
				`{action="start",fault="exited",outcome="failed",worker="w"} 1`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.Record(tc.events)
			require.Equal(t, tc.want, series(s.scrape(t), "stoker_heals_total"))
		})
	}
}

func TestEveryKindOfEventBeginsAtZero(t *testing.T) {
	t.Parallel()
	page := newStage().scrape(t)
	require.Len(t, series(page, "stoker_events_total"), len(worker.EventKinds()))
	for _, kind := range worker.EventKinds() {
		requireSamples(t, page, fmt.Sprintf("stoker_events_total{kind=%q} 0\n", kind))
	}
}
