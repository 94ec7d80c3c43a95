package app

import (
	"errors"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/crew"
)

// restore finds out where to go on. No trouble with the state directory keeps a worker from working: it is told once, and
// the worker goes on without a checkpoint, or from the beginning. Nothing that is there is deleted.
func (w *Worker) restore() (*checkpoint.Store, *crew.Ledger) {
	if w.set.State == "" {
		w.log.Printf("no state directory: a restart begins anew")
		return nil, w.begin()
	}
	store, err := checkpoint.Open(w.set.State)
	if err != nil {
		w.log.Printf("going on without a checkpoint, a restart begins anew: %v", err)
		return nil, w.begin()
	}
	ledger, err := w.load(store)
	if err != nil {
		w.log.Printf("going on without a checkpoint, a restart begins anew: %v", err)
		store.Close()
		return nil, w.begin()
	}
	return store, ledger
}

func (w *Worker) begin() *crew.Ledger {
	ledger, err := crew.NewLedger(w.set.Task.Chunks(), checkpoint.State{Task: w.set.Task.ID(), Round: 1})
	if err != nil {
		panic(err) // a state with no chunk in it fits every task
	}
	return ledger
}

func (w *Worker) load(store *checkpoint.Store) (*crew.Ledger, error) {
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
	ledger, err := crew.NewLedger(w.set.Task.Chunks(), *state)
	if err != nil {
		return w.setAside(store, "damaged", err.Error())
	}
	w.log.Printf("going on in round %d with %d of %d chunks done", state.Round, state.Done(), w.set.Task.Chunks())
	return ledger, nil
}

func (w *Worker) setAside(store *checkpoint.Store, suffix, why string) (*crew.Ledger, error) {
	path, err := store.SetAside(suffix)
	if err != nil {
		return nil, err
	}
	w.log.Printf("%s: kept as %s, beginning anew", why, path)
	return w.begin(), nil
}
