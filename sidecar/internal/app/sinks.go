package app

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/engine/supervisor"
	"stoker/sidecar/internal/report/metrics"
	"stoker/sidecar/internal/report/notify"
)

// sinks passes every event to each of its sinks. None of them blocks.
type sinks []supervisor.Sink

func (all sinks) Record(events []worker.Event) {
	for _, one := range all {
		one.Record(events)
	}
}

// metered counts and times the calls to the engine, the probes and the requests to sources of work.
type metered struct {
	*docker.Client
	sources sources
	prober  prober
	metrics *metrics.Metrics
}

// prober probes workers from outside.
type prober interface {
	Do(ctx context.Context, a worker.Action) worker.ProbeAnswer
}

// sources reads the amount of work.
type sources interface {
	Ask(ctx context.Context, s demand.Source) (demand.Reading, error)
}

func (m metered) Do(ctx context.Context, a worker.Action) worker.Outcome {
	began := time.Now()
	out := m.do(ctx, a)
	m.metrics.Called(a.Verb.String(), time.Since(began), out.Result.String())
	return out
}

func (m metered) do(ctx context.Context, a worker.Action) worker.Outcome {
	switch a.Verb { // the engine does the rest
	case worker.RunProbe:
		answer := m.prober.Do(ctx, a)
		return worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Probe: &answer}}
	case worker.AskSource:
	default:
		return m.Client.Do(ctx, a)
	}
	work, err := m.sources.Ask(ctx, a.Source)
	if err != nil {
		return worker.Outcome{Action: a, Result: worker.Failed, Failure: worker.Failure{Err: err.Error()}}
	}
	return worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Work: &work}}
}

// forward passes on the observations of the watch, and counts them.
func (a *App) forward(ctx context.Context, from <-chan worker.Observation, to chan<- worker.Observation) {
	trying := newTrials(a.link.engine, a.opts.Config.DryRun)
	defer trying.wait()
	defer a.first.wait()
	for o := range from {
		a.reports.metrics.Observed(o.Kind.String())
		if o.Kind == worker.ListEnd {
			a.reports.metrics.Resynced()
		}
		trying.observe(ctx, o)
		a.first.observe(ctx, o)
		select {
		case to <- o:
		case <-ctx.Done():
		}
	}
}

// trials tests which calls something before the engine refuses: once per session and, while some are refused, with each list.
type trials struct {
	engine interface {
		TryCalls(ctx context.Context) []string
	}
	off     bool
	running atomic.Bool
	refused atomic.Bool // a call was refused at the last trial
	group   sync.WaitGroup
}

// trialLimit bounds a trial, which is a few short calls.
const trialLimit = 20 * time.Second

// newTrials returns trials. They are off in a dry run, which does not send these calls.
func newTrials(engine *docker.Client, dryRun bool) *trials {
	return &trials{engine: engine, off: dryRun}
}

func (t *trials) observe(ctx context.Context, o worker.Observation) {
	due := o.Kind == worker.Connecting || o.Kind == worker.ListEnd && t.refused.Load()
	if t.off || !due || t.running.Swap(true) {
		return
	}
	t.group.Go(func() {
		defer t.running.Store(false)
		ctx, cancel := context.WithTimeout(ctx, trialLimit)
		defer cancel()
		t.refused.Store(len(t.engine.TryCalls(ctx)) > 0)
	})
}

func (t *trials) wait() { t.group.Wait() }

// NewNotifier parses the notification URLs. Host returns the name of this host, as far as it is known yet. Its error has one line for each
// mistake, without secrets.
func NewNotifier(opts Options, m *metrics.Metrics, host func() string) (*notify.Notifier, error) {
	o := notify.Options{URLs: opts.Config.Notify.URLs, On: opts.Config.Notify.On, Host: host, Agent: "stoker/" + opts.Version}
	if m != nil {
		o.OnDropped = func(n uint64) { m.Dropped("notify", n) }
		o.OnResult = func(_, outcome string) { m.Notified(outcome) }
	}
	return notify.New(o)
}

// HostName returns the name of this host for display, if no engine reports one. The default name of a container is its ID, which is useless
// here.
func HostName(c config.Config) string {
	if c.Cluster.Host != "" {
		return c.Cluster.Host
	}
	name, err := os.Hostname()
	if err != nil || (name != "" && strings.HasPrefix(docker.SelfID(), name)) {
		return ""
	}
	return name
}
