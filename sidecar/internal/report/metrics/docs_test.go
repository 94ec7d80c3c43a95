package metrics

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const docs = "../../../../docs/metrics.md"

// The table is written from what is gathered: with -update the test writes it, without it the test compares. The library's
// go_* and process_* metrics are summed up.
func TestTheTableOfMetricsMatchesTheCode(t *testing.T) { // writes the same file as the other table
	s := busy()
	gathered, err := s.registry.Gather()
	require.NoError(t, err)
	declared := map[string]bool{}
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range gathered {
		if !strings.HasPrefix(f.GetName(), "stoker_") {
			continue
		}
		declared[f.GetName()] = true
		labels := "–"
		if pairs := f.GetMetric()[0].GetLabel(); len(pairs) > 0 {
			var names []string
			for _, pair := range pairs {
				names = append(names, pair.GetName())
			}
			labels = "`" + strings.Join(names, "`, `") + "`"
		}
		kind := strings.ToLower(f.GetType().String())
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), kind, labels, strings.TrimSuffix(f.GetHelp(), "."))
	}
	for name := range newGauges() {
		require.True(t, declared["stoker_"+name], "%s has no sample: busy must fill every metric", name)
	}
	requireTable(t, "metrics", b.String())
}

func TestTheTableOfAlertsMatchesTheRules(t *testing.T) { // writes the same file as the other table
	text, err := os.ReadFile(alertsFile)
	require.NoError(t, err)
	form := regexp.MustCompile(`- alert: (\w+)\n(?:.*\n)*?\s+labels: {severity: (\w+)}\n\s+annotations:\n\s+summary: (.*)\n`)
	var b strings.Builder
	b.WriteString("| alert | severity | says |\n|---|---|---|\n")
	rows := form.FindAllStringSubmatch(string(text), -1)
	for _, row := range rows {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row[1], row[2], strings.ReplaceAll(row[3], "{{ $labels.worker }}", "NAME"))
	}
	require.Len(t, rows, strings.Count(string(text), "- alert:"))
	requireTable(t, "alerts", b.String())
}

// requireTable compares a part of the docs with what it should be, or writes it.
func requireTable(t *testing.T, name, table string) {
	t.Helper()
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	begin, end := "<!-- "+name+": written by go test ./sidecar/internal/report/metrics -update -->\n", "<!-- /"+name+" -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "the docs have no place for %s", name)
	old, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the docs' %s have no end", name)
	if flag.Lookup("update").Value.String() == "true" {
		require.NoError(t, os.WriteFile(docs, []byte(before+begin+table+end+after), 0o600))
		return
	}
	require.Equal(t, table, old, "run: go test ./sidecar/internal/report/metrics -update")
}
