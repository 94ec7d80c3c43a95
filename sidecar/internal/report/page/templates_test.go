package page

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No text of the page, in whichever field, can open or close an element or an attribute, or add a parameter to an address: the
// page has as much markup with one text as with another.
func TestNoFieldIsMarkup(t *testing.T) {
	t.Parallel()
	const nasty = "\"'><script>alert(1)</script><img src=x onerror=alert(1) a='b' c=\"d\" {{.}} &worker=x`"
	templates := parseTemplates()
	for _, name := range []string{"page", "worker", "workers", "detail", "history", "host", "hosts"} {
		render := func(text string) string {
			d := filled(text)
			data := map[string]any{"detail": d.Worker, "history": d.History, "hosts": d.Hosts}[name]
			if data == nil {
				data = d
			}
			var out strings.Builder
			require.NoError(t, templates.ExecuteTemplate(&out, name, data))
			return out.String()
		}
		tame, wild := render("tame"), render(nasty)
		require.Contains(t, tame, "tame", name)
		require.Contains(t, wild, "&lt;script&gt;", name)
		for _, mark := range []string{"<", ">", `"`, "'", "=\"", "?worker=", "?host=", "<script", "<img"} {
			require.Equal(t, strings.Count(tame, mark), strings.Count(wild, mark), "%s in %s", mark, name)
		}
		require.NotContains(t, wild, "&worker=", name)
	}
}

// filled is a page with all parts, in which every text is this one.
func filled(text string) pageData {
	now := time.Now()
	d := pageData{Rows: make([]row, 1), History: make([]entry, 1), Worker: &detail{
		Ticks: make([]instant, 1), Intervals: make([]interval, 1), More: 1, History: make([]entry, 1),
	}}
	for _, r := range []*row{&d.Rows[0], &d.Worker.row} {
		r.Problems, r.Day.Strokes, r.Attempts, r.Heals, r.Failed = make([]string, 1), make([]stroke, 1), 1, 1, 1
		r.CPU = gauge{Known: true, Boosted: true, Hurts: true}
	}
	d.Hosts = &hostsData{Hosts: make([]hostRow, 1), Workers: []otherRow{{Problems: make([]string, 1), CPU: gauge{Known: true}}}, More: 1}
	d.Worker.Timeline.Strokes = make([]stroke, 1)
	d.Engine = engine{Connected: true, CPUs: 1}
	d.History[0].Attempt = 1
	fill(reflect.ValueOf(&d).Elem(), text)
	_, d.Assets = readAssets()
	for _, i := range []*instant{&d.Rows[0].Since, &d.Worker.Ticks[0]} {
		i.Abs = instantOf(now, now).Abs
	}
	return d
}

// fill sets every text in v.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(text)
		}
	case reflect.Struct:
		for n := range v.NumField() {
			fill(v.Field(n), text)
		}
	case reflect.Slice:
		for n := range v.Len() {
			fill(v.Index(n), text)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), text)
		}
	default:
	}
}
