package page

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func TestFill(t *testing.T) {
	t.Parallel()
	require.Equal(t, markup(`<a title="&lt;i&gt;&#34;&#39;&amp;amp;">%s 7 0.5 true <br></a>`),
		fill(`<a title="%s">%s %d %v %s %s</a>`, `<i>"'&amp;`, "%s", 7, 0.5, true, markup("<br>")))
	require.Equal(t, markup("&lt;b&gt;"), fill("%s", worker.Reason("<b>")), "a type of one's own is no way around it")
	require.Equal(t, markup("&lt;b&gt;"), or(worker.Reason("<b>"), "none"))
	require.Equal(t, markup("<hr>"), or("", "<hr>"))
	require.Empty(t, when(false, "<b>%s</b>", "x"))
	require.Equal(t, "?worker=a%26fragment%3Drm+%22%23", address(`a&fragment=rm "#`))
}

// Nothing of what the page says, whichever field it is in, can open or close an element or an attribute, or add a parameter
// to an address: it has as much markup in it with one text as with another.
func TestNoFieldIsMarkup(t *testing.T) {
	t.Parallel()
	const nasty = "\"'><script>alert(1)</script><img src=x onerror=alert(1) a='b' c=\"d\" %s %!d(MISSING) &worker=x`"
	for name, draw := range map[string]func(ink, shown){
		"page": ink.page, "single": ink.single, "workers": ink.workers, "detail": ink.detail,
		"history": func(k ink, s shown) { k.history(s.History) },
	} {
		var tame, wild strings.Builder
		draw(ink{&tame}, saying("tame"))
		draw(ink{&wild}, saying(nasty))
		require.Contains(t, tame.String(), "tame", name)
		require.Contains(t, wild.String(), "&lt;script&gt;", name)
		for _, mark := range []string{"<", ">", `"`, "'", "=\"", "?worker=", "<script", "<img"} {
			require.Equal(t, strings.Count(tame.String(), mark), strings.Count(wild.String(), mark), "%s in %s", mark, name)
		}
		require.NotContains(t, wild.String(), "&worker=", name)
		require.NotContains(t, tame.String(), "%!", name)
	}
}

// saying is a page with all parts, in which every text is this one.
func saying(text string) shown {
	now := time.Now()
	s := shown{Rows: make([]row, 1), History: make([]entry, 1), One: &detail{
		Ticks: make([]instant, 1), Spells: make([]spell, 1), More: 1, History: make([]entry, 1),
	}}
	for _, r := range []*row{&s.Rows[0], &s.One.row} {
		r.Problems, r.Strip.Strokes, r.Attempts, r.Heals, r.Failed = make([]string, 1), make([]stroke, 1), 1, 1, 1
		r.CPU = gauge{Known: true, Boosted: true, Hurts: true}
	}
	s.One.Timeline.Strokes = make([]stroke, 1)
	s.Link = link{Up: true, CPUs: 1}
	s.History[0].Attempt = 1
	say(reflect.ValueOf(&s).Elem(), text)
	s.Assets = readAssets()
	for _, i := range []*instant{&s.Rows[0].Since, &s.One.Ticks[0]} {
		i.Abs = instantOf(now, now).Abs
	}
	return s
}

// say sets every text in v, other than markup.
func say(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() && v.Type() != reflect.TypeFor[markup]() {
			v.SetString(text)
		}
	case reflect.Struct:
		for n := range v.NumField() {
			say(v.Field(n), text)
		}
	case reflect.Slice:
		for n := range v.Len() {
			say(v.Index(n), text)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			say(v.Elem(), text)
		}
	default:
	}
}
