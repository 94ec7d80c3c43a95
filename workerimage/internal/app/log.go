package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"stoker/workerimage/internal/cgroup"
	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/pool"
	"stoker/workerimage/internal/task"
)

func (w *Worker) logStart() {
	quota := "no CPU quota"
	if cpus, limited := cgroup.CPUs(os.DirFS("/")); limited {
		quota = fmt.Sprintf("a quota of %.2f CPUs", cpus)
	}
	work := w.set.Task.ID()
	if w.set.Queue != nil {
		work = "tasks from " + w.set.Queue.String()
	}
	w.log.Printf("%s, %d threads, %s", work, w.threads(), quota)
	for _, f := range w.set.Faults.Begin {
		w.log.Printf("fault to come: %s in %s, up to %s sooner or later", f, f.After, f.Spread)
	}
}

// logProgress logs the progress at intervals until ctx ends.
func (w *Worker) logProgress(ctx context.Context) {
	progress := pool.NewProgress(w.set.Task, time.Now(), w.ledger.State())
	tick := time.NewTicker(w.set.Progress)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			w.log.Print(progress.Line(now, w.ledger.State()))
		}
	}
}

// logResult logs a result. A worker that is killed right after this, before the checkpoint, finishes the round again and
// prints the same result again; the result is the same and counts once.
func (w *Worker) logResult(round checkpoint.Round) {
	w.log.Printf("round %d done: %s", round.Number, w.result(round))
}

func (w *Worker) result(round checkpoint.Round) string {
	numbers := pool.Count(float64(round.Sum.Items))
	if w.set.Task.Kind == task.Squares {
		return fmt.Sprintf("the squares of %s numbers add up to %s", numbers, round.Sum.Sum)
	}
	found := fmt.Sprintf("%d of %s nonces have the prefix %s", round.Sum.Hits, numbers, w.set.Task.Prefix)
	if lowest := round.Sum.Lowest; lowest != nil {
		found += fmt.Sprintf(", the lowest is %d with %s", *lowest, w.set.Task.Digest(round.Number, *lowest))
	}
	return found
}
