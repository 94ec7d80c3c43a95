package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
)

// sourceTimeout bounds the question to one source.
const sourceTimeout = 5 * time.Second

// groupReport is the result for a group of workers with a demand.
type groupReport struct {
	Group    string         `json:"group"`
	Workers  int            `json:"workers"`
	CPUs     float64        `json:"cpus"` // of all its workers together, one for each without a quota
	Sources  []sourceReport `json:"sources"`
	Problems []string       `json:"problems"`
	Advice   []string       `json:"advice"`

	words    policy.Demand
	settings demand.Settings
}

// sourceReport is what a source has answered.
type sourceReport struct {
	Name    string   `json:"name"` // without user, password and token
	Waiting float64  `json:"waiting"`
	InHand  *float64 `json:"in_hand"` // null where the source does not report it
	Error   string   `json:"error"`
}

// groupsOf puts the workers into groups, by name, and finds those whose labels contradict the rest.
func groupsOf(c config.Config, workers []groupMember) []groupReport {
	var groups []groupReport
	for _, w := range workers {
		if !w.demand.Set() {
			continue
		}
		n := slices.IndexFunc(groups, func(g groupReport) bool { return g.Group == w.group })
		if n < 0 {
			settings, err := w.demand.Settings(c.Rules.Named, time.Local)
			if err != nil { // the labels are reported with the worker
				continue
			}
			groups = append(groups, groupReport{Group: w.group, Sources: []sourceReport{}, Problems: []string{}, Advice: []string{}, words: w.demand, settings: settings})
			n = len(groups) - 1
		}
		g := &groups[n]
		if g.words != w.demand {
			g.Problems = append(g.Problems, fmt.Sprintf("the demand labels of %s differ from those of the others: give all of them the same, or another stoker.group", w.name))
			continue
		}
		g.Workers += w.count
		g.CPUs += float64(w.count) * cmp.Or(w.cpus, 1)
		g.Advice = append(g.Advice, w.advice...)
	}
	for n := range groups {
		groups[n].advise(c)
	}
	slices.SortFunc(groups, func(a, b groupReport) int { return cmp.Compare(a.Group, b.Group) })
	return groups
}

// groupMember is a worker, or a service of a compose file, as far as its group is concerned.
type groupMember struct {
	name, group string
	demand      policy.Demand
	cpus        float64 // the quota; 0 is none
	count       int
	advice      []string
}

// advise lists what is valid but probably not intended.
func (g *groupReport) advise(c config.Config) {
	slices.Sort(g.Advice)
	g.Advice = slices.Compact(g.Advice)
	if least := g.words.Min; least > g.Workers {
		g.Advice = append(g.Advice, fmt.Sprintf("stoker.min-replicas is %d, and there are %s: create more (docker compose up --scale)", least, count(g.Workers, "worker")))
	}
	if g.Workers == 1 && g.words.CloneUpTo == 0 && len(g.settings.Sources) > 0 {
		g.Advice = append(g.Advice, "there is one worker: with deploy.replicas the group could grow with its work")
	}
	if budget := c.Limits.CPUBudget; budget > 0 && g.CPUs > budget {
		g.Advice = append(g.Advice, fmt.Sprintf("all its workers together have %.4g CPUs, and STOKER_CPU_BUDGET is %.4g: not all of them will be woken", g.CPUs, budget))
	}
}

// askSources asks each source once, all at a time, and returns how many problems there are.
func (e Env) askSources(ctx context.Context, groups []groupReport) int {
	answers := map[demand.Source]sourceReport{}
	var (
		mu     sync.Mutex
		asking sync.WaitGroup
	)
	for _, g := range groups {
		for _, s := range g.settings.Sources {
			if _, asked := answers[s]; asked {
				continue
			}
			mu.Lock()
			answers[s] = sourceReport{}
			mu.Unlock()
			asking.Go(func() {
				answer := e.askSource(ctx, s)
				mu.Lock()
				defer mu.Unlock()
				answers[s] = answer
			})
		}
	}
	asking.Wait()
	problems := 0
	for n := range groups {
		g := &groups[n]
		for _, s := range g.settings.Sources {
			answer := answers[s]
			g.Sources = append(g.Sources, answer)
			if answer.Error != "" {
				g.Problems = append(g.Problems, answer.Name+": "+answer.Error)
			}
		}
		problems += len(g.Problems)
	}
	return problems
}

func (e Env) askSource(ctx context.Context, s demand.Source) sourceReport {
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	answer := sourceReport{Name: s.String()}
	r, err := e.AskSource(ctx, s)
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	answer.Waiting = r.Waiting
	if r.InHand.Kind == demand.InHandCounted {
		answer.InHand = &r.InHand.Total
	}
	return answer
}

// groupTable is the report about groups for people; empty without any.
func (e Env) groupTable(groups []groupReport) string {
	if len(groups) == 0 {
		return ""
	}
	t := e.table(column{"GROUP", 8}, column{"WORKERS", 4}, column{"SOURCE", 8}, column{"WAITING", 4}, column{"IN HAND", 4})
	for _, g := range groups {
		line := row{cells: []cell{{g.Group, plain}, {strconv.Itoa(g.Workers), plain}, {g.noSource(), plain}, {"-", plain}, {"-", plain}}}
		for n, s := range g.Sources {
			if n > 0 {
				t.rows = append(t.rows, line)
				line = row{cells: []cell{{"", plain}, {"", plain}, {}, {}, {}}}
			}
			line.cells[2], line.cells[3], line.cells[4] = cell{s.Name, plain}, cell{s.waiting(), plain}, cell{s.inHand(), plain}
		}
		for _, text := range g.Problems {
			line.notes = append(line.notes, note{"problem", red, text})
		}
		for _, text := range g.Advice {
			line.notes = append(line.notes, note{"advice", yellow, text})
		}
		t.rows = append(t.rows, line)
	}
	return t.text() + "\n"
}

// noSource is what stands in the place of the sources of a group without any, or that were not asked.
func (g groupReport) noSource() string {
	switch {
	case len(g.settings.Sources) > 0:
		return "not asked"
	case g.words.Hours != "":
		return g.words.Hours
	}
	return "-"
}

func (s sourceReport) waiting() string {
	if s.Error != "" {
		return "-"
	}
	return strconv.FormatFloat(s.Waiting, 'f', -1, 64)
}

func (s sourceReport) inHand() string {
	if s.InHand == nil {
		return "-"
	}
	return strconv.FormatFloat(*s.InHand, 'f', -1, 64)
}
