package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheTextOfASheet(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make func(*sheet)
		want []string
	}{
		"nothing": {make: func(*sheet) {}},
		"families without samples are left out": {
			make: func(s *sheet) { s.gauge("a", "A.", "b") },
		},
		"families by name, samples by their values": {
			make: func(s *sheet) {
				b := s.counter("b_total", "B.", "z")
				b.put(2, "b")
				b.put(3, "")
				b.put(1, "a")
				b.put(4, "ab")
				s.gauge("a", "A.").put(5)
			},
			want: []string{
				"# HELP a A.", "# TYPE a gauge", "a 5",
				"# HELP b_total B.", "# TYPE b_total counter", `b_total{z=""} 3`, `b_total{z="a"} 1`, `b_total{z="ab"} 4`, `b_total{z="b"} 2`,
			},
		},
		"labels by name, whatever the order they are handed in": {
			make: func(s *sheet) { s.gauge("a", "A.", "worker", "state", "le_").put(1, "W", "S", "L") },
			want: []string{"# HELP a A.", "# TYPE a gauge", `a{le_="L",state="S",worker="W"} 1`},
		},
		"what would end a line or a value is escaped, in a help as well, which has no quotes": {
			make: func(s *sheet) { s.gauge("a", "\\ \n \"", "b").put(1, "\\ \n \" \\n {}#,=é") },
			want: []string{`# HELP a \\ \n "`, "# TYPE a gauge", `a{b="\\ \n \" \\n {}#,=é"} 1`},
		},
		"numbers": {
			make: func(s *sheet) {
				f := s.gauge("a", "A.", "b")
				for i, v := range []float64{
					0, 1, -1, .1, 1e6, 123456789, 1e21, 1.79552166e9, 5e-324, math.MaxFloat64, 1 << 53, math.Inf(1), math.Inf(-1), math.NaN(),
				} {
					f.put(v, string(rune('a'+i)))
				}
			},
			want: []string{
				"# HELP a A.", "# TYPE a gauge", `a{b="a"} 0`, `a{b="b"} 1`, `a{b="c"} -1`, `a{b="d"} 0.1`, `a{b="e"} 1e+06`,
				`a{b="f"} 1.23456789e+08`, `a{b="g"} 1e+21`, `a{b="h"} 1.79552166e+09`, `a{b="i"} 5e-324`,
				`a{b="j"} 1.7976931348623157e+308`, `a{b="k"} 9.007199254740992e+15`, `a{b="l"} +Inf`, `a{b="m"} -Inf`, `a{b="n"} NaN`,
			},
		},
		"a histogram: a bound belongs to its bucket, each bucket holds the ones before": {
			make: func(s *sheet) {
				h := newSpread([]float64{.5, 1, 10})
				for _, v := range []float64{0, .5, .75, 1, 1.25, 100, 1000} {
					h.add(v)
				}
				s.histogram("a_seconds", "A.", "z", "b").putSpread(h.copy(), "Z", "B")
			},
			want: []string{
				"# HELP a_seconds A.", "# TYPE a_seconds histogram",
				`a_seconds_bucket{b="B",z="Z",le="0.5"} 2`, `a_seconds_bucket{b="B",z="Z",le="1"} 4`, `a_seconds_bucket{b="B",z="Z",le="10"} 5`,
				`a_seconds_bucket{b="B",z="Z",le="+Inf"} 7`, `a_seconds_sum{b="B",z="Z"} 1103.5`, `a_seconds_count{b="B",z="Z"} 7`,
			},
		},
		"a histogram without labels, and nothing seen": {
			make: func(s *sheet) { s.histogram("a_seconds", "A.").putSpread(newSpread([]float64{1}).copy()) },
			want: []string{
				"# HELP a_seconds A.", "# TYPE a_seconds histogram",
				`a_seconds_bucket{le="1"} 0`, `a_seconds_bucket{le="+Inf"} 0`, `a_seconds_sum 0`, `a_seconds_count 0`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s sheet
			tc.make(&s)
			page := string(s.text())
			require.Equal(t, tc.want, lines(page))
			require.Equal(t, page, rewritten(t, read(t, page)), "what is Prometheus' own writer's opinion")
		})
	}
}

func TestASheetDoesNotMoveWhileItIsWritten(t *testing.T) {
	t.Parallel()
	s := busy()
	sheet := s.sheet()
	s.happen()
	s.Called("start", time.Second, "done")
	page := string(sheet.text())
	judged(t, page)
	tells(t, page, `stoker_engine_call_duration_seconds_count{kind="start",outcome="done"} 1`, `stoker_resyncs_total 1`)
}

func lines(page string) []string {
	var all []string
	for line := range strings.Lines(page) {
		all = append(all, strings.TrimSuffix(line, "\n"))
	}
	return all
}

// Whatever is put on a sheet is read from the page by Prometheus' parser, as it was put, and its writer would have written the
// same page.
func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-d][a-z_]{0,3}`), 0, 3, rapid.ID[string]).Draw(t, "labels")
		var s sheet
		put := map[string]float64{}
		gauges := s.gauge("some_gauge", rapid.StringMatching(`[^\r\t ]([^\x00-\x1f]|\n)*[^\r\t \x00-\x1f]`).Draw(t, "help"), names...)
		spreads := s.histogram("some_seconds", "Some.", names...)
		for range rapid.IntRange(1, 20).Draw(t, "samples") {
			values := make([]string, len(names))
			for i := range values {
				values[i] = rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("\\\"\n{}, a")))).Draw(t, "value")
			}
			key := fmt.Sprintf("%q", values)
			if _, ok := put[key]; ok {
				continue
			}
			put[key] = rapid.Float64().Filter(unsigned).Draw(t, "v")
			gauges.put(put[key], values...)
			h := newSpread([]float64{-1, 0, 1})
			h.add(put[key])
			spreads.putSpread(h.copy(), values...)
		}
		page := string(s.text())
		families := read(t, page)
		require.Equal(t, page, rewritten(t, families))
		require.Len(t, families, 2)
		require.Len(t, families[0].GetMetric(), len(put))
		require.Len(t, families[1].GetMetric(), len(put))
		require.Equal(t, gauges.help, families[0].GetHelp())
		for i, m := range families[0].GetMetric() {
			v, ok := put[fmt.Sprintf("%q", valuesOf(m, names))]
			require.True(t, ok, "%v was never put", m)
			require.Equal(t, v, m.GetGauge().GetValue())                                  //nolint:testifylint // the very same number is meant
			require.Equal(t, v, families[1].GetMetric()[i].GetHistogram().GetSampleSum()) //nolint:testifylint // as above
		}
	})
}

// unsigned is all but -0: Prometheus' own writer leaves its sign out.
func unsigned(v float64) bool { return v != 0 || !math.Signbit(v) }

// valuesOf are a sample's values in the order of the names.
func valuesOf(m *dto.Metric, names []string) []string {
	values := make([]string, len(names))
	for _, l := range m.GetLabel() {
		values[slices.Index(names, l.GetName())] = l.GetValue()
	}
	return values
}
