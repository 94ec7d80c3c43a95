package app

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/core/worker"
)

// The names of log fields, spelled once.
const (
	fieldWorker   = "worker"
	fieldID       = "id"
	fieldFault    = "fault"
	fieldIntent   = "intent"
	fieldHeal     = "heal"
	fieldReason   = "reason"
	fieldAttempt  = "attempt"
	fieldWait     = "wait"
	fieldTook     = "took"
	fieldExitCode = "exit_code"
	fieldOutput   = "output"
	fieldDetail   = "detail"
	fieldDropped  = "dropped"
	fieldFrom     = "from_cpus"
	fieldCPUs     = "cpus"
)

// tellQueue is how many notes may wait for a slow log. Docker's log driver blocks a container whose log is not read.
const tellQueue = 1024

// outputShown bounds how much of a health check's output stands in a log line.
const outputShown = 300

// teller writes to the log from a goroutine of its own, so that a log that blocks delays no heal. What does not fit into
// its queue is dropped and counted.
type teller struct {
	log     *logrus.Logger
	lines   map[worker.EventKind]line
	queue   chan saying
	dropped atomic.Uint64
	lost    func() // is told of each line that is dropped, and must not block
}

// saying is one line of the log: a note, or a sentence of Stoker's own.
type saying struct {
	note   worker.Event
	level  logrus.Level
	text   string // empty for a note
	detail string
}

func newTeller(log *logrus.Logger, lost func()) *teller {
	return &teller{log: log, lines: lines(), queue: make(chan saying, tellQueue), lost: lost}
}

// Tell queues the notes. It never blocks.
func (t *teller) Record(notes []worker.Event) {
	for _, n := range notes {
		t.put(saying{note: n})
	}
}

// say queues a line that is about no worker. It never blocks.
func (t *teller) say(level logrus.Level, text, detail string) {
	t.put(saying{note: worker.Event{At: time.Now()}, level: level, text: text, detail: detail})
}

func (t *teller) put(s saying) {
	select {
	case t.queue <- s:
	default:
		t.dropped.Add(1)
		t.lost()
	}
}

// run writes until ctx ends, then what is still queued.
func (t *teller) run(ctx context.Context) {
	for {
		select {
		case s := <-t.queue:
			t.write(s)
		case <-ctx.Done():
			t.drain()
			return
		}
	}
}

func (t *teller) drain() {
	for {
		select {
		case s := <-t.queue:
			t.write(s)
		default:
			return
		}
	}
}

func (t *teller) write(s saying) {
	all := fields(s.note)
	level, text := s.level, s.text
	if text == "" {
		level, text = t.sentence(s.note.Kind)
	}
	if s.detail != "" {
		all[fieldDetail] = printable(s.detail)
	}
	if lost := t.dropped.Swap(0); lost > 0 {
		all[fieldDropped] = lost
	}
	t.log.WithTime(s.note.At).WithFields(all).Log(level, printable(text))
}

// line is how a note is written.
type line struct {
	level logrus.Level
	text  string
}

// lines has every kind of note; a test holds it to that.
func lines() map[worker.EventKind]line {
	return map[worker.EventKind]line{
		worker.EventManaged:             {logrus.InfoLevel, "looking after worker"},
		worker.EventUnmanaged:           {logrus.InfoLevel, "worker is gone"},
		worker.EventProblem:             {logrus.ErrorLevel, "worker's labels are wrong, it is held until they are mended"},
		worker.EventHeld:                {logrus.InfoLevel, "worker is left alone"},
		worker.EventFault:               {logrus.WarnLevel, "worker needs healing"},
		worker.EventHealFailed:          {logrus.WarnLevel, "heal did not help"},
		worker.EventHealed:              {logrus.InfoLevel, "worker is back"},
		worker.EventRecovered:           {logrus.InfoLevel, "worker is back without Stoker"},
		worker.EventStable:              {logrus.InfoLevel, "worker is stable, attempts are counted from 0 again"},
		worker.EventExhausted:           {logrus.ErrorLevel, "attempts are used up"},
		worker.EventRefused:             {logrus.WarnLevel, "worker cannot be recreated as it is, nothing was changed"},
		worker.EventHung:                {logrus.WarnLevel, "the probe timed out and the CPU is idle: the worker hangs"},
		worker.EventStatsUnavailable:    {logrus.WarnLevel, "no CPU readings in time, deciding without"},
		worker.EventQuota:               {logrus.InfoLevel, "set the worker's CPU quota"},
		worker.EventQuotaFailed:         {logrus.WarnLevel, "cannot set the worker's CPU quota, trying again"},
		worker.EventDependentsRestarted: {logrus.InfoLevel, "healed what lives in the worker's namespaces"},
		worker.EventEngineDisconnected:  {logrus.WarnLevel, "lost the engine, waiting for it"},
		worker.EventEngineConnected:     {logrus.InfoLevel, "following the engine"},
		worker.EventHostOverloaded:      {logrus.ErrorLevel, "the host is ill, not the workers: restarts of running ones wait"},
		worker.EventHostRecovered:       {logrus.InfoLevel, "the host is well again"},
	}
}

func (t *teller) sentence(kind worker.EventKind) (logrus.Level, string) {
	if l, ok := t.lines[kind]; ok {
		return l.level, l.text
	}
	return logrus.InfoLevel, string(kind)
}

func fields(n worker.Event) logrus.Fields {
	f := logrus.Fields{}
	put := func(name, value string) {
		if value != "" {
			f[name] = printable(value)
		}
	}
	put(fieldWorker, string(n.Key))
	put(fieldID, short(n.ID))
	put(fieldFault, string(n.Fault))
	put(fieldIntent, string(n.Intent))
	put(fieldHeal, string(n.Heal))
	put(fieldReason, string(n.Reason))
	put(fieldDetail, clip(n.Detail))
	put(fieldOutput, clip(n.Output))
	if n.Attempt > 0 {
		f[fieldAttempt] = n.Attempt
	}
	if n.CPUs > 0 || n.From > 0 {
		f[fieldFrom], f[fieldCPUs] = n.From, n.CPUs
	}
	if n.Delay > 0 {
		f[fieldWait] = n.Delay.Round(time.Millisecond).String()
	}
	if n.Duration > 0 {
		f[fieldTook] = n.Duration.Round(time.Millisecond).String()
	}
	if n.Fault == worker.FaultExited || n.Fault == worker.FaultOOM {
		f[fieldExitCode] = n.ExitCode
	}
	return f
}

func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// clip bounds what a container can put into a line.
func clip(s string) string {
	if len(s) > outputShown {
		return s[:outputShown] + "…"
	}
	return s
}

// printable takes away what a terminal might act on or be fooled by. Control characters of ASCII are left: logrus quotes
// them, in text and in JSON. It does not quote the rest in JSON: DEL, the second set of controls (U+009B begins an escape
// sequence) and the marks that turn the direction of writing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || strconv.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}
