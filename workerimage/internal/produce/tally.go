package produce

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stoker/workerimage/internal/job"
)

// Tally counts the results of one run. It is not safe for concurrent use.
type Tally struct {
	ids      []string
	results  map[string]job.Result // the first of each ID
	attempts map[string]bool       // a result that a broker delivers twice is one result
	dropped  map[string]int        // by ID: duplicates that the broker detected
	repeated int
	again    int             // of those, how many were of tasks that were delivered again
	foreign  map[string]bool // results of other runs
}

// NewTally expects one result for each ID.
func NewTally(ids []string) *Tally {
	t := &Tally{
		ids:     ids,
		results: make(map[string]job.Result, len(ids)), attempts: map[string]bool{}, dropped: map[string]int{}, foreign: map[string]bool{},
	}
	for _, id := range ids {
		t.results[id] = job.Result{}
	}
	return t
}

// Add counts one result, and duplicates of it that the broker dropped.
func (t *Tally) Add(result job.Result, dropped int) {
	first, ours := t.results[result.ID]
	switch {
	case !ours:
		t.foreign[result.ID+"\x00"+result.Attempt] = true
		return
	case t.attempts[result.ID+"\x00"+result.Attempt]:
	case first.ID == "":
		t.results[result.ID] = result
	default:
		t.repeated++
		if result.Again || first.Again {
			t.again++
		}
	}
	t.attempts[result.ID+"\x00"+result.Attempt] = true
	t.dropped[result.ID] = max(t.dropped[result.ID], dropped)
}

// Missing returns the IDs that have no result.
func (t *Tally) Missing() []string {
	var missing []string
	for _, id := range t.ids {
		if t.results[id].ID == "" {
			missing = append(missing, id)
		}
	}
	return missing
}

// Results returns the first result of each ID that has one.
func (t *Tally) Results() []job.Result {
	var results []job.Result
	for _, id := range t.ids {
		if result := t.results[id]; result.ID != "" {
			results = append(results, result)
		}
	}
	return results
}

// Refused returns the number of messages that were no task.
func (t *Tally) Refused() int {
	refused := 0
	for _, result := range t.results {
		if result.Problem != "" {
			refused++
		}
	}
	return refused
}

// Duplicates returns the number of results beyond one per ID.
func (t *Tally) Duplicates() int {
	sum := t.repeated
	for _, n := range t.dropped {
		sum += n
	}
	return sum
}

// DeliveredAgain returns the number of duplicates of tasks that the broker delivered again, according to the results.
func (t *Tally) DeliveredAgain() int { return t.again }

// String returns the counts, and below them those of each worker.
func (t *Tally) String() string {
	missing := len(t.Missing())
	text := fmt.Sprintf("%d tasks, %d results, %d duplicates, %d missing", len(t.ids), len(t.ids)-missing, t.Duplicates(), missing)
	if t.repeated > 0 {
		text += fmt.Sprintf("; %d of the duplicates by a task that was delivered again", t.again)
	}
	if refused := t.Refused(); refused > 0 {
		text += fmt.Sprintf("; %d refused", refused)
	}
	if len(t.foreign) > 0 {
		text += fmt.Sprintf("; %d results of other runs, left alone", len(t.foreign))
	}
	byWorker := map[string]int{}
	for _, result := range t.Results() {
		byWorker[result.Worker]++
	}
	for _, name := range slices.SortedFunc(maps.Keys(byWorker), func(a, b string) int {
		return cmp.Or(cmp.Compare(byWorker[b], byWorker[a]), strings.Compare(a, b))
	}) {
		text += fmt.Sprintf("\n  %-6d %s", byWorker[name], name)
	}
	return text
}
