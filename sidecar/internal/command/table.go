package command

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"stoker/sidecar/internal/lifecycle"
)

// unlimited is the width of what is no terminal: whoever reads a pipe wants whole lines.
const unlimited = 1 << 20

// mostSaid bounds what a container may say about itself in one note.
const mostSaid = 400

// report writes findings for people, in lines of at most width characters; 0 is no limit.
func report(w io.Writer, width int, all findings) error {
	if width <= 0 {
		width = unlimited
	}
	width = max(width, 40)
	var b strings.Builder
	if len(all.Workers) > 0 {
		rows := [][]string{{"WORKER", "STATE", "CPUS", "RESTART", "TAKEN IN", "HELD"}}
		for _, f := range all.Workers {
			rows = append(rows, []string{string(f.Worker), state(f), cpus(f.CPUs), orDash(f.Restart), string(f.Why), orDash(string(f.Held))})
		}
		table(&b, width, rows, all.Workers)
	}
	if len(all.LeftOut) > 0 {
		rows := [][]string{{"LEFT OUT", "STATE", "WHY"}}
		for _, f := range all.LeftOut {
			rows = append(rows, []string{string(f.Worker), state(f), string(f.Why)})
		}
		table(&b, width, rows, all.LeftOut)
	}
	fmt.Fprintf(&b, "%s looked after, %d left out, %s without a word to Stoker; %s\n", count(len(all.Workers), "worker"),
		len(all.LeftOut), count(all.Others, "other container"), count(all.Problems, "problem"))
	for _, text := range all.Plan.words() {
		for _, part := range wrap(text, width) {
			b.WriteString(part + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// table writes rows in columns, below each what there is to say of it. The first row is the head. The first column
// gives way when a line is too long for width.
func table(b *strings.Builder, width int, rows [][]string, said []finding) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for n := range row {
			row[n] = clean(row[n])
			widths[n] = max(widths[n], utf8.RuneCountInString(row[n]))
		}
	}
	rest := 0
	for _, columns := range widths[1:] {
		rest += columns + 2
	}
	widths[0] = min(widths[0], max(8, width-rest))
	for n, row := range rows {
		line(b, width, row, widths)
		if n > 0 {
			notes(b, width, "problem", said[n-1].Problems)
			notes(b, width, "advice", said[n-1].Advice)
		}
	}
	b.WriteByte('\n')
}

func line(b *strings.Builder, width int, row []string, widths []int) {
	var l strings.Builder
	for n, cell := range row {
		cell = cut(cell, widths[n])
		l.WriteString(cell)
		l.WriteString(strings.Repeat(" ", widths[n]-utf8.RuneCountInString(cell)+2))
	}
	b.WriteString(cut(strings.TrimRight(l.String(), " "), width))
	b.WriteByte('\n')
}

// notes writes lines under a row, broken between words.
func notes(b *strings.Builder, width int, kind string, lines []string) {
	const indent = 11
	for _, text := range lines {
		margin := kind
		for _, part := range wrap(cut(clean(text), mostSaid), width-indent) {
			fmt.Fprintf(b, "  %-*s%s\n", indent-2, margin, part)
			margin = ""
		}
	}
}

// wrap breaks text into lines of at most width characters, between words where there are any.
func wrap(text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		for utf8.RuneCountInString(word) > width {
			runes := []rune(word)
			if current != "" {
				lines, current = append(lines, current), ""
			}
			lines, word = append(lines, string(runes[:width])), string(runes[width:])
		}
		switch {
		case current == "":
			current = word
		case utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width:
			lines, current = append(lines, current), word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}

// cut shortens text to width characters.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// clean makes a string of a container harmless for a terminal: what does not print (control characters, escapes,
// marks that turn the direction of writing) is shown as its code.
func clean(text string) string {
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

func state(f finding) string {
	switch {
	case f.Status == lifecycle.StatusRunning && f.Health != lifecycle.HealthNone && f.Health != "":
		return string(f.Status) + ", " + string(f.Health)
	case f.Status == lifecycle.StatusExited && f.Taken:
		return fmt.Sprintf("%s (%d)", f.Status, f.ExitCode)
	case f.Status == lifecycle.StatusUnknown:
		return "unknown"
	}
	return string(f.Status)
}

func cpus(quota float64) string {
	if quota == 0 {
		return "-"
	}
	return strconv.FormatFloat(quota, 'g', 4, 64)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
