package notify

import (
	"strings"
	"unicode/utf8"

	"stoker/sidecar/internal/sanitize"
)

// zeroWidth separates characters that mean more together than apart.
const zeroWidth = "\u200b"

// escapeMarkup makes harmless what any of the services takes for more than text: mentions (@everyone, <!channel>), links in
// disguise, code, hidden text, HTML. People read the same.
func escapeMarkup(s string) string {
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

// inMessage returns a text of a container as it is shown in a message.
func inMessage(s string, runes int) string { return escapeMarkup(sanitize.Words(s, runes)) }

// field returns a text of a container as it is in a record: line ends are kept, what does not print is not.
func field(s string) string {
	return sanitize.ClipRunes(sanitize.Text(sanitize.Clip(s, utf8.UTFMax*maxField)), maxField)
}
