package candidates

import (
	"fmt"
	"strconv"
	"strings"

	"stoker/sidecar/internal/core/policy"
)

// maxNamed is the maximum number of containers that a text names.
const maxNamed = 5

// Line is a sentence for people. Code is what to type or to add, in one line; empty if there is nothing.
type Line struct {
	Text string `json:"text"`
	Code string `json:"code"`
}

// Lines returns the advice as text: what was found, then what to do.
func (a Advice) Lines() []Line {
	lines := []Line{{Text: a.found()}}
	for n, c := range a.Near {
		if n == maxNamed {
			lines = append(lines, Line{Text: fmt.Sprintf("%d more have such labels.", len(a.Near)-maxNamed)})
			break
		}
		lines = append(lines, Line{Text: c.Name + ": " + c.Why + "."})
	}
	lines = append(lines, Line{Text: "For each container why it is managed or not:", Code: a.check()})
	if a.Selector.Mode == policy.ModeQuota {
		return append(lines, Line{Text: "A quota makes a container a worker: cpus: 0.5 in the compose file, or", Code: "docker update --cpus 0.5 CONTAINER"})
	}
	if a.Selector.Mode == policy.ModeAll && a.Selector.Scope == "" {
		return lines
	}
	lines = append(lines, Line{Text: "To have a service managed, add to it in the compose file, then docker compose up -d:", Code: a.labels()})
	if len(a.Quotas) > 0 && a.Selector.Mode != policy.ModeAll {
		lines = append(lines, Line{Text: "Or, without any label, have every container with a CPU quota managed, by a variable of Stoker:", Code: "STOKER_SELECT=quota"})
	}
	return lines
}

// String returns the advice in one line, for a log.
func (a Advice) String() string {
	var parts []string
	for _, l := range a.Lines() {
		if l.Code != "" {
			l.Text += " `" + l.Code + "`;"
		}
		parts = append(parts, l.Text)
	}
	return strings.TrimSuffix(strings.Join(parts, " "), ";")
}

// found describes what was searched for and what was found.
func (a Advice) found() string {
	if a.Containers == 0 {
		return "There is no container but Stoker's own."
	}
	wanted := wanted(a.Selector)
	text := fmt.Sprintf("None of %d containers has %s", a.Containers, wanted)
	if a.Containers == 1 {
		text = "The only other container does not have " + wanted
	}
	switch {
	case wanted == "": // all that are in no scope
		return "Every other container has a " + policy.LabelScope + "."
	case len(a.Quotas) > 0 && a.Selector.Scope == "":
		return text + "; with a CPU quota, so probably workers: " + a.named() + "."
	case len(a.Quotas) > 0:
		return text + "; with a CPU quota: " + a.named() + "."
	}
	return text + "."
}

func (a Advice) named() string {
	var names []string
	for n, c := range a.Quotas {
		if n == maxNamed {
			names = append(names, fmt.Sprintf("%d more", len(a.Quotas)-maxNamed))
			break
		}
		names = append(names, c.Name+" ("+strconv.FormatFloat(c.CPUs, 'g', 4, 64)+")")
	}
	return strings.Join(names, ", ")
}

// wanted describes what a container needs to be selected; empty if nothing but to be in no scope. That a Stoker without a scope ignores
// containers with one is left to Near.
func wanted(s policy.Selector) string {
	var parts []string
	switch s.Mode {
	case policy.ModeQuota:
		parts = append(parts, "a CPU quota")
	case policy.ModeAll:
	default:
		parts = append(parts, policy.LabelEnable+"=true")
	}
	if s.Scope != "" {
		parts = append(parts, policy.LabelScope+"="+s.Scope)
	}
	return strings.Join(parts, " and ")
}

func (a Advice) check() string {
	if a.Self == "" {
		return "stoker check"
	}
	return "docker exec " + a.Self + " /stoker check"
}

// labels returns the labels that make a service managed, in one line of Compose syntax.
func (a Advice) labels() string {
	labels := []string{}
	if a.Selector.Mode != policy.ModeAll {
		labels = append(labels, policy.LabelEnable+"=true")
	}
	if a.Selector.Scope != "" {
		labels = append(labels, policy.LabelScope+"="+a.Selector.Scope)
	}
	return "labels: [" + strings.Join(labels, ", ") + "]"
}
