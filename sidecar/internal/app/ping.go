package app

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/report/ping"
	"stoker/sidecar/internal/report/web"
)

// ping fetches STOKER_PING while Stoker is healthy. A failure is logged once, until it is over.
func (a *App) ping(ctx context.Context) {
	failing := false
	ping.Run(ctx, ping.Options{
		URL: a.opts.Config.Ping.URL, Every: a.opts.Config.Ping.Every, Agent: "stoker/" + a.opts.Version, Healthy: a.healthy,
		OnResult: func(err error) {
			a.reports.metrics.Pinged(err)
			switch {
			case err != nil && !failing:
				a.reports.log.message(logrus.WarnLevel, "STOKER_PING cannot be fetched, trying again", err.Error())
			case err == nil && failing:
				a.reports.log.message(logrus.InfoLevel, "STOKER_PING can be fetched again", "")
			}
			failing = err != nil
		},
	})
}

// healthy reports whether Stoker is connected to the engine and its loop turns.
func (a *App) healthy() bool {
	return a.sup.View().Engine.Connected && time.Since(a.sup.LastTick()) < web.StuckAfter
}
