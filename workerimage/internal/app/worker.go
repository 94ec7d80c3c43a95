// Package app assembles the worker, runs it and shuts it down.
package app

import (
	"context"
	"log"
	"os"
	"runtime"
	"sync"
	"time"

	"stoker/workerimage/internal/cgroup"
	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/fault"
	"stoker/workerimage/internal/heartbeat"
	"stoker/workerimage/internal/pool"
	"stoker/workerimage/internal/settings"
)

// Exit codes of a worker. Faults have their own.
const (
	ExitDone    = 0 // all rounds done, or stopped by a signal and the checkpoint written
	ExitUnsaved = 1 // stopped by a signal, and the last checkpoint could not be written
)

// lastSave bounds the last save: with a dead disk a worker must still end within Docker's 10 s.
const lastSave = 7 * time.Second

// Worker is one worker process.
type Worker struct {
	set       settings.Settings
	log       *log.Logger
	pool      *pool.Pool
	ledger    *pool.Ledger
	heartbeat *heartbeat.Heartbeat
	injector  *fault.Injector
	gate      *fault.Gate
}

// New returns a worker that has not started.
func New(set settings.Settings, logger *log.Logger) *Worker {
	w := &Worker{set: set, log: logger}
	w.heartbeat = heartbeat.New(set.Heartbeat.Path, func(err error) {
		logger.Printf("heartbeat cannot be written, the health check will fail: %v", err)
	})
	w.gate = fault.NewGate()
	w.injector = fault.NewInjector(fault.Process{
		Exit:      os.Exit,
		Crash:     fault.CrashProcess,
		Memory:    func() (uint64, bool) { return cgroup.Memory(os.DirFS("/")) },
		Log:       logger.Printf,
		Heartbeat: w.heartbeat,
		Gate:      w.gate,
	})
	w.pool = &pool.Pool{Task: set.Task, Heartbeat: w.heartbeat, Gate: w.gate}
	return w
}

// Run works until all rounds are done or a signal asks for a stop, and returns the exit code. With a queue it works on tasks from there, and
// only a signal ends it.
func (w *Worker) Run(signals <-chan os.Signal) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	w.logStart()
	if w.set.Queue != nil {
		return w.consume(ctx, stop, signals)
	}
	store, ledger := w.restore()
	w.ledger = ledger
	var helpers sync.WaitGroup
	w.serve(ctx, stop, signals, &helpers)
	w.heartbeat.Start() // it shows that the worker's first faults are injected
	helpers.Go(func() { w.logProgress(ctx) })
	books := newSaver(store, ledger, w.log)
	saved := make(chan error, 1)
	go func() { saved <- books.serve(ctx, w.set.Checkpoint.Every) }()

	w.rounds(ctx)
	stop()
	helpers.Wait()
	return w.finish(store, saved)
}

// consume works on the tasks of a queue. The current task is returned at the end, so there is no checkpoint to write.
func (w *Worker) consume(ctx context.Context, stop context.CancelFunc, signals <-chan os.Signal) int {
	c := newConsumer(w)
	var helpers sync.WaitGroup
	w.serve(ctx, stop, signals, &helpers)
	w.heartbeat.Start()
	helpers.Go(func() { c.logProgress(ctx) })
	c.run(ctx)
	stop()
	helpers.Wait()
	return ExitDone
}

// serve starts the goroutines that inject faults and handle signals until ctx ends.
func (w *Worker) serve(ctx context.Context, stop context.CancelFunc, signals <-chan os.Signal, helpers *sync.WaitGroup) {
	orders := make(chan []fault.Fault)
	scheduler := fault.NewScheduler(w.injector, w.set.Faults.File, orders)
	scheduler.Begin(ctx, w.set.Faults.Begin)
	helpers.Go(func() { scheduler.Serve(ctx) })
	w.serveHealth(ctx, helpers)
	helpers.Go(func() { w.handleSignals(ctx, stop, signals, orders) })
}

func (w *Worker) rounds(ctx context.Context) {
	for ctx.Err() == nil && !w.allDone() {
		w.pool.Round(ctx, w.ledger, w.threads())
		if w.ledger.Complete() {
			w.logResult(w.ledger.CloseRound())
		}
	}
	if w.allDone() {
		w.log.Printf("all %d rounds are done; a worker with an empty state directory starts from the beginning", w.set.Rounds)
	}
}

func (w *Worker) allDone() bool {
	return w.set.Rounds > 0 && w.ledger.State().Round > w.set.Rounds
}

// threads is read for every round, because `docker update` may have changed the quota.
func (w *Worker) threads() int {
	if w.set.Threads > 0 {
		return w.set.Threads
	}
	return cgroup.Threads(os.DirFS("/"), runtime.GOMAXPROCS(0))
}

// finish waits for the last save, and gives up when the disk does not answer: the process ends anyway.
func (w *Worker) finish(store *checkpoint.Store, saved <-chan error) int {
	select {
	case err := <-saved:
		if err != nil {
			return ExitUnsaved
		}
	case <-time.After(lastSave):
		w.log.Printf("the checkpoint could not be written within %s: the work since the last one is lost", lastSave)
		return ExitUnsaved
	}
	if store != nil {
		if err := store.Close(); err != nil {
			w.log.Printf("state directory: %v", err)
		}
	}
	if w.allDone() {
		return ExitDone
	}
	state := w.ledger.State()
	w.log.Printf("stopped in round %d with %d of %d chunks done", state.Round, state.Done(), w.set.Task.Chunks())
	return ExitDone
}
