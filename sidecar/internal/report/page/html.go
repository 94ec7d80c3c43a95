package page

import (
	"fmt"
	"html"
	"io"
	"net/url"

	"stoker/sidecar/internal/core/worker"
)

// Why not html/template: it finds fields and methods by name, and a program that does keeps every exported method of every
// type it has, used or not. That was a fifth of Stoker's size.

// markup is HTML of this package's own making. A constant in the source is one by itself; a string that came from elsewhere
// does not compile in its place.
type markup string

// fill puts values into a form, as fmt.Sprintf does. Whatever is not markup is escaped, so that it is text where the form has
// it between tags or within an attribute's double quotes; it must stand nowhere else.
func fill(form markup, values ...any) markup {
	for n, v := range values {
		values[n] = escaped(v)
	}
	return markup(fmt.Sprintf(string(form), values...))
}

func escaped(value any) any {
	switch value.(type) {
	case markup, int, float64:
		return value
	}
	return html.EscapeString(fmt.Sprint(value))
}

// when is the form filled in, or nothing.
func when(yes bool, form markup, values ...any) markup {
	if !yes {
		return ""
	}
	return fill(form, values...)
}

// or is the text, or what stands for none.
func or[T ~string](text T, none markup) markup {
	if text == "" {
		return none
	}
	return fill("%s", text)
}

// address leads to a worker's own page. Escaped, a name stays one parameter whatever it holds.
func address(key worker.Key) string { return "?worker=" + url.QueryEscape(string(key)) }

// ink writes markup out piece by piece: a page can be long.
type ink struct{ out io.Writer }

// put writes the form filled in. A reader that left, the one thing that can go wrong, needs no answer.
func (k ink) put(form markup, values ...any) {
	_, _ = io.WriteString(k.out, string(fill(form, values...)))
}
