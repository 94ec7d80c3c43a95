package metrics

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// judged has Prometheus' own libraries judge a page: their parser can read it, their registry finds it consistent and without a
// sample that is there twice, their writer writes the very same bytes, and their linter has nothing to say.
func judged(t require.TestingT, page string) []*dto.MetricFamily {
	families := read(t, page)
	written := rewritten(t, families)
	if written != page { // a diff of two pages tells nobody anything
		mine, theirs := strings.Split(page, "\n"), strings.Split(written, "\n")
		for i := range min(len(mine), len(theirs)) {
			require.Equal(t, theirs[i], mine[i], "line %d", i+1)
		}
		require.Len(t, mine, len(theirs))
	}
	lint(t, families)
	return families
}

// read parses a page and checks it, as a registry does what it gathers.
func read(t require.TestingT, page string) []*dto.MetricFamily {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(strings.NewReader(page))
	require.NoError(t, err)
	families, err := prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return slices.Collect(maps.Values(parsed)), nil
	})}.Gather()
	require.NoError(t, err)
	return families
}

func rewritten(t require.TestingT, families []*dto.MetricFamily) string {
	var b bytes.Buffer
	for _, f := range families {
		_, err := expfmt.MetricFamilyToText(&b, f)
		require.NoError(t, err)
	}
	return b.String()
}

// lint takes the first samples only of each metric: it compares all with all, which the registry has done in less time.
func lint(t require.TestingT, families []*dto.MetricFamily) {
	const enough = 100
	var clipped []*dto.MetricFamily
	for _, f := range families {
		clipped = append(clipped, &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type, Unit: f.Unit, Metric: f.Metric[:min(len(f.Metric), enough)]})
	}
	problems, err := promlint.NewWithMetricFamilies(clipped).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestTheJudgeIsNotBlind(t *testing.T) {
	t.Parallel()
	const head = "# HELP a_total A.\n# TYPE a_total counter\n"
	for name, page := range map[string]string{
		"no number":             head + "a_total one\n",
		"broken label":          head + "a_total{b=\"c} 1\n",
		"broken name":           "# HELP a-b A.\n# TYPE a-b counter\na-b 1\n",
		"not UTF-8":             head + "a_total{b=\"\xff\"} 1\n",
		"twice":                 head + "a_total{b=\"c\"} 1\na_total{b=\"c\"} 2\n",
		"out of order":          head + "a_total{b=\"d\"} 1\na_total{b=\"c\"} 2\n",
		"labels out of order":   head + "a_total{c=\"d\",b=\"d\"} 1\n",
		"no help":               "# TYPE a_total counter\na_total 1\n",
		"name of a counter":     "# HELP a A.\n# TYPE a counter\na 1\n",
		"number written oddly":  head + "a_total 1.0\n",
		"no end of the line":    head + "a_total 1",
		"two families for one":  head + "a_total 1\n" + head + "a_total{b=\"c\"} 2\n",
		"histogram without sum": "# HELP a_seconds A.\n# TYPE a_seconds histogram\na_seconds_bucket{le=\"+Inf\"} 1\na_seconds_count 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen verdict
			func() {
				defer func() { _ = recover() }()
				judged(&seen, page)
			}()
			require.True(t, seen.failed)
		})
	}
}

// verdict keeps whether a test would have failed.
type verdict struct{ failed bool }

func (v *verdict) Errorf(string, ...any) { v.failed = true }

func (v *verdict) FailNow() { panic("failed") }
