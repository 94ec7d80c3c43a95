package produce

import (
	"context"
	"fmt"
	"io"
	"time"

	"stoker/workerimage/internal/broker"
	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/queue"
)

// Exit codes of produce and collect.
const (
	ExitDone    = 0
	ExitMissing = 1 // not all tasks were put, not all results came in time, or one is for a message that is no task
)

const (
	pause  = 500 * time.Millisecond // after a failed attempt to reach the broker
	batch  = 100
	report = 5 * time.Second // between log lines while results arrive
)

// run is one running command.
type run struct {
	options Options
	client  broker.Client
	out     io.Writer
	errs    io.Writer
	trouble string // the last printed one
}

// Run puts and collects as configured until all is done or ctx or the timeout ends, and returns the exit code.
func Run(ctx context.Context, options Options, out, errs io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	r := &run{options: options, client: broker.NewClient(options.Queue), out: out, errs: errs}
	if !r.connect(ctx) {
		return ExitMissing
	}
	if options.Put {
		if !r.put(ctx) {
			return ExitMissing
		}
		fmt.Fprintf(out, "put %d tasks of run %s into %s\n", options.Tasks, options.Run, options.Queue)
	}
	if !options.Wait {
		_ = r.client.Clear(ctx, nil) // ends the connection; all is confirmed
		return ExitDone
	}
	tally := r.collect(ctx)
	fmt.Fprintf(out, "run %s: %s\n", options.Run, tally)
	if len(tally.Missing()) > 0 || tally.Refused() > 0 {
		return ExitMissing
	}
	return ExitDone
}

// put repeats unconfirmed messages, so a broker may get a task twice after a lost connection: by its ID it is still one task.
func (r *run) put(ctx context.Context) bool {
	begin := time.Now()
	for n := 0; n < r.options.Tasks; {
		due := r.due(time.Since(begin), n)
		if due == n {
			if !sleep(ctx, 10*time.Millisecond) {
				fmt.Fprintf(r.errs, "put %d of %d tasks, then the time was over\n", n, r.options.Tasks)
				return false
			}
			continue
		}
		messages := make([]queue.Message, 0, due-n)
		for at := n; at < due; at++ {
			body, err := r.options.job(at).Encode()
			if err != nil {
				panic(err) // numbers and text
			}
			messages = append(messages, queue.Message{ID: r.options.id(at), Body: body})
		}
		if !r.try(ctx, func() error { return r.client.Put(ctx, messages) }) {
			fmt.Fprintf(r.errs, "put %d of %d tasks, and perhaps %d more\n", n, r.options.Tasks, len(messages))
			return false
		}
		n = due
	}
	return true
}

// due returns the number of tasks that should be put by now, at most a batch more than were put.
func (r *run) due(passed time.Duration, put int) int {
	due := r.options.Tasks
	if r.options.Rate > 0 {
		due = min(due, 1+int(passed.Seconds()*r.options.Rate))
	}
	return min(max(due, put), put+batch)
}

// Collect waits for the results of a run until ctx or the timeout ends. Once it has all, it removes them at the broker.
func Collect(ctx context.Context, options Options, out, errs io.Writer) *Tally {
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	r := &run{options: options, client: broker.NewClient(options.Queue), out: out, errs: errs}
	r.connect(ctx)
	return r.collect(ctx)
}

func (r *run) collect(ctx context.Context) *Tally {
	ids := r.options.IDs()
	tally := NewTally(ids)
	reported := time.Now()
	for len(tally.Missing()) > 0 {
		var found []queue.Found
		if !r.try(ctx, func() (err error) { found, err = r.client.Collect(ctx, tally.Missing()); return err }) {
			break
		}
		for _, one := range found {
			result, err := job.DecodeResult(one.Body)
			if err != nil {
				fmt.Fprintln(r.errs, err)
				continue
			}
			tally.Add(result, one.Duplicates)
		}
		if time.Since(reported) >= report {
			reported = time.Now()
			fmt.Fprintf(r.out, "%d of %d results\n", len(ids)-len(tally.Missing()), len(ids))
		}
	}
	if len(tally.Missing()) > 0 {
		ids = nil // the results stay for another collect
	}
	if err := r.client.Clear(ctx, ids); err != nil && len(ids) > 0 {
		fmt.Fprintln(r.errs, "the results are still at the broker:", err)
	}
	return tally
}

// try repeats the call on new connections until it works or ctx ends.
func (r *run) try(ctx context.Context, call func() error) bool {
	for ctx.Err() == nil {
		err := call()
		if err == nil {
			return true
		}
		r.printTrouble(err)
		if !r.connect(ctx) {
			break
		}
	}
	return false
}

func (r *run) connect(ctx context.Context) bool {
	for ctx.Err() == nil {
		err := r.client.Connect(ctx)
		if err == nil {
			r.trouble = ""
			return true
		}
		r.printTrouble(err)
		sleep(ctx, pause)
	}
	return false
}

// printTrouble prints each reason once until a connection is there again.
func (r *run) printTrouble(err error) {
	if err.Error() == r.trouble {
		return
	}
	r.trouble = err.Error()
	fmt.Fprintln(r.errs, "still trying:", err)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
