package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/journal"
)

// state is the state directory: what a restart of Stoker does not lose.
type state struct {
	dir     string
	log     *logSink
	lock    *os.File // nil if the directory cannot be locked
	journal *journal.Journal
	loaded  int // workers that load returned
}

// openState locks the directory and opens its journal. Its error is another Stoker that uses the directory.
func openState(c config.Config, log *logSink) (*state, error) {
	lock, err := lockStateDir(c.StateDir, c.Rules.Scope)
	if err != nil {
		return nil, err
	}
	j, report := journal.Open(c.StateDir, journal.Options{
		OnProblem:   func(problem string) { log.message(logrus.WarnLevel, problem, "") },
		OnRecovered: func() { log.message(logrus.InfoLevel, "the state directory works again", "") },
	})
	if report.Problem != "" {
		log.message(logrus.WarnLevel, report.Problem, "")
	}
	return &state{dir: c.StateDir, log: log, lock: lock, journal: j}, nil
}

// load returns the workers of the last run, by key, and how far the events were read.
func (s *state) load() ([]worker.Saved, worker.Bookmark) {
	memories, mark := s.journal.Load()
	var saved []worker.Saved
	for _, mem := range memories {
		saved = append(saved, mem)
	}
	slices.SortFunc(saved, func(x, y worker.Saved) int { return cmp.Compare(x.Key, y.Key) })
	s.loaded = len(saved)
	return saved, mark
}

// pauses returns the pauses of the last run that are not over.
func (s *state) pauses(now time.Time) []fleet.Pause {
	pauses, err := control.LoadPauses(s.dir, now)
	if err != nil {
		s.log.message(logrus.WarnLevel, "pauses are lost", err.Error())
	}
	return pauses
}

// close writes what is pending and releases the directory.
func (s *state) close(ctx context.Context) error {
	if s.lock != nil {
		defer unlockStateDir(s.lock)
	}
	if err := s.journal.Close(ctx); err != nil {
		return fmt.Errorf("close the journal: %w", err)
	}
	return nil
}
