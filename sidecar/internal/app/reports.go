package app

import (
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/metrics"
	"stoker/sidecar/internal/report/notify"
	"stoker/sidecar/internal/report/trend"
)

// reports are what Stoker tells about its work. None of them delays a heal.
type reports struct {
	log     *logSink
	metrics *metrics.Metrics
	notify  *notify.Notifier
	history *history.Log // kept in the state directory, which is opened later
	trend   *trend.Trend
}

// newReports returns the reports but the history. Its errors are mistakes in the notification URLs.
func newReports(opts Options, view func() fleet.View, host func() string) (reports, error) {
	r := reports{trend: trend.New()}
	r.metrics = metrics.New(metrics.Options{View: view, Version: opts.Version, Commit: opts.Commit})
	r.log = newLogSink(opts.Log, func() { r.metrics.Dropped("log", 1) })
	var err error
	r.notify, err = NewNotifier(opts, r.metrics, host)
	return r, err
}

// sinks returns the reports that take events.
func (r reports) sinks() sinks { return sinks{r.log, r.metrics, r.history, r.notify} }
