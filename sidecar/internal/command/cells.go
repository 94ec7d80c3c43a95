package command

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// columnsOf is how many columns of a terminal a rune takes.
func columnsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115f, // Hangul
		r >= 0x2e80 && r <= 0x303e, r >= 0x3041 && r <= 0xa4cf, // CJK, kana, Yi
		r >= 0xa960 && r <= 0xa97c, r >= 0xac00 && r <= 0xd7a3, // Hangul
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, // forms of CJK
		r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, // full width
		r >= 0x1f000 && r <= 0x1faff, // pictures
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	case r >= 0x231a && r <= 0x2b55 && unicode.Is(unicode.So, r): // some of them are, and too wide is safer than too narrow
		return 2
	}
	return 1
}

// span is how many columns a text takes.
func span(text string) int {
	n := 0
	for _, r := range text {
		n += columnsOf(r)
	}
	return n
}

// fit shortens text to at most width columns.
func fit(text string, width int) string {
	if span(text) <= width {
		return text
	}
	n := 0
	for at, r := range text {
		if n += columnsOf(r); n > width-1 {
			return text[:at] + "…"
		}
	}
	return text
}

// fold breaks text into lines of at most width columns, between words where there are any.
func fold(text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		if current != "" && span(current)+1+span(word) <= width {
			current += " " + word
			continue
		}
		if current != "" {
			lines = append(lines, current)
		}
		for current = word; span(current) > width; {
			head := prefix(current, width)
			if head == current { // one rune that is wider than the line
				break
			}
			lines, current = append(lines, head), current[len(head):]
		}
	}
	return append(lines, current)
}

// prefix is as much of text as fits into width columns, one rune at least.
func prefix(text string, width int) string {
	n := 0
	for at, r := range text {
		if n += columnsOf(r); n > width && at > 0 {
			return text[:at]
		}
		if at == 0 && n > width {
			return text[:utf8.RuneLen(r)]
		}
	}
	return text
}
