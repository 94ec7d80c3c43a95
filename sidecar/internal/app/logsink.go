package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// The names of log fields.
const (
	fieldWorker   = "worker"
	fieldID       = "id"
	fieldGroup    = "group"
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

// logQueue is the number of lines that may wait for a slow log. Docker's log driver blocks a container whose log is not read.
const logQueue = 1024

// maxOutput bounds a container's text in a log line, in bytes.
const maxOutput = 300

// logSink writes to the log from its own goroutine, so that a log that blocks delays no heal. Lines beyond its queue are dropped and
// counted.
type logSink struct {
	log     *logrus.Logger
	lines   map[worker.EventKind]line
	queue   chan entry
	dropped atomic.Uint64
	onDrop  func() // is called for each dropped line, and must not block
}

// entry is one line of the log: an event, or a message of Stoker's own.
type entry struct {
	event  worker.Event
	level  logrus.Level
	text   string // empty for an event
	detail string
}

func newLogSink(log *logrus.Logger, onDrop func()) *logSink {
	return &logSink{log: log, lines: lines(), queue: make(chan entry, logQueue), onDrop: onDrop}
}

// Record queues the events. It never blocks.
func (t *logSink) Record(events []worker.Event) {
	for _, e := range events {
		t.put(entry{event: e})
	}
}

// message queues a line that does not concern a worker. It never blocks.
func (t *logSink) message(level logrus.Level, text, detail string) {
	t.put(entry{event: worker.Event{At: time.Now()}, level: level, text: text, detail: detail})
}

func (t *logSink) put(s entry) {
	select {
	case t.queue <- s:
	default:
		t.dropped.Add(1)
		t.onDrop()
	}
}

// run writes until ctx ends, then writes the queued lines.
func (t *logSink) run(ctx context.Context) {
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

func (t *logSink) drain() {
	for {
		select {
		case s := <-t.queue:
			t.write(s)
		default:
			return
		}
	}
}

func (t *logSink) write(s entry) {
	all := fields(s.event)
	level, text := s.level, s.text
	if text == "" {
		level, text = t.sentence(s.event)
	}
	if s.detail != "" {
		all[fieldDetail] = sanitize.Line(s.detail)
	}
	if lost := t.dropped.Swap(0); lost > 0 {
		all[fieldDropped] = lost
	}
	t.log.WithTime(s.event.At).WithFields(all).Log(level, sanitize.Line(text))
}

// line is the level and text of a kind of event.
type line struct {
	level logrus.Level
	text  string
}

// lines has every kind of event; a test checks that.
func lines() map[worker.EventKind]line {
	return map[worker.EventKind]line{
		worker.EventManaged:             {logrus.InfoLevel, "worker is managed"},
		worker.EventUnmanaged:           {logrus.InfoLevel, "worker is no longer managed"},
		worker.EventProblem:             {logrus.ErrorLevel, "worker's labels are wrong, held: fix the labels"},
		worker.EventHeld:                {logrus.InfoLevel, "worker is held"},
		worker.EventFault:               {logrus.WarnLevel, "worker needs healing"},
		worker.EventHealFailed:          {logrus.WarnLevel, "heal failed"},
		worker.EventHealed:              {logrus.InfoLevel, "worker is back"},
		worker.EventRecovered:           {logrus.InfoLevel, "worker is back without Stoker"},
		worker.EventStable:              {logrus.InfoLevel, "worker is stable, attempts are counted from 0 again"},
		worker.EventExhausted:           {logrus.ErrorLevel, "retry limit reached"},
		worker.EventRefused:             {logrus.WarnLevel, "worker cannot be recreated unchanged, restarting it instead"},
		worker.EventHung:                {logrus.WarnLevel, "the probe timed out and the CPU is idle: the worker hangs"},
		worker.EventOutOfMemory:         {logrus.WarnLevel, "the kernel killed a process in the worker, which goes on: raise its memory limit"},
		worker.EventGraceTooShort:       {logrus.WarnLevel, "the quota throttled the worker while it wound up, and its grace was over: raise the grace or the quota"},
		worker.EventEvidence:            {logrus.DebugLevel, "kept evidence of the heal: see stoker history WORKER --evidence"},
		worker.EventUnprobed:            {logrus.WarnLevel, "worker cannot be probed from outside; everything else goes on"},
		worker.EventStatsUnavailable:    {logrus.WarnLevel, "no CPU stats in time, deciding without"},
		worker.EventQuota:               {logrus.InfoLevel, "set the worker's CPU quota"},
		worker.EventQuotaFailed:         {logrus.WarnLevel, "cannot set the worker's CPU quota, trying again"},
		worker.EventNetworkLost:         {logrus.ErrorLevel, "worker runs without a network that it had, connecting it again until that works"},
		worker.EventNetworkRestored:     {logrus.InfoLevel, "worker is connected to its networks again"},
		worker.EventDependentsRestarted: {logrus.InfoLevel, "dependents restarted"},
		worker.EventEngineDisconnected:  {logrus.WarnLevel, "Docker connection lost, reconnecting"},
		worker.EventEngineConnected:     {logrus.InfoLevel, "connected to the engine"},
		worker.EventHostOverloaded:      {logrus.ErrorLevel, "the host is overloaded: restarts of running workers wait"},
		worker.EventHostRecovered:       {logrus.InfoLevel, "the host has recovered"},
		worker.EventWoken:               {logrus.InfoLevel, "worker was woken"},
		worker.EventAsleep:              {logrus.InfoLevel, "worker sleeps"},
		worker.EventDemandLost:          {logrus.ErrorLevel, "a source of work cannot be read, asking it again until it can"},
		worker.EventDemandBack:          {logrus.InfoLevel, "the source of work can be read again"},
		worker.EventDemandLimited:       {logrus.WarnLevel, "there is more work than workers that may run"},
		worker.EventServiceScaled:       {logrus.InfoLevel, "service was given another number of replicas"},
		worker.EventServiceHeld:         {logrus.WarnLevel, "the replicas of the service are left as they are"},
		worker.EventServiceForced:       {logrus.WarnLevel, "service was updated by force, to bring lost tasks back"},
		worker.EventTaskLost:            {logrus.WarnLevel, "task was unhealthy and ended with 0, which is no failure to Swarm: it is replaced under restart condition any alone"},
	}
}

func (t *logSink) sentence(e worker.Event) (logrus.Level, string) {
	if e.Kind == worker.EventFault && e.Fault.Recycles() {
		return logrus.InfoLevel, "worker is restarted, and nothing is wrong with it"
	}
	if l, ok := t.lines[e.Kind]; ok {
		return l.level, l.text
	}
	return logrus.InfoLevel, string(e.Kind)
}

func fields(n worker.Event) logrus.Fields {
	f := logrus.Fields{}
	put := func(name, value string) {
		if value != "" {
			f[name] = sanitize.Line(value)
		}
	}
	put(fieldWorker, string(n.Key))
	put(fieldGroup, n.Group)
	put(fieldID, short(n.ID))
	put(fieldFault, string(n.Fault))
	put(fieldIntent, string(n.Intent))
	put(fieldHeal, string(n.Heal))
	put(fieldReason, string(n.Reason))
	put(fieldDetail, sanitize.Clip(n.Detail, maxOutput))
	put(fieldOutput, sanitize.Clip(n.Output, maxOutput))
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
