package app

import (
	"context"
	"os"
	"syscall"

	"stoker/workerimage/internal/fault"
)

// Signals is what a worker handles: SIGTERM and SIGINT stop it, SIGUSR1 injects the fault in WORKER_SIGNAL_FAULT, and
// SIGUSR2 ends that.
func Signals() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2}
}

func (w *Worker) handleSignals(ctx context.Context, stop context.CancelFunc, signals <-chan os.Signal, orders chan<- []fault.Fault) {
	for {
		select {
		case <-ctx.Done():
			return
		case signal := <-signals:
			w.handleSignal(ctx, stop, signal, orders)
		}
	}
}

func (w *Worker) handleSignal(ctx context.Context, stop context.CancelFunc, signal os.Signal, orders chan<- []fault.Fault) {
	switch signal {
	case syscall.SIGUSR1:
		send(ctx, orders, w.set.Faults.Signal)
	case syscall.SIGUSR2:
		send(ctx, orders, []fault.Fault{{Kind: fault.Recover}})
	default:
		if w.injector.IgnoresTerm() {
			w.log.Printf("%s ignored, as the fault %s wants it", signal, fault.IgnoreTerm)
			return
		}
		w.log.Printf("%s: stopping", signal)
		stop()
	}
}

func send(ctx context.Context, orders chan<- []fault.Fault, faults []fault.Fault) {
	select {
	case <-ctx.Done():
	case orders <- faults:
	}
}
