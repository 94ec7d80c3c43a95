package page

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	type line struct {
		outcome outcome
		took    time.Duration
	}
	const h = time.Hour
	fault := func(at float64) worker.Event {
		return note(at, worker.EventFault, worker.FaultExited, worker.ReasonCrashed)
	}
	for name, c := range map[string]struct {
		notes []worker.Event
		want  []line // the newest first
	}{
		"healed":              {[]worker.Event{fault(1), note(3, worker.EventHealed)}, []line{{healed, 2 * h}}},
		"under way":           {[]worker.Event{fault(22)}, []line{{underWay, 2 * h}}},
		"failed, again":       {[]worker.Event{fault(1), note(2, worker.EventHealFailed), fault(2), note(5, worker.EventHealed)}, []line{{healed, 3 * h}, {failed, h}}},
		"exhausted":           {[]worker.Event{fault(1), note(2, worker.EventHealFailed), note(2, worker.EventExhausted)}, []line{{exhausted, 0}, {failed, h}}},
		"recovered":           {[]worker.Event{fault(1), note(2, worker.EventRecovered)}, []line{{recovered, h}}},
		"stopped meanwhile":   {[]worker.Event{fault(1), note(2, worker.EventHeld, worker.HeldOperator)}, []line{{held, 0}, {dropped, h}}},
		"starved, then cured": {[]worker.Event{fault(1), note(2, worker.EventHeld, worker.HeldStarved), note(3, worker.EventHealed)}, []line{{held, 0}, {healed, 2 * h}}},
		"decided again":       {[]worker.Event{fault(1), fault(2)}, []line{{underWay, 22 * h}, {dropped, h}}},
		"no news":             {[]worker.Event{note(1, worker.EventManaged), note(2, worker.EventStable), note(3, worker.EventStatsUnavailable), note(4, worker.EventRecovered)}, nil},
		"two workers": {[]worker.Event{fault(1), note(2, worker.EventFault, worker.Key("other")), note(3, worker.EventHealed), note(4, worker.EventHealed, worker.Key("other"))},
			[]line{{healed, 2 * h}, {healed, 2 * h}}},
		"a heal whose fault is forgotten": {[]worker.Event{{At: hour(3), Key: "w", Kind: worker.EventHealed, HealDetails: worker.HealDetails{Duration: h}}}, []line{{healed, h}}},
		"about no worker":                 {[]worker.Event{note(1, worker.EventEngineDisconnected, worker.Key("")), note(2, worker.EventEngineConnected, worker.Key(""))}, []line{{connected, 0}, {disconnected, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []line
			for _, r := range slices.Backward(pastOf(c.notes).records) {
				got = append(got, line{r.Outcome, r.took(noon)})
			}
			require.Equal(t, c.want, got)
		})
	}
}

// A heal is ended by events with its ID, in whatever order they come.
func TestHealsArePairedByTheirID(t *testing.T) {
	t.Parallel()
	event := func(at float64, kind worker.EventKind, id uint64) worker.Event {
		n := note(at, kind, worker.FaultExited)
		n.HealID = id
		return n
	}
	for name, c := range map[string]struct {
		events []worker.Event
		want   []outcome // the newest first
	}{
		"the end of an earlier heal":       {[]worker.Event{event(1, worker.EventFault, 1), event(2, worker.EventFault, 2), event(3, worker.EventHealed, 1)}, []outcome{underWay, healed}},
		"and of the later one":             {[]worker.Event{event(1, worker.EventFault, 1), event(2, worker.EventFault, 2), event(3, worker.EventHealed, 1), event(4, worker.EventHealed, 2)}, []outcome{healed, healed}},
		"an event about no heal ends none": {[]worker.Event{event(1, worker.EventFault, 1), event(2, worker.EventRecovered, 0)}, []outcome{underWay}},
		"attempts of one heal":             {[]worker.Event{event(1, worker.EventFault, 1), event(2, worker.EventHealFailed, 1), event(3, worker.EventFault, 1), event(4, worker.EventHealed, 1)}, []outcome{healed, failed}},
		"an operator's stop":               {[]worker.Event{event(1, worker.EventFault, 1), note(2, worker.EventHeld, worker.HeldOperator)}, []outcome{held, dropped}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []outcome
			for _, r := range slices.Backward(pastOf(c.events).records) {
				got = append(got, r.Outcome)
			}
			require.Equal(t, c.want, got)
		})
	}
}

// What the fault event has and the end event has not stays; where both have it, the end's counts.
func TestRecordKeepsWhatWasKnown(t *testing.T) {
	t.Parallel()
	first := worker.Event{At: hour(1), Kind: worker.EventFault, Key: "w", HealDetails: worker.HealDetails{Fault: worker.FaultUnhealthy, Intent: worker.IntentNone,
		Heal: worker.HealRestart, Output: "no answer"}, Reason: worker.ReasonProbeTimedOut}
	ended := worker.Event{At: hour(2), Kind: worker.EventHealed, Key: "w", Reason: worker.ReasonHung, HealDetails: worker.HealDetails{Heal: worker.HealRecreate}, Detail: "recreated"}
	got := pastOf([]worker.Event{first, ended}).records
	require.Len(t, got, 1)
	n := got[0].Event
	require.Equal(t, hour(1), got[0].Began)
	require.Equal(t, []any{worker.FaultUnhealthy, worker.IntentNone, worker.HealRecreate, worker.ReasonHung, "no answer", "recreated"},
		[]any{n.Fault, n.Intent, n.Heal, n.Reason, n.Output, n.Detail})
}

// Each kind has a text of its own, or none on purpose.
func TestEveryKindIsKnown(t *testing.T) {
	t.Parallel()
	for _, k := range worker.EventKinds() {
		if o, _ := outcomeOf(worker.Event{Kind: k}); o != "" {
			require.NotContains(t, string(o), "-", "%s has no words of its own", k)
		}
	}
}
