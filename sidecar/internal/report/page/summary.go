package page

import (
	"fmt"
	"strings"
	"time"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/sanitize"
)

// summary is the state of everything in a line.
type summary struct {
	Text string
	Tone string // ok, busy, warn, bad, idle
	Hint string
	// Advice is what to do where there are no workers.
	Advice []candidates.Line
}

// summarize checks the connection first: without it the rest is outdated. Pauses are shown wherever there is nothing more urgent to explain.
func summarize(v fleet.View) summary {
	s := stateOfAll(v)
	if s.Hint == "" {
		s.Hint = pauses(v)
	}
	return s
}

// pauses is which pauses are in force.
func pauses(v fleet.View) string {
	var words []string
	for _, p := range v.Pauses {
		text := fmt.Sprintf("%s for %s more", p, lasting(p.Until.Sub(v.At)))
		if p.Reason != "" {
			text += " (" + p.Reason + ")"
		}
		words = append(words, brief(text, 200))
	}
	if len(words) == 0 {
		return ""
	}
	return "Paused: " + strings.Join(words, "; ") + "."
}

func stateOfAll(v fleet.View) summary {
	groups := map[group]int{}
	for _, w := range v.Workers {
		groups[groupOf(w)]++
	}
	all, bad, healing := len(v.Workers), groups[groupAttention], groups[groupHealing]
	switch {
	case !v.Engine.Connected && v.Engine.Synced.IsZero():
		return summary{Text: "Not connected to the engine yet", Tone: "bad", Hint: linkProblem(v.Engine, "The log shows what Stoker waits for.")}
	case !v.Engine.Connected:
		return summary{Text: "Docker connection lost, reconnecting", Tone: "bad", Hint: strings.TrimSpace("The workers below are as they were last seen. " + linkProblem(v.Engine, ""))}
	case v.HostOverloaded:
		return summary{Text: "The host is overloaded", Tone: "bad", Hint: "Most workers time out together, or the host is out of CPU. Restarts of running workers wait; exited ones are started."}
	case all == 0:
		return noWorkers(v.Candidates)
	case bad > 0 && healing > 0:
		return summary{Text: fmt.Sprintf("%s, %d being healed", attention(bad, all), healing), Tone: "warn"}
	case bad > 0:
		return summary{Text: attention(bad, all), Tone: "warn"}
	case healing > 0:
		return summary{Text: fmt.Sprintf("%d of %s being healed", healing, count(all, "worker")), Tone: "busy"}
	case groups[groupRunning] == all && all == 1:
		return summary{Text: "1 worker, running", Tone: "ok"}
	case groups[groupRunning] == all:
		return summary{Text: fmt.Sprintf("%d workers, all running", all), Tone: "ok"}
	}
	return summary{Text: census(all, groups), Tone: "ok"}
}

// noWorkers is the page of a Stoker that manages nothing.
func noWorkers(a *candidates.Advice) summary {
	s := summary{Text: "No workers yet", Tone: "idle"}
	if a == nil {
		s.Hint = "Give a container the label stoker.enable=true."
		return s
	}
	for _, l := range a.Lines() {
		s.Advice = append(s.Advice, candidates.Line{Text: sanitize.Line(l.Text), Code: sanitize.Line(l.Code)})
	}
	return s
}

// linkProblem is why the engine is not connected, or another text where that is not known.
func linkProblem(l fleet.EngineLink, unknown string) string {
	if l.Problem == "" {
		return unknown
	}
	return sanitize.Line(l.Problem)
}

func attention(bad, all int) string {
	if bad == 1 {
		return fmt.Sprintf("1 of %s needs attention", count(all, "worker"))
	}
	return fmt.Sprintf("%d of %d workers need attention", bad, all)
}

func census(all int, groups map[group]int) string {
	var words []string
	for _, g := range []group{groupRunning, groupHeld, groupUnknown} {
		if groups[g] > 0 {
			words = append(words, fmt.Sprintf("%d %s", groups[g], g))
		}
	}
	return fmt.Sprintf("%s: %s", count(all, "worker"), strings.Join(words, ", "))
}

// engine is what is shown of the engine.
type engine struct {
	Connected bool
	Name      string
	Version   string
	API       string
	CPUs      int
	Skew      string // empty when the clocks agree well enough
}

// skewShown is the difference of the clocks that makes times hard to compare.
const skewShown = 2 * time.Second

func engineOf(l fleet.EngineLink) engine {
	shown := engine{Connected: l.Connected, Name: brief(l.Engine.Name, 100), Version: brief(l.Engine.Version, 40), API: brief(l.Engine.APIVersion, 20), CPUs: l.Engine.CPUs}
	if l.Skew.Abs() >= skewShown {
		shown.Skew = lasting(l.Skew) + " behind"
		if l.Skew > 0 {
			shown.Skew = lasting(l.Skew) + " ahead"
		}
	}
	return shown
}
