// Package app builds Stoker from its parts, runs it and shuts it down. It contains no logic of its own.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/engine/probe"
	"stoker/sidecar/internal/engine/queue"
	"stoker/sidecar/internal/engine/scaler"
	"stoker/sidecar/internal/engine/supervisor"
	"stoker/sidecar/internal/engine/watch"
	"stoker/sidecar/internal/report/history"
)

// shutdownBudget is the time for the whole shutdown after Stoker's context has ended; Docker kills it after 10 s. The first part is for
// restarts that have begun, the second for actions that ignore their context. The journal has the rest, which is at least a second. The
// log, the notifications and the status server have what remains.
const (
	shutdownBudget = 8 * time.Second
	healBudget     = 6500 * time.Millisecond
	actionBudget   = 500 * time.Millisecond
	logBudget      = 2 * time.Second // at most, for a log that blocks
)

// Options configure an App.
type Options struct {
	Config  config.Config
	Log     *logrus.Logger
	Version string
	Commit  string
}

// App is one running Stoker.
type App struct {
	opts     Options
	reports  reports
	link     *link // to the engine
	state    *state
	sources  *queue.Pool // of work
	sup      *supervisor.Supervisor
	services *scaler.Scaler // nil without STOKER_SWARM_SCALE
	first    *advisor
	others   others
	server   server
}

// New builds all parts that do not require a working engine, including the listener, so that the address is known before Run. Its errors
// are mistakes in the configuration.
func New(opts Options) (*App, error) {
	a := &App{opts: opts, others: newOthers(opts)}
	var err error
	if a.reports, err = newReports(opts, a.viewForDisplay, a.hostName); err != nil {
		return nil, err
	}
	log := a.reports.log
	if a.link, err = newLink(opts, log); err != nil {
		return nil, err
	}
	if a.state, err = openState(opts.Config, log); err != nil {
		return nil, err
	}
	a.reports.history = history.New(history.Options{Store: a.state.journal})
	a.sources = queue.New(queue.Options{})
	set := a.settings()
	all := a.prepareServices(a.reports.sinks())
	engine := a.link.engine
	a.sup = supervisor.New(fleet.New(time.Now(), set), metered{engine, a.sources, NewProber(engine), a.reports.metrics}, a.state.journal, all)
	a.sup.Closing = supervisor.Closing{Heals: healBudget, Actions: actionBudget}
	a.first = newAdvisor(opts.Config.Rules.Selector, docker.SelfID(), engine, a.sup.View, log)
	a.link.watchWith(watch.Options{Resync: opts.Config.Watch.Resync, Bookmark: set.Bookmark, Keep: set.Keep, Workers: a.workers})
	if a.server, err = a.listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("serve status: %w", err), a.abandon())
	}
	return a, nil
}

// workers returns the number of workers whose state could be lost. Before the first list, those of the journal are not in the view.
func (a *App) workers() int {
	if v := a.sup.View(); !v.Engine.Synced.IsZero() {
		return len(v.Workers)
	}
	return a.state.loaded
}

// NewProber returns the prober for an engine's workers.
func NewProber(engine *docker.Client) *probe.Prober {
	return probe.New(probe.Options{Engine: engine, Self: docker.SelfID(), NotFound: docker.ErrNotFound, Denied: docker.ErrDenied})
}

// owner returns the mark of this Stoker's transactions on an engine that another Stoker may use too. It is the same after a restart.
func owner(scope string) string {
	if id := docker.SelfID(); id != "" {
		return id + "/" + scope
	}
	host, _ := os.Hostname() // without one, only the scope differs
	return host + "/" + scope
}

func (a *App) settings() fleet.Settings {
	c := a.opts.Config
	set := fleet.Settings{
		Rules: c.Rules, Parallel: c.Limits.Parallel, DryRun: c.DryRun, Self: docker.SelfID(), Owner: owner(c.Rules.Scope),
		OverloadShare: c.Limits.OverloadShare, OverloadHold: c.Limits.OverloadHold,
		CPUBudget: c.Limits.CPUBudget, Zone: time.Local,
	}
	set.Saved, set.Bookmark = a.state.load()
	set.Pauses = a.state.pauses(time.Now())
	return set
}

// hostName returns the name of this host.
func (a *App) hostName() string {
	if a.sup != nil {
		if name := a.sup.View().Engine.Engine.Name; name != "" {
			return name
		}
	}
	return HostName(a.opts.Config)
}

// View returns the latest view of the fleet.
func (a *App) View() fleet.View { return a.complete(a.sup.View()) }

// complete adds the parts of the view that are not the fleet's.
func (a *App) complete(v fleet.View) fleet.View {
	return a.withServices(a.first.within(a.link.within(v)))
}

// viewForDisplay is View for the page, the API and the metrics: while they are read, the workers' resource usage is read, too.
func (a *App) viewForDisplay() fleet.View {
	if a.opts.Config.Watch.Stats == config.StatsOff {
		return a.View()
	}
	return a.complete(a.sup.ViewForDisplay())
}

// Addr returns the address of the status server; empty if there is none.
func (a *App) Addr() string { return a.server.status.Addr() }

// Run works until ctx ends, then shuts down within shutdownBudget: no new observations, restarts that have begun are finished, the journal
// is on disk, the server is shut down, the log is written. Parts that do not end in time end with the process.
func (a *App) Run(ctx context.Context) error {
	closing, closed := within(ctx, shutdownBudget)
	defer closed()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	logging, stopLogging := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLogging()
	log := a.reports.log
	var logged, served, watching sync.WaitGroup
	logged.Go(func() { log.run(logging) })
	served.Go(func() { a.server.serveStatus(serving, log) })
	served.Go(func() { a.reports.notify.Run(serving) })
	served.Go(func() { a.server.serveControl(serving, log) })
	served.Go(func() { a.ping(serving) })
	served.Go(func() { a.others.run(serving) })
	served.Go(func() { a.reports.trend.Run(serving, a.sup.View) })

	seen := make(chan worker.Observation)
	watched, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watching.Go(func() { a.follow(watched, seen) })
	watching.Go(func() { a.runServices(watched) })

	a.sup.Run(ctx, seen)
	err := a.state.close(closing)
	stopServing()
	_ = a.sources.Close(closing) // open connections end with the process
	wait(closing, &watching)
	wait(closing, &served)
	log.message(logrus.InfoLevel, "stoker ends", "")
	stopLogging()
	flushing, flushed := context.WithTimeout(closing, logBudget)
	defer flushed()
	wait(flushing, &logged)
	return err
}

// within returns a context that ends limit after ctx has ended.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-later.Done():
		}
	})
	return later, cancel
}

// wait returns when the group is done or ctx has ended.
func wait(ctx context.Context, group *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { defer close(done); group.Wait() }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (a *App) follow(ctx context.Context, seen chan<- worker.Observation) {
	watched := make(chan worker.Observation)
	var forwarding sync.WaitGroup
	defer forwarding.Wait()
	forwarding.Go(func() { a.forward(ctx, watched, seen) })
	defer close(watched)
	a.link.follow(ctx, watched)
}

// abandon closes what New has opened.
func (a *App) abandon() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownBudget)
	defer cancel()
	return a.state.close(ctx)
}
