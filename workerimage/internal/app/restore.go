package app

import (
	"errors"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/pool"
)

// restore determines where to continue. A problem with the state directory does not stop a worker: it is logged once, and the worker
// continues without a checkpoint, or from the beginning. Nothing is deleted.
func (w *Worker) restore() (*checkpoint.Store, *pool.Ledger) {
	if w.set.Checkpoint.Dir == "" {
		w.log.Printf("no state directory: a restart starts from the beginning")
		return nil, w.begin()
	}
	store, err := checkpoint.Open(w.set.Checkpoint.Dir)
	if err != nil {
		w.log.Printf("going on without a checkpoint, a restart starts from the beginning: %v", err)
		return nil, w.begin()
	}
	ledger, err := w.load(store)
	if err != nil {
		w.log.Printf("going on without a checkpoint, a restart starts from the beginning: %v", err)
		store.Close()
		return nil, w.begin()
	}
	return store, ledger
}

func (w *Worker) begin() *pool.Ledger {
	ledger, err := pool.NewLedger(w.set.Task.Chunks(), checkpoint.State{Task: w.set.Task.ID(), Round: 1})
	if err != nil {
		panic(err) // a state without chunks is valid for every task
	}
	return ledger
}

func (w *Worker) load(store *checkpoint.Store) (*pool.Ledger, error) {
	state, err := store.Load()
	var damaged *checkpoint.Damaged
	switch {
	case errors.As(err, &damaged):
		return w.setAside(store, "damaged", damaged.Error())
	case err != nil:
		return nil, err
	case state == nil:
		return w.begin(), nil
	case state.Task != w.set.Task.ID():
		return w.setAside(store, "other", "the checkpoint is of another task, "+state.Task)
	}
	ledger, err := pool.NewLedger(w.set.Task.Chunks(), *state)
	if err != nil {
		return w.setAside(store, "damaged", err.Error())
	}
	w.log.Printf("going on in round %d with %d of %d chunks done", state.Round, state.Done(), w.set.Task.Chunks())
	return ledger, nil
}

func (w *Worker) setAside(store *checkpoint.Store, suffix, why string) (*pool.Ledger, error) {
	path, err := store.SetAside(suffix)
	if err != nil {
		return nil, err
	}
	w.log.Printf("%s: kept as %s, starting from the beginning", why, path)
	return w.begin(), nil
}
