package app

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/report/page"
	"stoker/sidecar/internal/report/web"
)

// server is what answers others: the status server for questions, the control socket for an operator's requests.
type server struct {
	status  *web.Server
	control *control.Server // nil when its socket cannot be bound
}

// listen binds the addresses. Healing goes on without the sockets; its error is that of STOKER_LISTEN.
func (a *App) listen() (server, error) {
	var s server
	var err error
	c, r := a.opts.Config, a.reports
	s.status, err = web.Listen(web.Options{
		Address:  web.Address{Listen: c.Listen, StateDir: c.StateDir, Scope: c.Rules.Scope},
		Identity: web.Identity{Version: a.opts.Version, Commit: a.opts.Commit, Instance: a.others.instance},
		Fleet:    web.Fleet{View: a.View, Display: a.viewForDisplay, LastTick: a.sup.LastTick, Lacking: a.link.engine.Lacking},
		History:  r.history, Hosts: a.others.fresh(), Metrics: r.metrics.Handler(),
		Page: page.New(page.Options{
			View: a.viewForDisplay, Hosts: a.others.known(), Trend: r.trend.Of, Events: r.history.After, Evidence: r.history.Evidence,
			Version: a.opts.Version, Now: time.Now,
		}),
	})
	if err != nil {
		return server{}, err
	}
	socket := control.Socket(c.StateDir, c.Rules.Scope)
	if s.control, err = control.Listen(context.Background(), socket, &operator{sup: a.sup, stateDir: c.StateDir}); err != nil {
		r.log.message(logrus.WarnLevel, "no socket for stoker pause, resume and wake", err.Error())
	}
	if problem := s.status.SocketProblem; problem != nil {
		r.log.message(logrus.WarnLevel, "no socket for stoker healthcheck", problem.Error())
	}
	return s, nil
}

func (s server) serveStatus(ctx context.Context, log *logSink) {
	if err := s.status.Serve(ctx); err != nil {
		log.message(logrus.ErrorLevel, "the status server ended; healing goes on", err.Error())
	}
}

func (s server) serveControl(ctx context.Context, log *logSink) {
	if s.control == nil {
		return
	}
	if err := s.control.Serve(ctx); err != nil {
		log.message(logrus.ErrorLevel, "stoker pause, resume and wake do not work any more; healing goes on", err.Error())
	}
}
