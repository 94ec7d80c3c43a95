// Package settings reads the worker's environment.
package settings

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"stoker/workerimage/internal/fault"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/task"
)

// Lookup is os.LookupEnv or a stand-in. An empty value counts as unset, because compose files write ${X:-}.
type Lookup func(name string) (string, bool)

// Settings is the configuration of a worker.
type Settings struct {
	Task   task.Task
	Rounds uint64 // 0 means without end

	Queue *queue.Spec   // where tasks come from, in place of Task and Rounds; nil means none
	Lease time.Duration // Redis: the time after which a task of a worker without a heartbeat is returned
	Name  string        // of the worker, in results and at the broker

	Threads    int // 0 means by the CPU quota
	Checkpoint Checkpoint
	Progress   time.Duration
	Heartbeat  Heartbeat
	Listen     string // address of the health endpoint; empty is none
	Faults     Faults
}

// Checkpoint is where and how often the worker stores how far it is.
type Checkpoint struct {
	Dir   string // empty is none
	Every time.Duration
}

// Faults are what is injected into the worker.
type Faults struct {
	Begin  []fault.Fault // from the start on
	Signal []fault.Fault // by SIGUSR1
	File   string        // by the faults in it, while it runs
}

// Heartbeat is the settings that worker and health check share.
type Heartbeat struct {
	Path   string
	MaxAge time.Duration
	Effort time.Duration // additional CPU time of each health check
}

// Off as WORKER_STATE means no checkpoint.
const Off = "off"

// Read reads the settings from the environment. The error has one line per problem.
func Read(lookup Lookup) (Settings, error) {
	e := &environment{lookup: lookup}
	s := Settings{
		Task:   e.task(),
		Rounds: e.number("WORKER_ROUNDS", 0),
		Queue:  e.queue(),
		Lease:  e.duration("WORKER_LEASE", 15*time.Second, time.Second),
		Name:   e.name(),

		Threads:    e.threads("WORKER_THREADS"),
		Checkpoint: e.checkpoint(),
		Progress:   e.duration("WORKER_PROGRESS", 10*time.Second, time.Second),
		Heartbeat:  e.heartbeat(),
		Listen:     e.address("WORKER_LISTEN"),
		Faults: Faults{
			Begin:  e.faults("WORKER_FAULT", ""),
			Signal: e.faults("WORKER_SIGNAL_FAULT", string(fault.Hang)),
			File:   e.faultFile(),
		},
	}
	return s, e.err()
}

// ReadHeartbeat reads only the settings that the health check needs: it ignores a bad WORKER_RANGE.
func ReadHeartbeat(lookup Lookup) (Heartbeat, error) {
	e := &environment{lookup: lookup}
	return e.heartbeat(), e.err()
}

// ReadFaultFile reads the setting that `worker fault` needs.
func ReadFaultFile(lookup Lookup) string {
	return (&environment{lookup: lookup}).faultFile()
}

// ReadQueue reads only the queue, for `worker produce`; nil means none.
func ReadQueue(lookup Lookup) (*queue.Spec, error) {
	e := &environment{lookup: lookup}
	return e.queue(), e.err()
}

// environment collects problems, so that all are reported at once.
type environment struct {
	lookup   Lookup
	problems []error
}

func (e *environment) err() error { return errors.Join(e.problems...) }

func (e *environment) bad(name string, err error) {
	e.problems = append(e.problems, fmt.Errorf("%s: %w", name, err))
}

func (e *environment) text(name, unset string) string {
	if text, ok := e.lookup(name); ok && strings.TrimSpace(text) != "" {
		return strings.TrimSpace(text)
	}
	return unset
}

func (e *environment) number(name string, unset uint64) uint64 {
	text := e.text(name, "")
	if text == "" {
		return unset
	}
	n, err := parseNumber(text)
	if err != nil {
		e.bad(name, err)
	}
	return n
}

func (e *environment) threads(name string) int {
	n := e.number(name, 0)
	if n > 1024 {
		e.bad(name, fmt.Errorf("%d threads: at most 1024", n))
		return 0
	}
	return int(n)
}

func (e *environment) duration(name string, unset, least time.Duration) time.Duration {
	text := e.text(name, "")
	if text == "" {
		return unset
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		e.bad(name, fmt.Errorf("%q is not a time like 10s or 1m30s", text))
	} else if d < least {
		e.bad(name, fmt.Errorf("%s is too short, at least %s", text, least))
	}
	return d
}

func (e *environment) checkpoint() Checkpoint {
	c := Checkpoint{Dir: e.text("WORKER_STATE", "/var/lib/worker"), Every: e.duration("WORKER_CHECKPOINT", time.Second, time.Millisecond)}
	if c.Dir == Off {
		c.Dir = ""
	}
	return c
}

func (e *environment) heartbeat() Heartbeat {
	return Heartbeat{
		// Docker mounts a tmpfs at /dev/shm in every container, also in one with a read-only root.
		Path: e.text("WORKER_HEARTBEAT", "/dev/shm/worker-heartbeat"),
		// Below 2s, rounding would make a worker that beats once a second unhealthy.
		MaxAge: e.duration("WORKER_HEALTH_MAX_AGE", 10*time.Second, 2*time.Second),
		Effort: e.duration("WORKER_HEALTH_EFFORT", 0, 0),
	}
}

func (e *environment) address(name string) string {
	text := e.text(name, "")
	if text == "" {
		return ""
	}
	_, port, err := net.SplitHostPort(text)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		e.bad(name, fmt.Errorf("%q is not an address like :8000", text))
		return ""
	}
	return text
}

func (e *environment) faultFile() string {
	return e.text("WORKER_FAULT_FILE", "/dev/shm/worker-fault")
}

func (e *environment) faults(name, unset string) []fault.Fault {
	faults, err := fault.Parse(e.text(name, unset))
	if err != nil {
		e.bad(name, err)
	}
	return faults
}

func (e *environment) task() task.Task {
	before := len(e.problems)
	t := task.Task{
		Kind:  task.Kind(e.text("WORKER_TASK", string(task.Pow))),
		Range: e.span("WORKER_RANGE"),
		Seed:  e.text("WORKER_SEED", "stoker"),
	}
	t.Chunk = e.number("WORKER_CHUNK", task.DefaultChunk(t.Kind))
	prefix, err := task.ParsePrefix(e.text("WORKER_PREFIX", "00000"))
	if err != nil {
		e.bad("WORKER_PREFIX", err)
	}
	t.Prefix = prefix
	if err := t.Check(); err != nil && len(e.problems) == before {
		e.problems = append(e.problems, err)
	}
	return t
}

// span reads FROM-TO, or TO alone for 0-TO. TO itself is not done.
func (e *environment) span(name string) task.Span {
	from, to, both := strings.Cut(e.text(name, "0-200000000"), "-")
	if !both {
		from, to = "0", from
	}
	low, err := parseNumber(from)
	high, err2 := parseNumber(to)
	if err := errors.Join(err, err2); err != nil {
		e.bad(name, errors.New("wanted FROM-TO, as 0-200000000"))
	}
	return task.Span{From: low, To: high}
}

func parseNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}
