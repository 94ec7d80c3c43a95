// Package sanitize makes text from containers and engines safe: names, labels, health output, errors. Any of it can be hostile: invalid
// UTF-8, terminal escapes, marks that change the direction of writing, megabytes.
//
// The functions make text safe to show as text. Escaping for a format (HTML, JSON, Markdown) is the job of its writer.
package sanitize

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis marks text that was cut.
const ellipsis = "…"

// Line returns text as a single line: white space becomes a space, and invalid UTF-8 and non-printing characters (control characters,
// invisible marks, marks that change the direction of writing) become U+FFFD.
func Line(text string) string { return strings.Map(visible, text) }

// Text returns the same as Line, but keeps line ends and tabs. CR LF becomes LF.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return visible(r)
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

func visible(r rune) rune {
	switch {
	case strconv.IsPrint(r):
		return r
	case unicode.IsSpace(r):
		return ' '
	}
	return utf8.RuneError
}

// Words returns text as a single line of at most the given number of runes, with each run of white space replaced by one space.
// The work is bounded by the number of runes, not by the text.
func Words(text string, runes int) string {
	const spaces = 8 // allows for white space, which is collapsed
	text = Clip(text, spaces*utf8.UTFMax*runes)
	return ClipRunes(strings.Join(strings.Fields(Line(text)), " "), runes)
}

// Escape returns text as a single line in which non-printing characters are replaced by their codes, such as \n or \u202e.
func Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Clip returns valid UTF-8 of at most the given number of bytes, including an ellipsis if it was cut. The result does not keep
// the memory of a text that is cut.
func Clip(text string, bytes int) string {
	whole := len(text) <= bytes
	if whole && utf8.ValidString(text) {
		return text
	}
	text = strings.ToValidUTF8(strings.Clone(text[:min(len(text), bytes)]), string(utf8.RuneError)) // up to three times as long
	if whole && len(text) <= bytes {
		return text
	}
	end := max(0, min(len(text), bytes-len(ellipsis)))
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// ClipRunes returns at most the given number of runes of text, including an ellipsis if it was cut.
func ClipRunes(text string, runes int) string {
	if len(text) <= runes || utf8.RuneCountInString(text) <= runes {
		return text
	}
	n := 0
	for i := range text {
		if n++; n == runes {
			return strings.TrimRight(text[:i], " ") + ellipsis
		}
	}
	return text
}

// LabelMark is written before the hash in a label value that was changed. Names of containers cannot contain it.
const LabelMark = "~"

// Label returns a label value for metrics: a short single line. Different texts have different values: a text that had to be
// changed, or contains LabelMark, carries a hash of the original.
func Label(text string) string {
	const mostBytes = 128
	if len(text) <= mostBytes && !strings.Contains(text, LabelMark) && Line(text) == text {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%s%s%x", Line(text[:min(len(text), mostBytes)]), LabelMark, sum[:8])
}
