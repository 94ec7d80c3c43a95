package metrics

import (
	"slices"
	"strconv"
	"strings"
)

// contentType is Prometheus' text format, https://prometheus.io/docs/instrumenting/exposition_formats/. It is written here and
// not by Prometheus' own client, because that one brings 2.6 MB of protobuf along.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// kind is the type of a metric, as the format calls it.
type kind string

const (
	kindCounter   kind = "counter"
	kindGauge     kind = "gauge"
	kindHistogram kind = "histogram"
)

// sheet is one page in the making. It is made for one scrape and thrown away.
type sheet struct{ families []*family }

// family is all samples of one metric. Names of labels are unique and valid; values are any UTF-8. No two samples have the same
// values.
type family struct {
	kind       kind
	name, help string
	labels     []string // in the order in which values are handed in
	order      []int    // of the labels on the page, which is by name
	samples    []sample
}

// sample is one line, or those of one histogram.
type sample struct {
	values []string // in the page's order
	value  float64
	spread spread
}

// declare makes a family. It is not on the page while it has no sample.
func (s *sheet) declare(k kind, name, help string, labels ...string) *family {
	f := &family{kind: k, name: name, help: help, labels: labels}
	for i := range labels {
		f.order = append(f.order, i)
	}
	slices.SortFunc(f.order, func(a, b int) int { return strings.Compare(labels[a], labels[b]) })
	s.families = append(s.families, f)
	return f
}

func (s *sheet) gauge(name, help string, labels ...string) *family {
	return s.declare(kindGauge, name, help, labels...)
}

func (s *sheet) counter(name, help string, labels ...string) *family {
	return s.declare(kindCounter, name, help, labels...)
}

func (s *sheet) histogram(name, help string, labels ...string) *family {
	return s.declare(kindHistogram, name, help, labels...)
}

// put adds a sample of a counter or a gauge, with one value for each label.
func (f *family) put(v float64, values ...string) {
	f.samples = append(f.samples, sample{values: f.arranged(values), value: v})
}

// putSpread adds a sample of a histogram, with one value for each label.
func (f *family) putSpread(h spread, values ...string) {
	f.samples = append(f.samples, sample{values: f.arranged(values), spread: h})
}

func (f *family) arranged(values []string) []string {
	if len(f.order) == 0 {
		return nil
	}
	arranged := make([]string, len(f.order))
	for i, from := range f.order {
		arranged[i] = values[from]
	}
	return arranged
}

// text is the page: families by name, samples by their values. The same samples make the same page.
func (s *sheet) text() []byte {
	slices.SortFunc(s.families, func(a, b *family) int { return strings.Compare(a.name, b.name) })
	var page []byte
	for _, f := range s.families {
		page = f.appendTo(page)
	}
	return page
}

func (f *family) appendTo(page []byte) []byte {
	if len(f.samples) == 0 {
		return page
	}
	page = append(append(append(page, "# HELP "...), f.name...), ' ')
	page = append(appendEscaped(page, f.help, false), '\n')
	page = append(append(append(page, "# TYPE "...), f.name...), ' ')
	page = append(append(page, f.kind...), '\n')
	slices.SortFunc(f.samples, func(a, b sample) int { return slices.Compare(a.values, b.values) })
	for _, s := range f.samples {
		if f.kind == kindHistogram {
			page = f.appendSpread(page, s)
		} else {
			page = f.appendLine(page, "", s.values, "", s.value)
		}
	}
	return page
}

// appendSpread writes a histogram: what is at most each bound, all, their sum and their number.
func (f *family) appendSpread(page []byte, s sample) []byte {
	var upTo uint64
	for i, n := range s.spread.counts {
		upTo += n
		page = f.appendLine(page, "_bucket", s.values, s.spread.bound(i), float64(upTo))
	}
	page = f.appendLine(page, "_sum", s.values, "", s.spread.sum)
	return f.appendLine(page, "_count", s.values, "", float64(upTo))
}

// appendLine writes one sample. A bucket has an upper bound, le.
func (f *family) appendLine(page []byte, suffix string, values []string, le string, v float64) []byte {
	page = append(append(page, f.name...), suffix...)
	next := byte('{')
	for i, from := range f.order {
		page = appendLabel(append(page, next), f.labels[from], values[i])
		next = ','
	}
	if le != "" {
		page = appendLabel(append(page, next), "le", le)
		next = ','
	}
	if next == ',' {
		page = append(page, '}')
	}
	return append(appendNumber(append(page, ' '), v), '\n')
}

func appendLabel(page []byte, name, value string) []byte {
	page = append(append(page, name...), '=', '"')
	return append(appendEscaped(page, value, true), '"')
}

// appendNumber writes a number so that it is read as the very same one. There are +Inf, -Inf and NaN.
func appendNumber(page []byte, v float64) []byte { return strconv.AppendFloat(page, v, 'g', -1, 64) }

// appendEscaped keeps a text on its line, and a quoted one between its quotes.
func appendEscaped(page []byte, s string, quoted bool) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			page = append(page, `\\`...)
		case c == '\n':
			page = append(page, `\n`...)
		case c == '"' && quoted:
			page = append(page, `\"`...)
		default:
			page = append(page, c)
		}
	}
	return page
}
