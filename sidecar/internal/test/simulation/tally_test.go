package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// tally has the totals of one run, or of many.
type tally struct {
	seeds, failed int
	virtual       time.Duration
	stokers       int // that started
	observations  int // that a Stoker received
	events        int // of the engine, received or not
	faults        map[faultKind]int
	actions       map[worker.Verb]int
	workerEvents  map[worker.EventKind]int
}

func newTally() tally {
	return tally{faults: map[faultKind]int{}, actions: map[worker.Verb]int{}, workerEvents: map[worker.EventKind]int{}}
}

// totals returns the totals of a run.
func (r *run) totals() tally {
	c := r.tally
	c.seeds, c.virtual, c.events = 1, r.world.Now().Sub(r.start), len(r.world.Events())
	if r.violated() {
		c.failed = 1
	}
	return c
}

func (c *tally) add(one tally) {
	c.seeds += one.seeds
	c.failed += one.failed
	c.virtual += one.virtual
	c.stokers += one.stokers
	c.observations += one.observations
	c.events += one.events
	addAll(c.faults, one.faults)
	addAll(c.actions, one.actions)
	addAll(c.workerEvents, one.workerEvents)
}

func addAll[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}

// category is a row of the table with the kinds that it counts.
type category struct {
	title string
	of    []faultKind
}

func categories() []category {
	return []category{
		{"actions of operators", []faultKind{
			opStop, opStopNow, opKill, opTerm, opHup, opRestart, opStart, opRemove, opStopRm, opPause, opUnpause, opRename, opRenameBack,
			opUpdate, opRun, opReplace, opReplace2, opStartAll,
		}},
		{"faults of workers", []faultKind{
			workerCrash, workerKilled, workerExit, workerOOM, probeFails, probeHangs, allProbesHang, probeRecovers, workerLoop, workerRecovers,
			startsFail, mountGone, mountBack, portTaken, portFree,
		}},
		{"faults of the engine, its answers and its events", []faultKind{
			engRefuse, engTimeoutDone, engTimeoutUndone, engSlow, engSlowInspect, engSlowList, engDrop, engDuplicate, engDelay, engCut, engRestart, engCrash,
			hostReboot, hostCrash, clockStep,
		}},
		{"pauses of Stoker", []faultKind{opPauseAll, opPauseWorker, opResumeAll}},
		{"work and its source", []faultKind{workAdded, workRemoved, sourceFails, sourceHangs, sourceWrong, opWakeGroup}},
		{"ends of Stoker", []faultKind{stokerKilled, stokerKilledLater, stokerStopped, journalLost}},
	}
}

// table returns the totals as a Markdown table.
func (c tally) table() string {
	var b strings.Builder
	row := func(name string, n int, of string) { fmt.Fprintf(&b, "| %s | %d | %s |\n", name, n, of) }
	b.WriteString("| what | how many | of these |\n|---|---|---|\n")
	row("seeds", c.seeds, "")
	row("virtual hours", int(c.virtual.Hours()), "")
	row("events of the engine", c.events, fmt.Sprintf("%d observations were received by a Stoker", c.observations))
	for _, s := range categories() {
		total, parts := 0, []string{}
		for _, kind := range s.of {
			if n := c.faults[kind]; n > 0 {
				total += n
				parts = append(parts, fmt.Sprintf("%s %d", kind, n))
			}
		}
		row(s.title, total, strings.Join(parts, ", "))
	}
	row("starts of Stoker", c.stokers, "")
	total, parts := inOrder(c.actions)
	row("actions", total, parts)
	row("heals", c.workerEvents[worker.EventHealed], fmt.Sprintf("%d attempts failed, %d faults ended without an action",
		c.workerEvents[worker.EventHealFailed], c.workerEvents[worker.EventRecovered]))
	row("runs with a violation", c.failed, "")
	return b.String()
}

// inOrder returns the total of the actions, and their parts ordered by verb.
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
