package worker_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

var update = flag.Bool("update", false, "rewrite the state diagram of docs/design.md")

// step feeds a machine one input, and checks the transition table and the form of its state.
func step(t require.TestingT, m *worker.Machine, now time.Time, in worker.Input) worker.Effects {
	before := m.View().Phase
	effects := m.Step(now, in)
	s := m.Saved().State
	require.True(t, worker.Allowed(before, worker.InputName(in), s.Phase), "%s on %q became %s", before, worker.InputName(in), s.Phase)
	require.True(t, slices.Contains(worker.Phases(), s.Phase), "unknown phase %q", s.Phase)
	require.Equal(t, s.Phase == worker.PhaseHeld, s.Hold != worker.Hold{}, "%s with hold %v", s.Phase, s.Hold)
	if s.Phase != worker.PhaseWatching {
		require.Zero(t, s.Recycle, "%s with a recycle", s.Phase)
	}
	if !s.Heal.Open() {
		require.Contains(t, []worker.Phase{worker.PhaseWatching, worker.PhaseHeld, worker.PhaseAsleep, worker.PhaseDocker, worker.PhaseExhausted}, s.Phase)
		require.Zero(t, s.Due)
	} else {
		require.NotContains(t, []worker.Phase{worker.PhaseWatching, worker.PhaseHeld, worker.PhaseAsleep, worker.PhaseExhausted}, s.Phase)
		require.NotZero(t, s.Heal.ID)
	}
	return effects
}

// TestTransitionsAreNamed: every row has existing phases and inputs.
func TestTransitionsAreNamed(t *testing.T) {
	inputs := []string{
		"", "due", "engine restarted", "stats read", "orphaned", "recreate found", "inspect answered", "start answered", "stop answered", "kill answered",
		"update answered", "collect answered", "connect answered", "recreate answered", "started", "exited", "stopped", "healthy", "gone", "renamed", "listed", "wake", "sleep", "recycle", "resume",
	}
	reached := map[worker.Phase]bool{worker.PhaseWatching: true}
	for _, row := range worker.Transitions() {
		require.Contains(t, inputs, row.Input)
		for _, p := range row.To {
			reached[p] = true
		}
	}
	require.Len(t, reached, len(worker.Phases()), "each phase can be reached")
}

// TestStateDiagram keeps the diagrams in the documents equal to the table.
func TestStateDiagram(t *testing.T) {
	const written = ": written by go test ./sidecar/internal/core/worker -update -->\n"
	for _, c := range []struct{ page, begin, end, want string }{
		{"../../../../docs/design.md", "<!-- states" + written, "<!-- /states -->\n", diagram() + "\n" + table()},
		{"../../../../docs/how-it-works.md", "<!-- diagram" + written, "<!-- /diagram -->\n", diagram()},
	} {
		raw, err := os.ReadFile(c.page)
		require.NoError(t, err)
		before, rest, ok := strings.Cut(string(raw), c.begin)
		require.True(t, ok, "%s has no place for the diagram", c.page)
		old, after, ok := strings.Cut(rest, c.end)
		require.True(t, ok, c.page)
		if *update {
			require.NoError(t, os.WriteFile(c.page, []byte(before+c.begin+c.want+c.end+after), 0o600))
			continue
		}
		require.Equal(t, c.want, old, "run: go test ./sidecar/internal/core/worker -update")
	}
}

// edge is one arrow of the diagram.
type edge struct {
	from  worker.Phase
	input string
	to    worker.Phase
}

// edges is the path of a heal. Edges that nearly every phase has are in the table below the diagram instead.
func edges() []edge {
	return []edge{
		{worker.PhaseWatching, "exited", worker.PhaseBackingOff},
		{worker.PhaseWatching, "exited", worker.PhaseDocker},
		{worker.PhaseWatching, "exited", worker.PhaseHeld},
		{worker.PhaseWatching, "inspect answered", worker.PhaseStopDue},
		{worker.PhaseWatching, "exited", worker.PhaseRecreateDue},
		{worker.PhaseDocker, "inspect answered", worker.PhaseBackingOff},
		{worker.PhaseDocker, "started", worker.PhaseWatching},
		{worker.PhaseStopDue, "due", worker.PhaseStopping},
		{worker.PhaseStopDue, "healthy", worker.PhaseWatching},
		{worker.PhaseStopping, "exited", worker.PhaseBackingOff},
		{worker.PhaseBackingOff, "due", worker.PhaseStarting},
		{worker.PhaseStarting, "start answered", worker.PhaseVerifying},
		{worker.PhaseStarting, "start answered", worker.PhaseBackingOff},
		{worker.PhaseVerifying, "healthy", worker.PhaseWatching},
		{worker.PhaseVerifying, "exited", worker.PhaseBackingOff},
		{worker.PhaseVerifying, "exited", worker.PhaseExhausted},
		{worker.PhaseRecreateDue, "due", worker.PhaseRecreating},
		{worker.PhaseRecreating, "recreate answered", worker.PhaseVerifying},
		{worker.PhaseRecreating, "recreate answered", worker.PhaseRecreateDue},
		{worker.PhaseRecreating, "recreate answered", worker.PhaseHeld},
		{worker.PhaseWatching, "sleep", worker.PhaseStopDue},
		{worker.PhaseWatching, "recycle", worker.PhaseStopDue},
		{worker.PhaseStopping, "exited", worker.PhaseAsleep},
		{worker.PhaseAsleep, "wake", worker.PhaseBackingOff},
		{worker.PhaseAsleep, "started", worker.PhaseWatching},
		{worker.PhaseHeld, "started", worker.PhaseWatching},
		{worker.PhaseExhausted, "started", worker.PhaseWatching},
	}
}

func TestDiagramMatchesTable(t *testing.T) {
	for _, e := range edges() {
		require.NotEqual(t, e.from, e.to)
		require.True(t, worker.Allowed(e.from, e.input, e.to), "%s on %q to %s", e.from, e.input, e.to)
	}
}

// diagram draws the path of a heal.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	for _, p := range worker.Phases() {
		fmt.Fprintf(&b, "    state \"%s\" as %s\n", p, node(p))
	}
	b.WriteString("    [*] --> watching\n")
	for _, e := range edges() {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", node(e.from), node(e.to), e.input)
	}
	b.WriteString("```\n")
	return b.String()
}

// table lists all transitions.
func table() string {
	var b strings.Builder
	b.WriteString("| input | in phase | may lead to |\n|---|---|---|\n")
	for _, row := range worker.Transitions() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", orAny(row.Input), names(row.From), names(row.To))
	}
	return b.String()
}

func node(p worker.Phase) string { return strings.ReplaceAll(string(p), "-", "_") }

func orAny(input string) string {
	if input == "" {
		return "any, once its parent was restarted"
	}
	return input
}

func names(phases []worker.Phase) string {
	switch len(phases) {
	case len(worker.Phases()):
		return "any"
	case len(worker.Phases()) - 1:
		return "any but `recreating`"
	}
	var words []string
	for _, p := range phases {
		words = append(words, "`"+string(p)+"`")
	}
	return strings.Join(words, ", ")
}
