package notify

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain makes one line of at most the given number of runes out of whatever a container printed: valid, without control
// characters and without marks that turn the direction of writing or cannot be seen.
func plain(s string, runes int) string {
	s = strings.Join(strings.Fields(printable(head(s, runes))), " ")
	return clip(s, runes)
}

// head bounds the work on a long string. It leaves more than will be shown, because white space goes away.
func head(s string, runes int) string {
	most := 8 * utf8.UTFMax * runes
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + strings.Repeat("…", 2)
}

// printable puts U+FFFD for what cannot be seen. Line ends and tabs stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || strconv.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return utf8.RuneError
	}, s)
}

// clip keeps the beginning, with an ellipsis for the rest.
func clip(s string, runes int) string {
	if len(s) <= runes || utf8.RuneCountInString(s) <= runes {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == runes {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

// zeroWidth is put where two characters mean more together than apart.
const zeroWidth = "\u200b"

// tame makes harmless what any of the services takes for more than text: mentions (@everyone, <!channel>), links in disguise,
// code, hidden text, HTML. People read the same.
func tame(s string) string {
	return strings.NewReplacer(
		"@", "@"+zeroWidth,
		"<", "‹",
		">", "›",
		"`", "'",
		"](", "]"+zeroWidth+"(",
		"||", "|"+zeroWidth+"|",
		"~~", "~"+zeroWidth+"~",
		"**", "*"+zeroWidth+"*",
		"__", "_"+zeroWidth+"_",
	).Replace(s)
}

// words is a string of a container as it stands in a message.
func words(s string, runes int) string { return tame(plain(s, runes)) }
