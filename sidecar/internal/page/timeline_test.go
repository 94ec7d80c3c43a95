package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/lifecycle"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hour is so many hours into the day that ends at noon.
func hour(n float64) time.Time {
	return noon.Add(-day + time.Duration(n*float64(time.Hour)))
}

func note(at float64, kind lifecycle.NoteKind, rest ...any) lifecycle.Note {
	n := lifecycle.Note{At: hour(at), Kind: kind, Key: "w"}
	for _, r := range rest {
		switch r := r.(type) {
		case lifecycle.Fault:
			n.Fault = r
		case lifecycle.Reason:
			n.Reason = r
		case time.Duration:
			n.Delay = r
		case lifecycle.Key:
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
		taken, fault, failed, healed = lifecycle.NoteTaken, lifecycle.NoteFault, lifecycle.NoteHealFailed, lifecycle.NoteHealed
		heldFor, exited, ill         = lifecycle.NoteHeld, lifecycle.FaultExited, lifecycle.FaultUnhealthy
	)
	running := life{Running: true, Since: hour(-30)}
	noKey := lifecycle.Key("")
	for name, c := range map[string]struct {
		notes []lifecycle.Note
		life  life
		want  string
	}{
		"nothing known":             {nil, life{}, "unknown 0-24"},
		"nothing but the life":      {nil, running, "alive 0-24"},
		"a life that began today":   {nil, life{true, hour(20)}, "unknown 0-20, alive 20-24"},
		"a life that is over":       {nil, life{false, hour(20)}, "unknown 0-24"},
		"before the first note":     {[]lifecycle.Note{note(4, taken)}, life{}, "unknown 0-4, alive 4-24"},
		"a note from before":        {[]lifecycle.Note{note(-3, taken)}, life{}, "alive 0-24"},
		"healed at once":            {[]lifecycle.Note{note(-3, taken), note(4, fault, exited), note(5, healed, exited)}, life{}, "alive 0-4, healing 4-5, alive 5-24"},
		"healed after a wait":       {[]lifecycle.Note{note(-3, taken), note(4, fault, exited, time.Hour), note(6, healed, exited)}, life{}, "alive 0-4, down 4-5, healing 5-6, alive 6-24"},
		"unhealthy":                 {[]lifecycle.Note{note(-3, taken), note(4, fault, ill, time.Hour), note(6, healed, ill)}, life{}, "alive 0-4, unhealthy 4-5, healing 5-6, alive 6-24"},
		"hung: no more waiting":     {[]lifecycle.Note{note(-3, taken), note(4, fault, ill, 3*time.Hour), note(5, lifecycle.NoteHung), note(6, healed)}, life{}, "alive 0-4, unhealthy 4-5, healing 5-6, alive 6-24"},
		"recovered while waiting":   {[]lifecycle.Note{note(-3, taken), note(4, fault, ill, 3*time.Hour), note(5, lifecycle.NoteRecovered)}, life{}, "alive 0-4, unhealthy 4-5, alive 5-24"},
		"starved for its grace":     {[]lifecycle.Note{note(-3, taken), note(4, fault, ill), note(4, heldFor, ill, lifecycle.HeldStarved, time.Hour), note(6, healed)}, life{}, "alive 0-4, unhealthy 4-5, healing 5-6, alive 6-24"},
		"failed, then exhausted":    {[]lifecycle.Note{note(-3, taken), note(4, fault, exited), note(5, failed, exited), note(5, lifecycle.NoteExhausted, exited)}, life{}, "alive 0-4, healing 4-5, down 5-24"},
		"a heal under way":          {[]lifecycle.Note{note(-3, taken), note(23, fault, exited)}, life{}, "alive 0-23, healing 23-24"},
		"a heal in the future":      {[]lifecycle.Note{note(-3, taken), note(23, fault, exited, 5*time.Hour)}, life{}, "alive 0-23, down 23-24"},
		"a quota is no news":        {[]lifecycle.Note{note(-3, taken), note(4, fault, exited, 2*time.Hour), note(5, lifecycle.NoteQuota), note(7, healed)}, life{}, "alive 0-4, down 4-6, healing 6-7, alive 7-24"},
		"stopped and started":       {[]lifecycle.Note{note(-3, taken), note(4, heldFor, lifecycle.HeldOperator), note(8, lifecycle.NoteRecovered)}, life{}, "alive 0-4, down 4-8, alive 8-24"},
		"unhealthy and left":        {[]lifecycle.Note{note(-3, taken), note(4, heldFor, ill, lifecycle.HeldIgnored)}, running, "alive 0-4, unhealthy 4-24"},
		"bad labels":                {[]lifecycle.Note{note(-3, taken), note(-3, heldFor, lifecycle.HeldBadLabels)}, running, "unknown 0-24"},
		"gone":                      {[]lifecycle.Note{note(-3, taken), note(4, lifecycle.NoteReleased)}, life{}, "alive 0-4, unknown 4-24"},
		"gone and back":             {[]lifecycle.Note{note(-3, taken), note(4, lifecycle.NoteReleased), note(6, taken)}, life{}, "alive 0-4, unknown 4-6, alive 6-24"},
		"no link":                   {[]lifecycle.Note{note(-3, taken), note(4, lifecycle.NoteLinkLost, noKey), note(6, lifecycle.NoteLinkUp, noKey)}, running, "alive 0-4, unknown 4-6, alive 6-24"},
		"no link any more":          {[]lifecycle.Note{note(-3, taken), note(20, lifecycle.NoteLinkLost, noKey)}, running, "alive 0-20, unknown 20-24"},
		"no link over a heal":       {[]lifecycle.Note{note(-3, taken), note(4, lifecycle.NoteLinkLost, noKey), note(6, lifecycle.NoteLinkUp, noKey), note(6, fault, exited), note(7, healed)}, running, "alive 0-4, unknown 4-6, healing 6-7, alive 7-24"},
		"stoker away, one life":     {[]lifecycle.Note{note(-3, taken), note(10, taken)}, running, "alive 0-24"},
		"stoker away, another life": {[]lifecycle.Note{note(-3, taken), note(5, healed), note(10, taken)}, life{true, hour(9)}, "alive 0-5, unknown 5-10, alive 10-24"},
		"somebody heard later":      {[]lifecycle.Note{note(-3, taken), note(9, healed, lifecycle.Key("other")), note(10, taken)}, life{true, hour(9.5)}, "alive 0-9, unknown 9-10, alive 10-24"},
		"stoker away, held":         {[]lifecycle.Note{note(-3, taken), note(5, heldFor, lifecycle.HeldOperator), note(10, taken), note(10, heldFor, lifecycle.HeldOperator)}, life{}, "alive 0-5, down 5-24"},
		"stoker away, found dead":   {[]lifecycle.Note{note(-3, taken), note(10, taken), note(10, fault, exited), note(11, healed)}, life{}, "unknown 0-10, healing 10-11, alive 11-24"},
		"died without a link":       {[]lifecycle.Note{note(-3, taken), note(4, lifecycle.NoteLinkLost, noKey), note(8, taken), note(8, lifecycle.NoteLinkUp, noKey)}, running, "alive 0-4, unknown 4-8, alive 8-24"},
		"another worker's":          {[]lifecycle.Note{note(-3, taken), note(4, fault, exited, lifecycle.Key("other"))}, life{}, "alive 0-24"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, written(tell(c.notes).timeline("w", c.life, hour(0), hour(24))))
		})
	}
}

// A start of Stoker with many workers is one absence, though each of them is introduced.
func TestTimelineOneStart(t *testing.T) {
	t.Parallel()
	var notes []lifecycle.Note
	for _, at := range []float64{-3, 10} {
		for n := range 5 {
			notes = append(notes, note(at+float64(n)/3600, lifecycle.NoteTaken, lifecycle.Key(fmt.Sprint(n))))
		}
	}
	require.Len(t, tell(notes).absences, 1)
}

func TestDraw(t *testing.T) {
	t.Parallel()
	spans := []span{{hour(0), hour(12), alive}, {hour(12), hour(12).Add(time.Second), down}, {hour(12).Add(time.Second), hour(24), alive}}
	d := draw(spans, hour(0), hour(24), 96, 16)
	require.Equal(t, []stroke{{alive, "M0 10h48V16h-48zM49 10h47V16h-47z"}, {down, "M48 0h1V16h-1z"}}, d.Strokes, "a second is seen in a day")
	require.Equal(t, "alive 100.0 %, down 1 s", d.Text)
}

func TestSummary(t *testing.T) {
	t.Parallel()
	for want, spans := range map[string][]span{
		"nothing known":      {{hour(0), hour(24), unknown}},
		"alive all the time": {{hour(0), hour(24), alive}},
		"down all the time":  {{hour(0), hour(24), down}},
		"alive 50.0 %, healing 3 h in 2 spells, unhealthy 1 h, down 2 h, unknown 6 h": {
			{hour(0), hour(6), unknown}, {hour(6), hour(12), alive}, {hour(12), hour(13), unhealthy}, {hour(13), hour(15), healing},
			{hour(15), hour(21), alive}, {hour(21), hour(23), down}, {hour(23), hour(24), healing},
		},
	} {
		require.Equal(t, want, summary(spans))
	}
}
