package fault

import (
	"context"
	"errors"
	"os"
	"time"
)

// look is how often the desk looks at the clock and for a file: the precision of a fault's time. Each look wakes the
// process, which costs some 0.3 ms of CPU on a small host; a worker that hangs must look idle.
const look = 500 * time.Millisecond

// Desk takes orders for faults, by file and by channel, and sees that they happen when they are due.
type Desk struct {
	injector *Injector
	file     string
	orders   <-chan []Fault
	pending  []appointment
	told     string // the last complaint about the file, so that it is not made twice a second
}

type appointment struct {
	fault Fault
	at    time.Time
}

// NewDesk takes orders for injector from a file, which is removed when it is taken, and from a channel.
func NewDesk(injector *Injector, file string, orders <-chan []Fault) *Desk {
	return &Desk{injector: injector, file: file, orders: orders}
}

// Serve makes faults happen, those given first and those ordered later, until ctx ends.
func (d *Desk) Serve(ctx context.Context, first []Fault) {
	d.book(first)
	defer d.injector.wait()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		d.fire(ctx)
		select {
		case <-ctx.Done():
			return
		case faults := <-d.orders:
			d.book(faults)
		case <-tick.C:
			d.readFile()
		}
	}
}

func (d *Desk) book(faults []Fault) {
	now := time.Now()
	for _, fault := range faults {
		d.pending = append(d.pending, appointment{fault: fault, at: now.Add(fault.due())})
	}
}

func (d *Desk) fire(ctx context.Context) {
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

func (d *Desk) readFile() {
	faults, err := collect(d.file)
	complaint := ""
	if err != nil {
		complaint = err.Error()
	}
	if complaint != "" && complaint != d.told {
		d.injector.world.Say("fault file %s: %s", d.file, complaint)
	}
	d.told = complaint
	d.book(faults)
}

// collect reads the file and removes it, before anything happens: a crash must not find its own order again.
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

// Send orders faults from the worker that watches this file.
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
