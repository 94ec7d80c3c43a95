package command

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"stoker/sidecar/internal/core/worker"
)

// unlimited is the width of what is no terminal: whoever reads a pipe wants whole lines.
const unlimited = 1 << 20

// mostSaid bounds what a container may say about itself in one note.
const mostSaid = 400

// mostNamed bounds how many troubled workers the last line names.
const mostNamed = 5

// sheet is what check writes on for people, in lines of at most width columns.
type sheet struct {
	to       io.Writer
	width    int
	coloured bool
	text     *strings.Builder
}

func (e Env) sheet() sheet {
	width := e.Width
	if width <= 0 {
		width = unlimited
	}
	return sheet{to: e.Stdout, width: max(width, 40), coloured: e.coloured(), text: &strings.Builder{}}
}

// entry is a row, and what there is to say of it.
type entry struct {
	row  []string
	said verdict
}

// findings writes what there is to say of containers.
func (p sheet) findings(all findings) error {
	var taken, left []entry
	for _, f := range all.Workers {
		row := []string{string(f.Worker), state(f), cpus(f.CPUs), orDash(f.Restart), string(f.Why), orDash(string(f.Held))}
		taken = append(taken, entry{row, f.verdict})
	}
	for _, f := range all.LeftOut {
		left = append(left, entry{[]string{string(f.Worker), state(f), string(f.Why)}, f.verdict})
	}
	p.table([]string{"WORKER", "STATE", "CPUS", "RESTART", "TAKEN IN", "HELD"}, taken)
	p.table([]string{"LEFT OUT", "STATE", "WHY"}, left)
	p.end(fmt.Sprintf("%s looked after, %d left out, %s without a word to Stoker; ", count(len(taken), "worker"), len(left),
		count(all.Others, "other container")), taken, left)
	p.plan(all.Plan)
	if all.Caveat != "" {
		p.lines(all.Caveat, plain)
	}
	_, err := io.WriteString(p.to, p.text.String())
	return err
}

// draft writes what there is to say of compose files.
func (p sheet) draft(d draft) error {
	var taken, left, here []entry
	for _, f := range d.Services {
		row := []string{f.Service, strconv.Itoa(f.Replicas), cpus(f.CPUs), orDash(f.Restart), string(f.Why), orDash(string(f.Held))}
		taken = append(taken, entry{row, f.verdict})
	}
	for _, f := range d.LeftOut {
		left = append(left, entry{[]string{f.Service, string(f.Why)}, f.verdict})
	}
	for _, s := range d.Stokers {
		here = append(here, entry{[]string{s.Service, s.words(len(d.Stokers))}, verdict{Problems: s.Problems}})
	}
	p.table([]string{"STOKER", "JUDGES WITH"}, here)
	p.table([]string{"SERVICE", "REPLICAS", "CPUS", "RESTART", "TAKEN IN", "HELD"}, taken)
	p.table([]string{"LEFT OUT", "WHY"}, left)
	p.end(fmt.Sprintf("%s looked after, %d left out, %s without a word to Stoker; ", count(len(taken), "service"), len(left),
		count(d.Others, "other service")), here, taken, left)
	p.plan(d.Plan)
	_, err := io.WriteString(p.to, p.text.String())
	return err
}

// words is by which of its settings the services are judged. Of several Stokers none is more right than the others.
func (s stokerHere) words(stokers int) string {
	switch {
	case stokers > 1:
		return "- (it is one of several: give this command the variables of one)"
	case len(s.Problems) > 0:
		return "- (it would not start)"
	case len(s.Settings) == 0:
		return "its defaults"
	}
	return strings.Join(s.Settings, " ")
}

// troubled is the entries with problems, by name, and how many problems they have.
func troubled(lists ...[]entry) (names []string, problems int) {
	for _, list := range lists {
		for _, e := range list {
			if problems += len(e.said.Problems); len(e.said.Problems) > 0 {
				names = append(names, e.row[0])
			}
		}
	}
	return names, problems
}

// end is the line that stands above the prompt: who comes from a long table looks there.
func (p sheet) end(text string, lists ...[]entry) {
	names, problems := troubled(lists...)
	text += count(problems, "problem")
	if more := len(names) - mostNamed; more > 0 {
		names = append(names[:mostNamed:mostNamed], fmt.Sprintf("%d more", more))
	}
	colour := plain
	if problems > 0 {
		text, colour = text+": "+strings.Join(names, ", "), red
	}
	p.lines(text, colour)
}

func (p sheet) plan(all plan) {
	for _, text := range all.words() {
		p.lines(text, plain)
	}
}

func (p sheet) lines(text string, c colour) {
	for _, line := range fold(clean(text), p.width) {
		p.text.WriteString(paint(line, c, p.coloured) + "\n")
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// table writes entries in columns, below each what there is to say of it. The first column gives way when a line is too long
// for the width. Without entries it writes nothing.
func (p sheet) table(head []string, entries []entry) {
	if len(entries) == 0 {
		return
	}
	widths := make([]int, len(head))
	for n := range head {
		widths[n] = span(head[n])
		for _, e := range entries {
			e.row[n] = clean(e.row[n])
			widths[n] = max(widths[n], span(e.row[n]))
		}
	}
	rest := 0
	for _, columns := range widths[1:] {
		rest += columns + between
	}
	widths[0] = min(widths[0], max(8, p.width-rest))
	p.line(head, widths, bold)
	for _, e := range entries {
		p.line(e.row, widths, plain)
		p.notes("problem", red, e.said.Problems)
		p.notes("advice", yellow, e.said.Advice)
	}
	p.text.WriteByte('\n')
}

func (p sheet) line(row []string, widths []int, c colour) {
	var l strings.Builder
	for n, cell := range row {
		cell = fit(cell, widths[n])
		l.WriteString(cell)
		l.WriteString(strings.Repeat(" ", widths[n]-span(cell)+between))
	}
	p.text.WriteString(paint(fit(strings.TrimRight(l.String(), " "), p.width), c, p.coloured))
	p.text.WriteByte('\n')
}

// notes writes lines under a row, broken between words.
func (p sheet) notes(kind string, c colour, lines []string) {
	const indent = 11
	for _, text := range lines {
		margin := paint(kind, c, p.coloured) + strings.Repeat(" ", indent-2-len(kind))
		for _, part := range fold(fit(clean(text), mostSaid), p.width-indent) {
			p.text.WriteString("  " + margin + part + "\n")
			margin = strings.Repeat(" ", indent-2)
		}
	}
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
	case f.Status == worker.StatusRunning && f.Health != worker.HealthNone && f.Health != "":
		return string(f.Status) + ", " + string(f.Health)
	case f.Status == worker.StatusExited && f.Taken:
		return fmt.Sprintf("%s (%d)", f.Status, f.ExitCode)
	case f.Status == worker.StatusUnknown:
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
