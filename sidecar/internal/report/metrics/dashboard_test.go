package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files that ask for metrics by name.
const (
	composeDir     = "../../../../compose/"
	dashboardFile  = composeDir + "grafana/stoker.json"
	prometheusFile = composeDir + "prometheus/prometheus.yaml"
	alertsFile     = composeDir + "prometheus/alerts.yaml"
	alertsTestFile = composeDir + "prometheus/alerts.test.yaml"
)

// query is one question of the dashboard, and the labels that its legend shows.
type query struct{ expr, legend string }

// queries finds every question of the dashboard, in panels, rows and annotations alike.
func queries(t *testing.T) []query {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	var dashboard any
	require.NoError(t, json.Unmarshal(text, &dashboard))
	var found []query
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if expr, ok := v["expr"].(string); ok {
				legend, _ := v["legendFormat"].(string)
				found = append(found, query{expr: expr, legend: legend})
			}
			if expr, ok := v["query"].(string); ok && strings.Contains(expr, "(") { // what fills a variable
				found = append(found, query{expr: expr})
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(dashboard)
	require.Greater(t, len(found), 30)
	return found
}

// names are the metrics that a text asks for.
func names(text string) []string {
	return regexp.MustCompile(`\b(?:stoker|process|go|promhttp)_[a-z_]+`).FindAllString(text, -1)
}

// samples are the names on a page, as a query uses them.
func samples(page string) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			found[line[:strings.IndexAny(line, "{ ")]] = true
		}
	}
	return found
}

func TestTheDashboardAsksForMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := samples(busy().scrape(t))
	for _, q := range queries(t) {
		asked := names(q.expr)
		require.NotEmpty(t, asked, q.expr)
		for _, name := range asked {
			require.True(t, known[name], "%s in %s", name, q.expr)
		}
	}
}

func TestTheAlertsAskForMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := samples(busy().scrape(t))
	for _, file := range []string{alertsFile, alertsTestFile} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range names(string(text)) {
			require.True(t, known[name], "%s in %s", name, file)
		}
	}
}
