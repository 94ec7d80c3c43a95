package metrics

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the tables of docs/metrics.md instead of comparing them")
	os.Exit(m.Run())
}

func noon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// stage is a Stoker whose picture a test sets.
type stage struct {
	*Metrics
	view fleet.View
}

func newStage() *stage {
	s := &stage{view: fleet.View{At: noon(), Engine: fleet.EngineLink{Connected: true, Since: noon(), Synced: noon()}}}
	s.Metrics = New(Options{View: func() fleet.View { return s.view }, Version: "1.2.3", Commit: "abcdef"})
	return s
}

// scrape is the page as Prometheus gets it. The registry must have gathered all of it without an error.
func (s *stage) scrape(t *testing.T) string {
	t.Helper()
	_, err := s.registry.Gather()
	require.NoError(t, err)
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, answer.Code)
	return answer.Body.String()
}

// requireSamples requires samples that begin with these texts. A page is long: only what is missing is printed.
func requireSamples(t *testing.T, page string, samples ...string) {
	t.Helper()
	lines := slices.Collect(strings.Lines(page))
	for _, sample := range samples {
		found := slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, sample) })
		require.True(t, found, "no sample begins with %s", sample)
	}
}

// requireAbsent requires that the page does not contain a text.
func requireAbsent(t *testing.T, page, what string) {
	t.Helper()
	for line := range strings.Lines(page) {
		require.NotContains(t, line, what)
	}
}

// series are the samples of one name, in the page's order.
func series(page, name string) []string {
	var found []string
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, name+"{"); ok {
			found = append(found, "{"+strings.TrimSuffix(rest, "\n"))
		}
	}
	return found
}

// note is a note of container id-NAME.
func note(kind worker.EventKind, key string) worker.Event {
	return worker.Event{At: noon(), Kind: kind, Key: worker.Key(key), ID: "id-" + key}
}

// faultEvent is the start of a heal.
func faultEvent(key string) worker.Event {
	n := note(worker.EventFault, key)
	n.Fault, n.Intent, n.Reason, n.Heal, n.Attempt = worker.FaultExited, worker.IntentNone, worker.ReasonCrashed, worker.HealStart, 1
	return n
}

// healedEvent is its good end.
func healedEvent(key string) worker.Event {
	n := faultEvent(key)
	n.Kind, n.Duration = worker.EventHealed, 700*time.Millisecond
	return n
}

// sick is the start of a heal that a probe asked for.
func sick(key string) worker.Event {
	n := faultEvent(key)
	n.Fault, n.Reason, n.Heal = worker.FaultUnhealthy, worker.ReasonProbeTimedOut, worker.HealRestart
	return n
}

// starved puts that heal off.
func starved(key string) worker.Event {
	n := note(worker.EventHeld, key)
	n.Fault, n.Reason, n.Attempt = worker.FaultUnhealthy, worker.HeldStarved, 1
	return n
}

// lost is the start of a heal by a recreate.
func lost(key string, fault worker.Fault) worker.Event {
	n := faultEvent(key)
	n.Fault, n.Heal = fault, worker.HealRecreate
	return n
}

// sameHeal returns another event of the same heal.
func sameHeal(kind worker.EventKind, n worker.Event) worker.Event {
	n.Kind = kind
	return n
}

func newWorker(key string) fleet.WorkerView {
	return fleet.WorkerView{
		Key:           worker.Key(key),
		ID:            "id-" + key,
		ContainerView: fleet.ContainerView{StartedAt: noon().Add(-time.Hour), Status: worker.StatusRunning, CPUs: 0.5},
		HealView:      fleet.HealView{State: fleet.StateRunning, Expected: true},
	}
}

// busy is a Stoker with a value for every metric.
func busy() *stage {
	s := newStage()
	s.view.Engine.Engine = worker.Engine{Version: "20.10.24", APIVersion: "1.41", CPUs: 2}
	waits, held := newWorker("worker-b"), newWorker("worker-c")
	waits.State, waits.Status, waits.Attempts, waits.NextAt = fleet.StateWaiting, worker.StatusExited, 2, noon().Add(time.Minute)
	held.State, held.Held, held.Expected, held.Problems = fleet.StateHeld, worker.HeldBadLabels, false, []policy.Problem{{}}
	measured := newWorker("worker-a")
	measured.Boosted, measured.Share = true, worker.Share{At: noon(), CPUs: 0.49, Throttled: 0.75}
	measured.Probe = worker.ProbeView{Target: policy.ProbeTarget{Kind: policy.ProbeTCP, Port: "80"}, Status: worker.HealthHealthy}
	s.view.Workers = []fleet.WorkerView{measured, waits, held}
	s.view.Groups = []fleet.GroupView{{
		Name: "render/worker", Work: 12, GroupCounts: fleet.GroupCounts{Wanted: 4, Running: 3}, Limit: demand.LimitBudget,
		Sources: []fleet.SourceView{{State: demand.SourceAnswered, Waiting: 12}},
	}, {
		Name: "web", Work: 3, GroupCounts: fleet.GroupCounts{Wanted: 3, Running: 2}, Service: &fleet.ServiceView{State: "scaled", Replicas: 3},
		Sources: []fleet.SourceView{{State: demand.SourceAnswered, Waiting: 3}},
	}}
	wake := note(worker.EventWoken, "worker-a")
	wake.Group, wake.HealID, wake.Duration = "render/worker", 7, time.Second
	s.Record([]worker.Event{note(worker.EventManaged, "worker-a"), faultEvent("worker-a"), healedEvent("worker-a"), faultEvent("worker-b"), wake})
	s.Dropped("log", 1)
	s.Notified("sent")
	s.Observed("started")
	s.Resynced()
	s.Called("start", 350*time.Millisecond, "done")
	return s
}
