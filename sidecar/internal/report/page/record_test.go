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

	"stoker/sidecar/internal/core/worker"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	type line struct {
		outcome outcome
		took    time.Duration
	}
	const h = time.Hour
	fault := func(at float64) worker.Note {
		return note(at, worker.NoteFault, worker.FaultExited, worker.ReasonCrashed)
	}
	for name, c := range map[string]struct {
		notes []worker.Note
		want  []line // the newest first
	}{
		"healed":              {[]worker.Note{fault(1), note(3, worker.NoteHealed)}, []line{{healed, 2 * h}}},
		"under way":           {[]worker.Note{fault(22)}, []line{{underWay, 2 * h}}},
		"failed, again":       {[]worker.Note{fault(1), note(2, worker.NoteHealFailed), fault(2), note(5, worker.NoteHealed)}, []line{{healed, 3 * h}, {failed, h}}},
		"exhausted":           {[]worker.Note{fault(1), note(2, worker.NoteHealFailed), note(2, worker.NoteExhausted)}, []line{{gaveUp, 0}, {failed, h}}},
		"recovered":           {[]worker.Note{fault(1), note(2, worker.NoteRecovered)}, []line{{recovered, h}}},
		"stopped meanwhile":   {[]worker.Note{fault(1), note(2, worker.NoteHeld, worker.HeldOperator)}, []line{{held, 0}, {dropped, h}}},
		"starved, then cured": {[]worker.Note{fault(1), note(2, worker.NoteHeld, worker.HeldStarved), note(3, worker.NoteHealed)}, []line{{held, 0}, {healed, 2 * h}}},
		"decided anew":        {[]worker.Note{fault(1), fault(2)}, []line{{underWay, 22 * h}, {dropped, h}}},
		"no news":             {[]worker.Note{note(1, worker.NoteTaken), note(2, worker.NoteStable), note(3, worker.NoteBlind), note(4, worker.NoteRecovered)}, nil},
		"two workers": {[]worker.Note{fault(1), note(2, worker.NoteFault, worker.Key("other")), note(3, worker.NoteHealed), note(4, worker.NoteHealed, worker.Key("other"))},
			[]line{{healed, 2 * h}, {healed, 2 * h}}},
		"a heal whose fault is forgotten": {[]worker.Note{{At: hour(3), Key: "w", Kind: worker.NoteHealed, Duration: h}}, []line{{healed, h}}},
		"about no worker":                 {[]worker.Note{note(1, worker.NoteLinkLost, worker.Key("")), note(2, worker.NoteLinkUp, worker.Key(""))}, []line{{linkUp, 0}, {linkLost, 0}}},
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
	first := worker.Note{At: hour(1), Kind: worker.NoteFault, Key: "w", Fault: worker.FaultUnhealthy, Intent: worker.IntentNone,
		Heal: worker.HealRestart, Reason: worker.ReasonProbeTimedOut, Output: "no answer"}
	ended := worker.Note{At: hour(2), Kind: worker.NoteHealed, Key: "w", Reason: worker.ReasonHung, Heal: worker.HealRecreate, Detail: "made anew"}
	got := recordsOf([]worker.Note{first, ended}, noon)
	require.Len(t, got, 1)
	n := got[0].Note
	require.Equal(t, hour(1), got[0].Began)
	require.Equal(t, []any{worker.FaultUnhealthy, worker.IntentNone, worker.HealRecreate, worker.ReasonHung, "no answer", "made anew"},
		[]any{n.Fault, n.Intent, n.Heal, n.Reason, n.Output, n.Detail})
}

// noteKinds are the kinds that lifecycle declares.
func noteKinds(t *testing.T) []worker.NoteKind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../core/worker/note.go", nil, 0)
	require.NoError(t, err)
	var kinds []worker.NoteKind
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Note") {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok)
			word, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			kinds = append(kinds, worker.NoteKind(word))
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
		if o, _ := outcomeOf(worker.Note{Kind: k}); o != "" {
			require.NotContains(t, string(o), "-", "%s has no words of its own", k)
		}
	}
	require.Len(t, listened, len(noteKinds(t)))
}
