package app

import (
	"context"
	"log"
	"time"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/pool"
)

// saver writes the checkpoint at intervals. It has its own goroutine, so that a slow disk does not stop the work.
type saver struct {
	store   *checkpoint.Store // nil saves nothing
	ledger  *pool.Ledger
	log     *log.Logger
	failing bool
	round   uint64 // the round in the file, if this process wrote it
	done    uint64
}

func newSaver(store *checkpoint.Store, ledger *pool.Ledger, logger *log.Logger) *saver {
	return &saver{store: store, ledger: ledger, log: logger}
}

// serve saves at intervals until ctx ends, then once more, and returns the error of the last time.
func (s *saver) serve(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.save()
		case <-tick.C:
			_ = s.save() // logged, and repeated at the next tick
		}
	}
}

// save logs the first failure in a row, and the recovery.
func (s *saver) save() error {
	if s.store == nil {
		return nil
	}
	state := s.ledger.State()
	if state.Round == s.round && state.Done() == s.done {
		return nil
	}
	err := s.store.Save(state)
	if err != nil {
		if !s.failing {
			s.log.Printf("checkpoint cannot be written, still trying: %v", err)
		}
		s.failing = true
		return err
	}
	if s.failing {
		s.log.Printf("checkpoint written again")
	}
	s.failing, s.round, s.done = false, state.Round, state.Done()
	return nil
}
