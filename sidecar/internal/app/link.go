package app

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/engine/watch"
)

// link is the connection to the engine: requests in one direction, observations in the other. It logs what is wrong with it.
type link struct {
	engine  *docker.Client
	watch   *watch.Watch
	log     *logSink
	problem atomic.Pointer[string] // the last error of the connection
}

// newLink returns a link without a watch, which needs what the other parts know.
func newLink(opts Options, log *logSink) (*link, error) {
	l := &link{log: log}
	d := opts.Config.Docker
	var err error
	l.engine, err = docker.New(docker.Options{
		Host: d.Host, TLSVerify: d.TLSVerify, CertPath: d.CertPath, APIVersion: d.APIVersion,
		UserAgent: "stoker/" + opts.Version, HostName: opts.Config.Cluster.Host, Self: docker.SelfID(), OnDenied: l.denied,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the engine: %w", err)
	}
	return l, nil
}

// watchWith prepares the watch. Its reports go to the log.
func (l *link) watchWith(opts watch.Options) {
	opts.OnError = l.failed
	opts.OnHidden = func(before, now string) { l.hidden(before, now, opts.Workers()) }
	l.watch = watch.New(l.engine, opts)
}

// follow passes on the observations until ctx ends.
func (l *link) follow(ctx context.Context, to chan<- worker.Observation) {
	if err := l.watch.Run(ctx, to); err != nil && ctx.Err() == nil {
		l.log.message(logrus.ErrorLevel, "the watch ended", err.Error())
	}
}

// within adds the last error of the connection to a view.
func (l *link) within(v fleet.View) fleet.View {
	if problem := l.problem.Load(); problem != nil && !v.Engine.Connected {
		v.Engine.Problem = *problem
	}
	return v
}

// failed reports the first of a series of connection errors.
func (l *link) failed(err error) {
	problem := docker.Explain(err)
	l.problem.Store(&problem)
	l.log.message(logrus.ErrorLevel, "cannot follow the engine, trying again until it answers", problem)
}

// hidden reports an engine that came back without its containers. No other program may detect that.
func (l *link) hidden(before, now string, workers int) {
	l.log.message(logrus.ErrorLevel, "the engine came back with another image store: its earlier containers are not visible, and Stoker keeps their state",
		fmt.Sprintf("%s was %s, the state of %d workers is kept; start the engine with the old store again, or recreate the workers", now, before,
			workers))
}

// denied reports a call that something before the engine refuses.
func (l *link) denied(text string, necessary bool) {
	if necessary {
		l.log.message(logrus.ErrorLevel, "a call that Stoker needs is refused", text)
		return
	}
	l.log.message(logrus.WarnLevel, "a call is refused", text)
}
