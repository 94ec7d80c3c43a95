package metrics

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

const docs = "../../../../docs/metrics.md"

// The table is written from what is declared, so that it cannot tell another story: with -update the test writes it, without it
// the test compares. What is declared is what is on the page: the judge has no other families.
func TestTheTableOfMetricsMatchesThePage(t *testing.T) { // writes the same file as the other table
	s := busy()
	gathered := map[string]*dto.MetricFamily{}
	for _, f := range judged(t, s.scrape(t)) {
		gathered[f.GetName()] = f
	}
	declared := s.sheet().families
	slices.SortFunc(declared, func(a, b *family) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, d := range declared {
		found := gathered[d.name]
		require.NotNil(t, found, "%s has no sample: busy must fill every metric, and a process has a /proc", d.name)
		require.Equal(t, d.help, found.GetHelp())
		kind := strings.ToLower(found.GetType().String())
		labels := "–"
		if len(d.labels) > 0 {
			labels = "`" + strings.Join(d.labels, "`, `") + "`"
		}
		require.Len(t, found.GetMetric()[0].GetLabel(), len(d.labels), d.name)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, kind, labels, strings.TrimSuffix(d.help, "."))
	}
	require.Len(t, gathered, len(declared))
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
