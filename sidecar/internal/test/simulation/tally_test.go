package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// tally is what happened in a run, or in many.
type tally struct {
	seeds, failed int
	virtual       time.Duration
	stokers       int // that began
	heard         int // observations that a Stoker took in
	events        int // of the engine, heard or not
	deeds         map[what]int
	actions       map[worker.Verb]int
	notes         map[worker.EventKind]int
}

func newTally() tally {
	return tally{deeds: map[what]int{}, actions: map[worker.Verb]int{}, notes: map[worker.EventKind]int{}}
}

// tally closes the books of one run.
func (r *run) tally() tally {
	c := r.count
	c.seeds, c.virtual, c.events = 1, r.w.Now().Sub(r.start), len(r.w.Events())
	if len(r.wrong) > 0 {
		c.failed = 1
	}
	return c
}

func (c *tally) add(one tally) {
	c.seeds += one.seeds
	c.failed += one.failed
	c.virtual += one.virtual
	c.stokers += one.stokers
	c.heard += one.heard
	c.events += one.events
	addAll(c.deeds, one.deeds)
	addAll(c.actions, one.actions)
	addAll(c.notes, one.notes)
}

func addAll[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}

// suit is one kind of deeds.
type suit struct {
	title string
	of    []what
}

func suits() []suit {
	return []suit{
		{"what operators did", []what{
			opStop, opStopNow, opKill, opTerm, opHup, opRestart, opStart, opRemove, opStopRm, opPause, opUnpause, opRename, opNameBack,
			opUpdate, opRun, opReplace, opReplace2, opRevive,
		}},
		{"faults of workers", []what{
			doCrash, doKilled, doExit, doOOM, doSicken, doHang, doHangAll, doRecover, doLoop, doBehave, failNext, breakIt, mendIt, takePort, freePort,
		}},
		{"faults of the engine, its answers and its events", []what{
			engRefuse, engDone, engUndone, engSlow, engSlowInspect, engSlowList, engDrop, engDuplicate, engDelay, engCut, engRestart, engCrash,
			hostReboot, hostCrash, clockStep,
		}},
		{"pauses of Stoker's", []what{opPauseAll, opPauseOne, opResumeAll}},
		{"work and its source", []what{workComes, workGone, sourceFails, sourceHangs, sourceLies, opWakeGroup}},
		{"ends of Stoker", []what{stokerKilled, stokerFuse, stokerEnded, stokerAmnesia}},
	}
}

// table is the tally for a document.
func (c tally) table() string {
	var b strings.Builder
	row := func(name string, n int, of string) { fmt.Fprintf(&b, "| %s | %d | %s |\n", name, n, of) }
	b.WriteString("| what | how many | of these |\n|---|---|---|\n")
	row("seeds", c.seeds, "")
	row("virtual hours", int(c.virtual.Hours()), "")
	row("events of the engine", c.events, fmt.Sprintf("%d observations were heard by a Stoker", c.heard))
	for _, s := range suits() {
		total, parts := 0, []string{}
		for _, do := range s.of {
			if n := c.deeds[do]; n > 0 {
				total += n
				parts = append(parts, fmt.Sprintf("%s %d", do, n))
			}
		}
		row(s.title, total, strings.Join(parts, ", "))
	}
	row("Stokers that began", c.stokers, "")
	total, parts := inOrder(c.actions)
	row("actions", total, parts)
	row("heals", c.notes[worker.EventHealed], fmt.Sprintf("%d attempts failed, %d faults went away by themselves",
		c.notes[worker.EventHealFailed], c.notes[worker.EventRecovered]))
	row("runs with a violation", c.failed, "")
	return b.String()
}

func inOrder(actions map[worker.Verb]int) (int, string) {
	verbs := []worker.Verb{}
	for v := range actions {
		verbs = append(verbs, v)
	}
	slices.Sort(verbs)
	total, parts := 0, []string{}
	for _, v := range verbs {
		total += actions[v]
		parts = append(parts, fmt.Sprintf("%s %d", v, actions[v]))
	}
	return total, strings.Join(parts, ", ")
}
