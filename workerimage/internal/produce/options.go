// Package produce puts tasks into a queue and collects their results.
package produce

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/settings"
	"stoker/workerimage/internal/task"
)

// Usage is the help text.
const Usage = `usage: worker produce --tasks N [OPTION...]    put tasks into a queue
       worker collect --tasks N --run NAME     collect the results of an earlier run

  --queue URL     amqp://user:password@host/vhost?queue=tasks or redis://host:6379/0?list=tasks; WORKER_QUEUE or WORKER_QUEUE_FILE
                  by default; a password should not be on a command line
  --tasks N       how many
  --kind KIND     pow or squares (pow)
  --size N        numbers in each task (1000000)
  --prefix HEX    pow: what is looked for (00000)
  --run NAME      the tasks are NAME-1 to NAME-N (random)
  --rate R        tasks put in a second (0: all at once)
  --wait          collect the results too, and exit 1 if one is missing
  --timeout T     for all of it (10m)
`

// Options configure a run.
type Options struct {
	Queue   queue.Spec
	Tasks   int
	Kind    task.Kind
	Size    uint64
	Prefix  string
	Run     string
	Rate    float64
	Wait    bool // collect
	Put     bool
	Timeout time.Duration
}

// Limits: a run is held in memory, and an ID is a key at the broker.
const (
	mostTasks  = 1_000_000
	longestRun = 100
)

// Parse reads the arguments after `worker produce`, or after `worker collect` if put is false.
func Parse(args []string, put bool, lookup settings.Lookup) (Options, error) {
	o := Options{Put: put}
	var url, kind string
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&url, "queue", "", "")
	flags.IntVar(&o.Tasks, "tasks", 0, "")
	flags.StringVar(&o.Run, "run", "", "")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "")
	if put {
		flags.StringVar(&kind, "kind", string(task.Pow), "")
		flags.Uint64Var(&o.Size, "size", 1_000_000, "")
		flags.StringVar(&o.Prefix, "prefix", "00000", "")
		flags.Float64Var(&o.Rate, "rate", 0, "")
		flags.BoolVar(&o.Wait, "wait", false, "")
	}
	if err := flags.Parse(args); err != nil {
		return o, hide(err)
	}
	if flags.NArg() > 0 {
		return o, errors.New("only options are understood")
	}
	o.Kind = task.Kind(kind)
	o.Wait = o.Wait || !put
	if err := o.where(url, lookup); err != nil {
		return o, err
	}
	return o, o.check()
}

// hide replaces a message that quotes a URL, which may hold a password.
func hide(err error) error {
	if strings.Contains(err.Error(), "://") {
		return errors.New("a URL is given where none is understood")
	}
	return err
}

func (o *Options) where(url string, lookup settings.Lookup) error {
	if url != "" {
		spec, err := queue.Parse(url)
		if err != nil {
			return fmt.Errorf("--queue: %w", err)
		}
		o.Queue = spec
		return nil
	}
	spec, err := settings.ReadQueue(lookup)
	if err != nil {
		return err
	}
	if spec == nil {
		return errors.New("no queue: use --queue, or set WORKER_QUEUE or WORKER_QUEUE_FILE")
	}
	o.Queue = *spec
	return nil
}

func (o *Options) check() error {
	switch {
	case o.Tasks < 1 || o.Tasks > mostTasks:
		return fmt.Errorf("--tasks: wanted 1 to %d", mostTasks)
	case o.Rate < 0 || o.Rate > 1e6:
		return errors.New("--rate: wanted 0 to 1000000 tasks a second")
	case o.Timeout <= 0:
		return errors.New("--timeout: wanted a time above 0, like 10m")
	case len(o.Run) > longestRun:
		return fmt.Errorf("--run: at most %d bytes", longestRun)
	case o.Run == "" && !o.Put:
		return errors.New("--run: name the run whose results to collect")
	}
	if o.Run == "" {
		var name [4]byte
		_, _ = rand.Read(name[:]) // it never fails
		o.Run = hex.EncodeToString(name[:])
	}
	if !o.Put {
		return nil
	}
	if o.Size == 0 || o.Size > 1<<40 {
		return errors.New("--size: wanted 1 to 2^40 numbers")
	}
	_, err := o.job(0).Task()
	return err
}

// IDs returns the IDs of all jobs of the run.
func (o *Options) IDs() []string {
	ids := make([]string, o.Tasks)
	for n := range ids {
		ids[n] = o.id(n)
	}
	return ids
}

// Jobs returns all jobs of the run.
func (o *Options) Jobs() []job.Job {
	jobs := make([]job.Job, o.Tasks)
	for n := range jobs {
		jobs[n] = o.job(n)
	}
	return jobs
}

func (o *Options) id(n int) string { return fmt.Sprintf("%s-%d", o.Run, n+1) }

// job returns the n-th job, counted from 0. The ranges of the jobs follow each other.
func (o *Options) job(n int) job.Job {
	j := job.Job{ID: o.id(n), Kind: o.Kind, From: uint64(n) * o.Size, To: uint64(n+1) * o.Size}
	if o.Kind == task.Pow {
		j.Prefix, j.Seed = o.Prefix, "stoker"
	}
	return j
}
