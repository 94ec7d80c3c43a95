package command

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"stoker/sidecar/internal/config"
)

func newRun(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Heal the workers until stopped (the default)",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return env.run(cmd.Context()) },
	}
}

func (e Env) run(ctx context.Context) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	log := newLogger(e.Stderr, c)
	log.WithFields(logrus.Fields{"version": e.Build.Version, "commit": e.Build.Commit}).Info("stoker starts")
	log.WithField("settings", strings.Join(c.Summary(), "; ")).Info("configured")
	err = e.Run(ctx, c, log, e.Build)
	var end *ending
	switch {
	case err == nil:
		return nil
	case errors.As(err, &end):
		return err
	}
	return failed(err)
}

// timeFormat has milliseconds, because a heal takes a few hundred, and the zone, because containers and people differ in it.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// newLogger returns the log of the program. Both formats quote what does not print.
func newLogger(w io.Writer, c config.Config) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(w)
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: timeFormat, DisableColors: true})
	if c.Log.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: timeFormat})
	}
	if level, err := logrus.ParseLevel(c.Log.Level); err == nil { // config lets only known ones through
		log.SetLevel(level)
	}
	return log
}
