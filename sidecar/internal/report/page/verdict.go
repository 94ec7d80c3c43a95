package page

import (
	"fmt"
	"strings"
	"time"

	"stoker/sidecar/internal/core/fleet"
)

// verdict is the state of everything in a line.
type verdict struct {
	Text string
	Tone string // ok, busy, warn, bad, idle
	Hint string
}

// judge looks at the link first: without it the rest is old.
func judge(v fleet.View) verdict {
	groups := map[group]int{}
	for _, w := range v.Workers {
		groups[groupOf(w)]++
	}
	all, ill, healing := len(v.Workers), groups[groupAttention], groups[groupHealing]
	switch {
	case !v.Engine.Connected && v.Engine.Synced.IsZero():
		return verdict{"No link to the engine yet", "bad", "The log says what Stoker waits for."}
	case !v.Engine.Connected:
		return verdict{"The engine does not answer", "bad", "The workers below are as they were last seen."}
	case v.HostOverloaded:
		return verdict{"The host is ill", "bad", "Most workers time out together, or its CPUs are out. Restarts of running workers wait; dead ones are started."}
	case all == 0:
		return verdict{"No workers yet", "idle", "Give a container the label stoker.enable=true."}
	case ill > 0 && healing > 0:
		return verdict{Text: fmt.Sprintf("%s, %d being healed", attention(ill, all), healing), Tone: "warn"}
	case ill > 0:
		return verdict{Text: attention(ill, all), Tone: "warn"}
	case healing > 0:
		return verdict{Text: fmt.Sprintf("%d of %s being healed", healing, count(all, "worker")), Tone: "busy"}
	case groups[groupRunning] == all && all == 1:
		return verdict{Text: "1 worker, running", Tone: "ok"}
	case groups[groupRunning] == all:
		return verdict{Text: fmt.Sprintf("%d workers, all running", all), Tone: "ok"}
	}
	return verdict{Text: census(all, groups), Tone: "ok"}
}

func attention(ill, all int) string {
	if ill == 1 {
		return fmt.Sprintf("1 of %s needs attention", count(all, "worker"))
	}
	return fmt.Sprintf("%d of %d workers need attention", ill, all)
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

// link is what is shown of the engine.
type link struct {
	Up     bool
	Since  instant
	Engine string
	API    string
	CPUs   int
	Skew   string // empty when the clocks agree well enough
}

// skewShown is from where on a difference of the clocks makes times hard to compare.
const skewShown = 2 * time.Second

func linkOf(l fleet.EngineLink, now time.Time) link {
	shown := link{Up: l.Connected, Since: instantOf(l.Since, now), Engine: brief(plain(l.Engine.Version), 40), API: brief(plain(l.Engine.APIVersion), 20), CPUs: l.Engine.CPUs}
	if l.Skew.Abs() >= skewShown {
		shown.Skew = lasting(l.Skew) + " behind"
		if l.Skew > 0 {
			shown.Skew = lasting(l.Skew) + " ahead"
		}
	}
	return shown
}
