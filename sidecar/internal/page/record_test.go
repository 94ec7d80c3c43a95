package page

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/lifecycle"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	type line struct {
		outcome outcome
		took    time.Duration
	}
	const h = time.Hour
	fault := func(at float64) lifecycle.Note {
		return note(at, lifecycle.NoteFault, lifecycle.FaultExited, lifecycle.ReasonCrashed)
	}
	for name, c := range map[string]struct {
		notes []lifecycle.Note
		want  []line // the newest first
	}{
		"healed":              {[]lifecycle.Note{fault(1), note(3, lifecycle.NoteHealed)}, []line{{healed, 2 * h}}},
		"under way":           {[]lifecycle.Note{fault(22)}, []line{{underWay, 2 * h}}},
		"failed, again":       {[]lifecycle.Note{fault(1), note(2, lifecycle.NoteHealFailed), fault(2), note(5, lifecycle.NoteHealed)}, []line{{healed, 3 * h}, {failed, h}}},
		"exhausted":           {[]lifecycle.Note{fault(1), note(2, lifecycle.NoteHealFailed), note(2, lifecycle.NoteExhausted)}, []line{{gaveUp, 0}, {failed, h}}},
		"recovered":           {[]lifecycle.Note{fault(1), note(2, lifecycle.NoteRecovered)}, []line{{recovered, h}}},
		"stopped meanwhile":   {[]lifecycle.Note{fault(1), note(2, lifecycle.NoteHeld, lifecycle.HeldOperator)}, []line{{held, 0}, {dropped, h}}},
		"starved, then cured": {[]lifecycle.Note{fault(1), note(2, lifecycle.NoteHeld, lifecycle.HeldStarved), note(3, lifecycle.NoteHealed)}, []line{{held, 0}, {healed, 2 * h}}},
		"decided anew":        {[]lifecycle.Note{fault(1), fault(2)}, []line{{underWay, 22 * h}, {dropped, h}}},
		"no news":             {[]lifecycle.Note{note(1, lifecycle.NoteTaken), note(2, lifecycle.NoteStable), note(3, lifecycle.NoteBlind), note(4, lifecycle.NoteRecovered)}, nil},
		"two workers": {[]lifecycle.Note{fault(1), note(2, lifecycle.NoteFault, lifecycle.Key("other")), note(3, lifecycle.NoteHealed), note(4, lifecycle.NoteHealed, lifecycle.Key("other"))},
			[]line{{healed, 2 * h}, {healed, 2 * h}}},
		"a heal whose fault is forgotten": {[]lifecycle.Note{{At: hour(3), Key: "w", Kind: lifecycle.NoteHealed, Duration: h}}, []line{{healed, h}}},
		"about no worker":                 {[]lifecycle.Note{note(1, lifecycle.NoteLinkLost, lifecycle.Key("")), note(2, lifecycle.NoteLinkUp, lifecycle.Key(""))}, []line{{linkUp, 0}, {linkLost, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []line
			for _, r := range recordsOf(c.notes, noon) {
				got = append(got, line{r.Outcome, r.Took})
			}
			require.Equal(t, c.want, got)
		})
	}
}

// What the fault knew and the end does not say again stays; what the end knows better wins.
func TestRecordKeepsWhatWasKnown(t *testing.T) {
	t.Parallel()
	first := lifecycle.Note{At: hour(1), Kind: lifecycle.NoteFault, Key: "w", Fault: lifecycle.FaultUnhealthy, Intent: lifecycle.IntentNone,
		Heal: lifecycle.HealRestart, Reason: lifecycle.ReasonProbeTimedOut, Output: "no answer"}
	ended := lifecycle.Note{At: hour(2), Kind: lifecycle.NoteHealed, Key: "w", Reason: lifecycle.ReasonHung, Heal: lifecycle.HealRecreate, Detail: "made anew"}
	got := recordsOf([]lifecycle.Note{first, ended}, noon)
	require.Len(t, got, 1)
	n := got[0].Note
	require.Equal(t, hour(1), got[0].Began)
	require.Equal(t, []any{lifecycle.FaultUnhealthy, lifecycle.IntentNone, lifecycle.HealRecreate, lifecycle.ReasonHung, "no answer", "made anew"},
		[]any{n.Fault, n.Intent, n.Heal, n.Reason, n.Output, n.Detail})
}

// noteKinds are the kinds that lifecycle declares.
func noteKinds(t *testing.T) []lifecycle.NoteKind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../lifecycle/note.go", nil, 0)
	require.NoError(t, err)
	var kinds []lifecycle.NoteKind
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Note") {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok)
			word, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			kinds = append(kinds, lifecycle.NoteKind(word))
		}
		return true
	})
	require.NotEmpty(t, kinds)
	return kinds
}

// A kind that is new in lifecycle is listened to, and has a word of its own or is passed over on purpose.
func TestEveryKindIsKnown(t *testing.T) {
	t.Parallel()
	listened := strings.Fields(kinds())
	for _, k := range noteKinds(t) {
		require.Contains(t, listened, string(k))
		if o, _ := outcomeOf(lifecycle.Note{Kind: k}); o != "" {
			require.NotContains(t, string(o), "-", "%s has no words of its own", k)
		}
	}
	require.Len(t, listened, len(noteKinds(t)))
}
