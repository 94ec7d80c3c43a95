package command

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"stoker/sidecar/internal/sanitize"
)

// colour is an SGR sequence for a cell; empty is none.
type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	faint  colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	blue   colour = "36"
)

const (
	ellipsis = "…"
	gap      = "  " // between columns
	// unlimited is the width of what is no terminal: a pipe takes whole lines.
	unlimited = 1 << 20
)

// cell is one text of a table. It may come from a container.
type cell struct {
	text   string
	colour colour
}

// column is a column of a table.
type column struct {
	name  string
	least int // columns of the terminal that it keeps when there is little room
}

// row is a line of a table, with notes below it.
type row struct {
	cells []cell
	notes []note
}

// note is a text about a row, with its kind before it.
type note struct {
	kind   string
	colour colour
	text   string
}

// printTable is a table that fits a terminal.
type printTable struct {
	columns  []column
	rows     []row
	width    int  // 0 is no limit
	coloured bool // for a terminal
	headless bool // without the line of names
}

// text renders the table. No line is longer than the width, and nothing in it moves a terminal's cursor or colours it but the
// table's own colours.
func (t printTable) text() string {
	for _, r := range t.rows {
		for n := range r.cells {
			r.cells[n].text = sanitize.Escape(r.cells[n].text)
		}
	}
	widths := t.widths()
	writer := table.NewWriter()
	style := table.Style{Box: table.BoxStyle{PaddingRight: gap, UnfinishedRow: ellipsis}, Options: table.OptionsNoBordersAndSeparators}
	if t.width > 0 {
		style.Size.WidthMax = t.width
	}
	writer.SetStyle(style)
	if !t.headless {
		head := make([]cell, len(t.columns))
		for n, c := range t.columns {
			head[n] = cell{c.name, bold}
		}
		writer.AppendRow(t.line(head, widths))
	}
	for _, r := range t.rows {
		writer.AppendRow(t.line(r.cells, widths))
	}
	var b strings.Builder
	at := -1 // the row that a line is
	if t.headless {
		at = 0
	}
	for line := range strings.SplitSeq(writer.Render(), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		if at >= 0 {
			t.notes(&b, at)
		}
		at++
	}
	return b.String()
}

func (t printTable) line(cells []cell, widths []int) table.Row {
	var line table.Row
	for n, c := range cells {
		line = append(line, paint(text.Snip(c.text, widths[n], ellipsis), c.colour, t.coloured))
	}
	return line
}

// notes writes the notes of a row, broken between words.
func (t printTable) notes(b *strings.Builder, row int) {
	const indent = 11
	width := unlimited
	if t.width > 0 {
		width = t.width
	}
	for _, note := range t.rows[row].notes {
		margin := paint(note.kind, note.colour, t.coloured) + strings.Repeat(" ", indent-2-len(note.kind))
		for _, part := range fold(text.Snip(sanitize.Escape(note.text), maxNote, ellipsis), width-indent) {
			b.WriteString("  " + margin + part + "\n")
			margin = strings.Repeat(" ", indent-2)
		}
	}
}

// widths gives each column what it needs, and takes from the widest ones while that is too much.
func (t printTable) widths() []int {
	widths, total := make([]int, len(t.columns)), len(gap)*(len(t.columns)-1)
	for n, c := range t.columns {
		if !t.headless {
			widths[n] = text.StringWidth(c.name)
		}
		for _, r := range t.rows {
			widths[n] = max(widths[n], text.StringWidth(r.cells[n].text))
		}
		total += widths[n]
	}
	for t.width > 0 && total > t.width {
		widest := -1
		for n, c := range t.columns {
			if widths[n] > c.least && (widest < 0 || widths[n] > widths[widest]) {
				widest = n
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// fold breaks a line into lines of at most width columns, between words where there are any.
func fold(line string, width int) []string {
	if text.StringWidth(line) <= width {
		return []string{line}
	}
	lines := strings.Split(text.WrapSoft(line, max(width, 2)), "\n")
	for n := range lines {
		lines[n] = strings.TrimRight(lines[n], " ")
	}
	return lines
}

func paint(text string, c colour, coloured bool) string {
	if !coloured || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// coloured reports whether the output is a terminal with colours, and NO_COLOR is not set.
func (e Env) coloured() bool {
	return e.Width > 0 && e.variable("NO_COLOR") == "" && e.variable("TERM") != "dumb"
}

func (p Process) variable(name string) string {
	value := ""
	for _, v := range p.Environ {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}

// table returns a table for this terminal.
func (e Env) table(columns ...column) printTable {
	return printTable{columns: columns, width: e.tableWidth(), coloured: e.coloured()}
}
