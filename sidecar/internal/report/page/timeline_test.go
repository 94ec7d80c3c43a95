package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/worker"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hour is so many hours into the day that ends at noon.
func hour(n float64) time.Time {
	return noon.Add(-day + time.Duration(n*float64(time.Hour)))
}

func note(at float64, kind worker.EventKind, rest ...any) worker.Event {
	n := worker.Event{At: hour(at), Kind: kind, Key: "w"}
	for _, r := range rest {
		switch r := r.(type) {
		case worker.Fault:
			n.Fault = r
		case worker.Reason:
			n.Reason = r
		case time.Duration:
			n.Delay = r
		case worker.Key:
			n.Key = r
		}
	}
	return n
}

// written are spans in a line: condition and hours.
func written(spans []span) string {
	var words []string
	for _, s := range spans {
		words = append(words, fmt.Sprintf("%s %g-%g", s.Condition, s.From.Sub(hour(0)).Hours(), s.To.Sub(hour(0)).Hours()))
	}
	return strings.Join(words, ", ")
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	const (
		managed, fault, failed, healed = worker.EventManaged, worker.EventFault, worker.EventHealFailed, worker.EventHealed
		heldFor, exited, sick          = worker.EventHeld, worker.FaultExited, worker.FaultUnhealthy
	)
	running := life{Running: true, Since: hour(-30)}
	noKey := worker.Key("")
	for name, c := range map[string]struct {
		notes []worker.Event
		life  life
		want  string
	}{
		"nothing known":             {nil, life{}, "unknown 0-24"},
		"nothing but the life":      {nil, running, "alive 0-24"},
		"a life that began today":   {nil, life{true, hour(20)}, "unknown 0-20, alive 20-24"},
		"a life that is over":       {nil, life{false, hour(20)}, "unknown 0-24"},
		"before the first note":     {[]worker.Event{note(4, managed)}, life{}, "unknown 0-4, alive 4-24"},
		"a note from before":        {[]worker.Event{note(-3, managed)}, life{}, "alive 0-24"},
		"healed at once":            {[]worker.Event{note(-3, managed), note(4, fault, exited), note(5, healed, exited)}, life{}, "alive 0-4, healing 4-5, alive 5-24"},
		"healed after a wait":       {[]worker.Event{note(-3, managed), note(4, fault, exited, time.Hour), note(6, healed, exited)}, life{}, "alive 0-4, down 4-5, healing 5-6, alive 6-24"},
		"unhealthy":                 {[]worker.Event{note(-3, managed), note(4, fault, sick, time.Hour), note(6, healed, sick)}, life{}, "alive 0-4, unhealthy 4-5, healing 5-6, alive 6-24"},
		"hung: no more waiting":     {[]worker.Event{note(-3, managed), note(4, fault, sick, 3*time.Hour), note(5, worker.EventHung), note(6, healed)}, life{}, "alive 0-4, unhealthy 4-5, healing 5-6, alive 6-24"},
		"recovered while waiting":   {[]worker.Event{note(-3, managed), note(4, fault, sick, 3*time.Hour), note(5, worker.EventRecovered)}, life{}, "alive 0-4, unhealthy 4-5, alive 5-24"},
		"starved for its grace":     {[]worker.Event{note(-3, managed), note(4, fault, sick), note(4, heldFor, sick, worker.HeldStarved, time.Hour), note(6, healed)}, life{}, "alive 0-4, unhealthy 4-5, healing 5-6, alive 6-24"},
		"failed, then exhausted":    {[]worker.Event{note(-3, managed), note(4, fault, exited), note(5, failed, exited), note(5, worker.EventExhausted, exited)}, life{}, "alive 0-4, healing 4-5, down 5-24"},
		"a heal under way":          {[]worker.Event{note(-3, managed), note(23, fault, exited)}, life{}, "alive 0-23, healing 23-24"},
		"a heal in the future":      {[]worker.Event{note(-3, managed), note(23, fault, exited, 5*time.Hour)}, life{}, "alive 0-23, down 23-24"},
		"a quota is no news":        {[]worker.Event{note(-3, managed), note(4, fault, exited, 2*time.Hour), note(5, worker.EventQuota), note(7, healed)}, life{}, "alive 0-4, down 4-6, healing 6-7, alive 7-24"},
		"stopped and started":       {[]worker.Event{note(-3, managed), note(4, heldFor, worker.HeldOperator), note(8, worker.EventRecovered)}, life{}, "alive 0-4, stopped 4-8, alive 8-24"},
		"finished":                  {[]worker.Event{note(-3, managed), note(4, heldFor, worker.HeldFinished)}, life{}, "alive 0-4, stopped 4-24"},
		"exit not observed":         {[]worker.Event{note(-3, managed), note(4, heldFor, worker.HeldExitNotObserved)}, life{}, "alive 0-4, down 4-24"},
		"unhealthy and left":        {[]worker.Event{note(-3, managed), note(4, heldFor, sick, worker.HeldIgnored)}, running, "alive 0-4, unhealthy 4-24"},
		"bad labels":                {[]worker.Event{note(-3, managed), note(-3, heldFor, worker.HeldBadLabels)}, running, "unknown 0-24"},
		"gone":                      {[]worker.Event{note(-3, managed), note(4, worker.EventUnmanaged)}, life{}, "alive 0-4, unknown 4-24"},
		"gone and back":             {[]worker.Event{note(-3, managed), note(4, worker.EventUnmanaged), note(6, managed)}, life{}, "alive 0-4, unknown 4-6, alive 6-24"},
		"no link":                   {[]worker.Event{note(-3, managed), note(4, worker.EventEngineDisconnected, noKey), note(6, worker.EventEngineConnected, noKey)}, running, "alive 0-4, unknown 4-6, alive 6-24"},
		"no link any more":          {[]worker.Event{note(-3, managed), note(20, worker.EventEngineDisconnected, noKey)}, running, "alive 0-20, unknown 20-24"},
		"no link over a heal":       {[]worker.Event{note(-3, managed), note(4, worker.EventEngineDisconnected, noKey), note(6, worker.EventEngineConnected, noKey), note(6, fault, exited), note(7, healed)}, running, "alive 0-4, unknown 4-6, healing 6-7, alive 7-24"},
		"stoker away, one life":     {[]worker.Event{note(-3, managed), note(10, managed)}, running, "alive 0-24"},
		"stoker away, another life": {[]worker.Event{note(-3, managed), note(5, healed), note(10, managed)}, life{true, hour(9)}, "alive 0-5, unknown 5-10, alive 10-24"},
		"observed again later":      {[]worker.Event{note(-3, managed), note(9, healed, worker.Key("other")), note(10, managed)}, life{true, hour(9.5)}, "alive 0-9, unknown 9-10, alive 10-24"},
		"stoker away, held":         {[]worker.Event{note(-3, managed), note(5, heldFor, worker.HeldOperator), note(10, managed), note(10, heldFor, worker.HeldOperator)}, life{}, "alive 0-5, stopped 5-24"},
		"stoker away, found dead":   {[]worker.Event{note(-3, managed), note(10, managed), note(10, fault, exited), note(11, healed)}, life{}, "unknown 0-10, healing 10-11, alive 11-24"},
		"died without a link":       {[]worker.Event{note(-3, managed), note(4, worker.EventEngineDisconnected, noKey), note(8, managed), note(8, worker.EventEngineConnected, noKey)}, running, "alive 0-4, unknown 4-8, alive 8-24"},
		"another worker's":          {[]worker.Event{note(-3, managed), note(4, fault, exited, worker.Key("other"))}, life{}, "alive 0-24"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, written(pastOf(c.notes).timeline("w", c.life, hour(0), hour(24))))
		})
	}
}

// A start of Stoker with many workers is one absence, though each of them is introduced.
func TestTimelineOneStart(t *testing.T) {
	t.Parallel()
	var notes []worker.Event
	for _, at := range []float64{-3, 10} {
		for n := range 5 {
			notes = append(notes, note(at+float64(n)/3600, worker.EventManaged, worker.Key(fmt.Sprint(n))))
		}
	}
	require.Len(t, pastOf(notes).absences, 1)
}

func TestDraw(t *testing.T) {
	t.Parallel()
	spans := []span{{hour(0), hour(12), alive}, {hour(12), hour(12).Add(time.Second), down}, {hour(12).Add(time.Second), hour(24), alive}}
	d := draw(spans, hour(0), hour(24), 96, 16)
	require.Equal(t, []stroke{{alive, "M0 10h48V16h-48zM49 10h47V16h-47z"}, {down, "M48 0h1V16h-1z"}}, d.Strokes, "a second is seen in a day")
	require.Equal(t, "alive 100.0 %, down 1 s", d.Text)
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for want, spans := range map[string][]span{
		"nothing known":      {{hour(0), hour(24), unknown}},
		"alive all the time": {{hour(0), hour(24), alive}},
		"down all the time":  {{hour(0), hour(24), down}},
		"alive 50.0 %, healing 3 h in 2 intervals, unhealthy 1 h, down 2 h, unknown 6 h": {
			{hour(0), hour(6), unknown}, {hour(6), hour(12), alive}, {hour(12), hour(13), unhealthy}, {hour(13), hour(15), healing},
			{hour(15), hour(21), alive}, {hour(21), hour(23), down}, {hour(23), hour(24), healing},
		},
	} {
		require.Equal(t, want, describe(spans))
	}
}

// A timeline of a long past costs only what it shows, and shows the same.
func TestTimelineOfALongPast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds := []worker.EventKind{worker.EventManaged, worker.EventFault, worker.EventHealed, worker.EventHealFailed, worker.EventHeld,
			worker.EventUnmanaged, worker.EventEngineDisconnected, worker.EventEngineConnected, worker.EventHung}
		var events []worker.Event
		at := -200.0
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			at += rapid.Float64Range(0, 10).Draw(t, "wait")
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			key := worker.Key("w")
			if kind == worker.EventEngineDisconnected || kind == worker.EventEngineConnected {
				key = ""
			}
			events = append(events, note(min(at, 24), kind, key, worker.FaultExited, worker.HeldOperator,
				time.Duration(rapid.IntRange(0, 3).Draw(t, "delay"))*time.Hour))
		}
		current := life{Running: rapid.Bool().Draw(t, "running"), Since: hour(rapid.Float64Range(-250, 24).Draw(t, "since"))}
		p := pastOf(events)
		whole := normalize(p.timeline("w", current, hour(-300), hour(24)), hour(0), hour(24))
		require.Equal(t, written(whole), written(p.timeline("w", current, hour(0), hour(24))))
	})
}
