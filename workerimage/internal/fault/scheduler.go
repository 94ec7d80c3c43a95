package fault

import (
	"context"
	"errors"
	"os"
	"time"
)

// pollInterval is the interval at which the scheduler checks the clock and the file: the precision of a fault's time. Each check wakes the
// process, which costs about 0.3 ms of CPU on a small host; a worker that hangs must appear idle.
const pollInterval = 500 * time.Millisecond

// Scheduler accepts faults from a file and a channel, and injects them when they are due.
type Scheduler struct {
	injector    *Injector
	file        string
	orders      <-chan []Fault
	pending     []scheduledFault
	lastProblem string // of the file, so that it is not logged twice a second
}

type scheduledFault struct {
	fault Fault
	at    time.Time
}

// NewScheduler returns a scheduler of faults from a file, which is removed when it is read, and from a channel.
func NewScheduler(injector *Injector, file string, orders <-chan []Fault) *Scheduler {
	return &Scheduler{injector: injector, file: file, orders: orders}
}

// Begin accepts the first faults, and injects those that are due at once before it returns. Call it before Serve.
func (d *Scheduler) Begin(ctx context.Context, first []Fault) {
	d.schedule(first)
	d.fire(ctx)
}

// Serve injects faults, those of Begin and those that come later, until ctx ends.
func (d *Scheduler) Serve(ctx context.Context) {
	defer d.injector.wait()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		d.fire(ctx)
		select {
		case <-ctx.Done():
			return
		case faults := <-d.orders:
			d.schedule(faults)
		case <-tick.C:
			d.readFile()
		}
	}
}

func (d *Scheduler) schedule(faults []Fault) {
	now := time.Now()
	for _, fault := range faults {
		d.pending = append(d.pending, scheduledFault{fault: fault, at: now.Add(fault.due())})
	}
}

func (d *Scheduler) fire(ctx context.Context) {
	now := time.Now()
	later := d.pending[:0]
	for _, next := range d.pending {
		if next.at.After(now) {
			later = append(later, next)
			continue
		}
		d.injector.Inject(ctx, next.fault)
	}
	d.pending = later
}

func (d *Scheduler) readFile() {
	faults, err := collect(d.file)
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != d.lastProblem {
		d.injector.world.Log("fault file %s: %s", d.file, problem)
	}
	d.lastProblem = problem
	d.schedule(faults)
}

// collect reads the file and removes it before a fault is injected: a crash must not repeat the fault at the next start.
func collect(path string) ([]Fault, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return Parse(string(text))
}

// Send writes faults for the worker that reads this file.
func Send(path, list string) error {
	faults, err := Parse(list)
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		return errors.New("no fault named")
	}
	next := path + ".next"
	if err := os.WriteFile(next, []byte(list), 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}
