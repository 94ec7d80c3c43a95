// Package app builds Stoker from its parts, runs it and shuts it down. It contains no logic of its own.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/engine/journal"
	"stoker/sidecar/internal/engine/probe"
	"stoker/sidecar/internal/engine/queue"
	"stoker/sidecar/internal/engine/scaler"
	"stoker/sidecar/internal/engine/supervisor"
	"stoker/sidecar/internal/engine/watch"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/metrics"
	"stoker/sidecar/internal/report/notify"
	"stoker/sidecar/internal/report/page"
	"stoker/sidecar/internal/report/peers/poll"
	"stoker/sidecar/internal/report/trend"
	"stoker/sidecar/internal/report/web"
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
	engine   *docker.Client
	journal  *journal.Journal
	log      *logSink
	metrics  *metrics.Metrics
	history  *history.Log
	trend    *trend.Trend
	peers    *poll.Poller   // nil without STOKER_PEERS
	services *scaler.Scaler // nil without STOKER_SWARM_SCALE
	notify   *notify.Notifier
	sources  *queue.Pool
	control  *control.Server // nil when its socket cannot be bound
	sup      *supervisor.Supervisor
	first    *firstLook
	problem  atomic.Pointer[string] // the last error of the connection to the engine
	watch    *watch.Watch
	server   *web.Server
	instance string   // the ID of this process, which identifies its own answers
	saved    int      // workers in the journal at the start
	lock     *os.File // of the state directory; nil if it cannot be locked
}

// New builds all parts that do not require a working engine, including the listener, so that the address is known before Run. Its errors
// are mistakes in the configuration.
func New(opts Options) (*App, error) {
	a := &App{opts: opts}
	a.metrics = metrics.New(metrics.Options{View: a.viewForDisplay, Version: opts.Version, Commit: opts.Commit})
	a.log = newLogSink(opts.Log, func() { a.metrics.Dropped("log", 1) })
	var err error
	if a.notify, err = NewNotifier(opts, a.metrics, a.hostName); err != nil {
		return nil, err
	}
	if a.engine, err = docker.New(a.dockerOptions()); err != nil {
		return nil, fmt.Errorf("prepare the connection to the engine: %w", err)
	}
	if a.lock, err = lockStateDir(opts.Config.StateDir, opts.Config.Rules.Scope); err != nil {
		return nil, err
	}
	a.sources = queue.New(queue.Options{})
	a.openJournal()
	a.trend = trend.New()
	a.history = history.New(history.Options{Store: a.journal})
	set := a.settings()
	a.saved = len(set.Saved)
	all := a.prepareServices(sinks{a.log, a.metrics, a.history, a.notify})
	a.sup = supervisor.New(fleet.New(time.Now(), set), metered{a.engine, a.sources, NewProber(a.engine), a.metrics}, a.journal, all)
	a.sup.Closing = supervisor.Closing{Heals: healBudget, Actions: actionBudget}
	a.first = newFirstLook(opts.Config.Rules.Selector, docker.SelfID(), a.engine, a.sup.View, a.log)
	a.watch = watch.New(a.engine, watch.Options{
		Resync: opts.Config.Resync, Bookmark: set.Bookmark, Keep: set.Keep, OnError: a.linkError, OnHidden: a.hidden,
		Workers: a.workers,
	})
	a.preparePeers()
	a.server, err = web.Listen(web.Options{
		Instance: a.instance, Hosts: a.freshHosts(), Listen: opts.Config.Listen, StateDir: opts.Config.StateDir, Scope: opts.Config.Rules.Scope, View: a.View, Display: a.viewForDisplay, LastTick: a.sup.LastTick, Lacking: a.engine.Lacking,
		Version: opts.Version, Commit: opts.Commit, History: a.history, Metrics: a.metrics.Handler(),
		Page: page.New(page.Options{View: a.viewForDisplay, Hosts: a.knownHosts(), Trend: a.trend.Of, Events: a.history.After, Evidence: a.history.Evidence, Version: opts.Version, Now: time.Now}),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve status: %w", err), a.abandon())
	}
	if a.control, err = control.Listen(context.Background(), control.Socket(opts.Config.StateDir, opts.Config.Rules.Scope), &operator{sup: a.sup, stateDir: opts.Config.StateDir}); err != nil {
		a.log.message(logrus.WarnLevel, "no socket for stoker pause, resume and wake", err.Error())
	}
	if problem := a.server.SocketProblem; problem != nil {
		a.log.message(logrus.WarnLevel, "no socket for stoker healthcheck", problem.Error())
	}
	return a, nil
}

func (a *App) dockerOptions() docker.Options {
	d := a.opts.Config.Docker
	return docker.Options{
		Host: d.Host, TLSVerify: d.TLSVerify, CertPath: d.CertPath, APIVersion: d.APIVersion,
		UserAgent: "stoker/" + a.opts.Version, HostName: a.opts.Config.Host, Self: docker.SelfID(), OnDenied: a.denied,
	}
}

// workers returns the number of workers whose state could be lost. Before the first list, those of the journal are not in the view.
func (a *App) workers() int {
	if v := a.sup.View(); !v.Engine.Synced.IsZero() {
		return len(v.Workers)
	}
	return a.saved
}

// hidden reports an engine that came back without its containers. No other program may detect that.
func (a *App) hidden(before, now string) {
	a.log.message(logrus.ErrorLevel, "the engine came back with another image store: its earlier containers are not visible, and Stoker keeps their state",
		fmt.Sprintf("%s was %s, the state of %d workers is kept; start the engine with the old store again, or recreate the workers", now, before,
			a.workers()))
}

// denied reports a call that something before the engine refuses.
func (a *App) denied(text string, necessary bool) {
	if necessary {
		a.log.message(logrus.ErrorLevel, "a call that Stoker needs is refused", text)
		return
	}
	a.log.message(logrus.WarnLevel, "a call is refused", text)
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

func (a *App) openJournal() {
	j, report := journal.Open(a.opts.Config.StateDir, journal.Options{
		OnProblem:   func(problem string) { a.log.message(logrus.WarnLevel, problem, "") },
		OnRecovered: func() { a.log.message(logrus.InfoLevel, "the state directory works again", "") },
	})
	if report.Problem != "" {
		a.log.message(logrus.WarnLevel, report.Problem, "")
	}
	a.journal = j
}

func (a *App) settings() fleet.Settings {
	memories, mark := a.journal.Load()
	c := a.opts.Config
	set := fleet.Settings{
		Rules: c.Rules, Parallel: c.Parallel, DryRun: c.DryRun, Self: docker.SelfID(), Owner: owner(c.Rules.Scope), Bookmark: mark,
		OverloadShare: c.OverloadShare, OverloadHold: c.OverloadHold,
		CPUBudget: c.CPUBudget, Zone: time.Local,
	}
	pauses, err := control.LoadPauses(c.StateDir, time.Now())
	if err != nil {
		a.log.message(logrus.WarnLevel, "pauses are lost", err.Error())
	}
	set.Pauses = pauses
	for _, mem := range memories {
		set.Saved = append(set.Saved, mem)
	}
	slices.SortFunc(set.Saved, func(x, y worker.Saved) int { return cmp.Compare(x.Key, y.Key) })
	return set
}

// linkError reports the first of a series of connection errors.
func (a *App) linkError(err error) {
	problem := docker.Explain(err)
	a.problem.Store(&problem)
	a.log.message(logrus.ErrorLevel, "cannot follow the engine, trying again until it answers", problem)
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
	if problem := a.problem.Load(); problem != nil && !v.Engine.Connected {
		v.Engine.Problem = *problem
	}
	return a.withServices(a.first.within(v))
}

// viewForDisplay is View for the page, the API and the metrics: while they are read, the workers' resource usage is read, too.
func (a *App) viewForDisplay() fleet.View {
	if a.opts.Config.Stats == config.StatsOff {
		return a.View()
	}
	return a.complete(a.sup.ViewForDisplay())
}

// Addr returns the address of the status server; empty if there is none.
func (a *App) Addr() string { return a.server.Addr() }

// Run works until ctx ends, then shuts down within shutdownBudget: no new observations, restarts that have begun are finished, the journal
// is on disk, the server is shut down, the log is written. Parts that do not end in time end with the process.
func (a *App) Run(ctx context.Context) error {
	closing, closed := within(ctx, shutdownBudget)
	defer closed()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	logging, stopLogging := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLogging()
	var logged, served, watching sync.WaitGroup
	logged.Go(func() { a.log.run(logging) })
	served.Go(func() { a.serve(serving) })
	served.Go(func() { a.notify.Run(serving) })
	served.Go(func() { a.serveControl(serving) })
	served.Go(func() { a.ping(serving) })
	served.Go(func() { a.runPeers(serving) })
	served.Go(func() { a.trend.Run(serving, a.sup.View) })

	seen := make(chan worker.Observation)
	watched, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watching.Go(func() { a.follow(watched, seen) })
	watching.Go(func() { a.runServices(watched) })

	a.sup.Run(ctx, seen)
	err := a.closeJournal(closing)
	stopServing()
	_ = a.sources.Close(closing) // open connections end with the process
	wait(closing, &watching)
	wait(closing, &served)
	a.log.message(logrus.InfoLevel, "stoker ends", "")
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
	if err := a.watch.Run(ctx, watched); err != nil && ctx.Err() == nil {
		a.log.message(logrus.ErrorLevel, "the watch ended", err.Error())
	}
}

func (a *App) serve(ctx context.Context) {
	if err := a.server.Serve(ctx); err != nil {
		a.log.message(logrus.ErrorLevel, "the status server ended; healing goes on", err.Error())
	}
}

func (a *App) serveControl(ctx context.Context) {
	if a.control == nil {
		return
	}
	if err := a.control.Serve(ctx); err != nil {
		a.log.message(logrus.ErrorLevel, "stoker pause, resume and wake do not work any more; healing goes on", err.Error())
	}
}

// abandon closes what New has opened.
func (a *App) abandon() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownBudget)
	defer cancel()
	return a.closeJournal(ctx)
}

func (a *App) closeJournal(ctx context.Context) error {
	if a.lock != nil {
		defer unlockStateDir(a.lock)
	}
	if err := a.journal.Close(ctx); err != nil {
		return fmt.Errorf("close the journal: %w", err)
	}
	return nil
}
