package command

import (
	"fmt"
	"strconv"
	"strings"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

const (
	// maxNote bounds what a container can put into one note.
	maxNote = 400
	// maxNamed bounds how many workers with problems the last line names.
	maxNamed = 5
)

// reportRow is a line about a container or a service.
type reportRow struct {
	cells      []string
	evaluation evaluation
}

func (r reportRow) row() row {
	var out row
	for _, text := range r.cells {
		out.cells = append(out.cells, cell{text, plain})
	}
	for _, text := range r.evaluation.Problems {
		out.notes = append(out.notes, note{"problem", red, text})
	}
	for _, text := range r.evaluation.Advice {
		out.notes = append(out.notes, note{"advice", yellow, text})
	}
	return out
}

// reportText is the report about containers for people.
func (e Env) reportText(all report) string {
	var managed, ignored []reportRow
	for _, f := range all.Workers {
		cells := []string{string(f.Worker), state(f), cpus(f.CPUs), orDash(f.Restart), string(f.Why), orDash(string(f.Held))}
		managed = append(managed, reportRow{cells, f.evaluation})
	}
	for _, f := range all.Ignored {
		ignored = append(ignored, reportRow{[]string{string(f.Worker), state(f), string(f.Why)}, f.evaluation})
	}
	var proxy []reportRow // is in no table, but counts
	if all.lacking != "" {
		proxy = append(proxy, reportRow{[]string{"the engine's proxy"}, evaluation{Problems: []string{all.lacking}}})
	}
	text := e.reportTable([]string{"WORKER", "STATE", "CPUS", "RESTART", "MANAGED BY", "HELD"}, managed) +
		e.reportTable([]string{"IGNORED", "STATE", "WHY"}, ignored) + e.servicesTable(all.Services) + e.groupTable(all.Groups) +
		e.total(fmt.Sprintf("%s managed, %d ignored, %s unlabelled; ", count(len(managed), "worker"), len(ignored),
			count(all.Unlabelled, "other container")), managed, ignored, proxy, serviceRows(all.Services), groupRows(all.Groups)) +
		e.lines(plain, all.Plan.lines()...)
	if all.Caveat != "" {
		text += e.lines(plain, all.Caveat)
	}
	text += e.lines(red, all.Denied...)
	return text
}

// stackText is the report about compose files for people.
func (e Env) stackText(all stackReport) string {
	var managed, ignored, stokers []reportRow
	for _, s := range all.Services {
		cells := []string{s.Service, strconv.Itoa(s.Replicas), cpus(s.CPUs), orDash(s.Restart), string(s.Why), orDash(string(s.Held))}
		managed = append(managed, reportRow{cells, s.evaluation})
	}
	for _, s := range all.Ignored {
		ignored = append(ignored, reportRow{[]string{s.Service, string(s.Why)}, s.evaluation})
	}
	for _, s := range all.Stokers {
		stokers = append(stokers, reportRow{[]string{s.Service, s.settingsText(len(all.Stokers))}, evaluation{Problems: s.Problems}})
	}
	return e.reportTable([]string{"STOKER", "SETTINGS"}, stokers) +
		e.reportTable([]string{"SERVICE", "REPLICAS", "CPUS", "RESTART", "MANAGED BY", "HELD"}, managed) +
		e.reportTable([]string{"IGNORED", "WHY"}, ignored) + e.groupTable(all.Groups) +
		e.total(fmt.Sprintf("%s managed, %d ignored, %s unlabelled; ", count(len(managed), "service"), len(ignored),
			count(all.Unlabelled, "other service")), stokers, managed, ignored, groupRows(all.Groups)) +
		e.lines(plain, all.Plan.lines()...)
}

// groupRows are the groups as total counts them.
func groupRows(groups []groupReport) []reportRow {
	var rows []reportRow
	for _, g := range groups {
		rows = append(rows, reportRow{[]string{g.Group}, evaluation{Problems: g.Problems}})
	}
	return rows
}

// settingsText returns the settings with which the services are evaluated. With several Stokers there are none.
func (s stokerHere) settingsText(stokers int) string {
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

// reportTable is empty without rows.
func (e Env) reportTable(head []string, rows []reportRow) string {
	if len(rows) == 0 {
		return ""
	}
	t := e.table()
	for _, name := range head {
		t.columns = append(t.columns, column{name, 8})
	}
	for _, r := range rows {
		t.rows = append(t.rows, r.row())
	}
	return t.text() + "\n"
}

// total is the last line, above the prompt: it names the workers with problems.
func (e Env) total(text string, lists ...[]reportRow) string {
	names, problems := troubled(lists...)
	text += count(problems, "problem")
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed:maxNamed], fmt.Sprintf("%d more", more))
	}
	if problems == 0 {
		return e.lines(plain, text)
	}
	return e.lines(red, text+": "+strings.Join(names, ", "))
}

// troubled returns the names of the rows with problems, and the number of problems.
func troubled(lists ...[]reportRow) (names []string, problems int) {
	for _, list := range lists {
		for _, r := range list {
			if problems += len(r.evaluation.Problems); len(r.evaluation.Problems) > 0 {
				names = append(names, r.cells[0])
			}
		}
	}
	return names, problems
}

// lines breaks texts into lines that fit.
func (e Env) lines(c colour, texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		for _, line := range fold(sanitize.Escape(text), e.width()) {
			b.WriteString(paint(line, c, e.coloured()) + "\n")
		}
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func state(f containerReport) string {
	switch {
	case f.Status == worker.StatusRunning && f.Health != worker.HealthNone && f.Health != "":
		return string(f.Status) + ", " + string(f.Health)
	case f.Status == worker.StatusExited && f.Managed:
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
