package command

import "strings"

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

// cell is one text of a table, as a container may have said it.
type cell struct {
	text   string
	colour colour
}

// column is a column of a table.
type column struct {
	name  string
	least int // columns of the terminal that it keeps when there is little room
}

// grid is a table that fits a terminal.
type grid struct {
	columns  []column
	rows     [][]cell
	width    int  // 0 is no limit
	coloured bool // for a terminal
	bare     bool // without the line of names
}

const between = 2 // blanks between columns

// text is the table. No line is longer than the width, and nothing in it moves a terminal's cursor or colours it but what
// the grid itself does.
func (g grid) text() string {
	for _, row := range g.rows {
		for n := range row {
			row[n].text = clean(row[n].text)
		}
	}
	widths := g.widths()
	var b strings.Builder
	if !g.bare {
		head := make([]cell, len(g.columns))
		for n, c := range g.columns {
			head[n] = cell{c.name, bold}
		}
		g.line(&b, head, widths)
	}
	for _, row := range g.rows {
		g.line(&b, row, widths)
	}
	return b.String()
}

// widths gives each column what it needs, and takes from the widest ones while it is too much.
func (g grid) widths() []int {
	widths, total := make([]int, len(g.columns)), between*(len(g.columns)-1)
	for n, c := range g.columns {
		if !g.bare {
			widths[n] = span(c.name)
		}
		for _, row := range g.rows {
			widths[n] = max(widths[n], span(row[n].text))
		}
		total += widths[n]
	}
	for g.width > 0 && total > g.width {
		widest := -1
		for n, c := range g.columns {
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

func (g grid) line(all *strings.Builder, row []cell, widths []int) {
	var b strings.Builder
	left := g.width
	for n, c := range row {
		room := widths[n]
		if g.width > 0 {
			room = min(room, left)
			left -= widths[n] + between
		}
		if room <= 0 {
			break
		}
		text := fit(c.text, room)
		b.WriteString(paint(text, c.colour, g.coloured))
		if last := n == len(row)-1 || (g.width > 0 && left <= 0); !last {
			b.WriteString(strings.Repeat(" ", room-span(text)+between))
		}
	}
	all.WriteString(strings.TrimRight(b.String(), " "))
	all.WriteByte('\n')
}

func paint(text string, c colour, coloured bool) string {
	if !coloured || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// coloured reports whether the output is for eyes that want colours: a terminal that has them, and no NO_COLOR.
func (e Env) coloured() bool {
	return e.Width > 0 && e.variable("NO_COLOR") == "" && e.variable("TERM") != "dumb"
}

func (e Env) variable(name string) string {
	value := ""
	for _, v := range e.Environ {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}
