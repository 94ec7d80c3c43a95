package app

import (
	"bytes"
	"context"
	"errors"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/fault"
	"stoker/workerimage/internal/pool"
	"stoker/workerimage/internal/settings"
	"stoker/workerimage/internal/task"
)

func TestTheSaverLogsTroubleOnceAndItsEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	store, err := checkpoint.Open(dir)
	require.NoError(t, err)
	ledger, err := pool.NewLedger(100, checkpoint.State{Round: 1})
	require.NoError(t, err)
	var out bytes.Buffer
	saver := newSaver(store, ledger, log.New(&out, "", 0))
	work := func() {
		chunk, more := ledger.Take()
		require.True(t, more)
		ledger.Enter(chunk, task.Partial{Items: 1})
	}

	work()
	require.NoError(t, saver.save())
	require.NoError(t, os.Rename(dir, dir+".away"))
	for range 3 {
		work()
		require.Error(t, saver.save())
	}
	require.Equal(t, 1, lines(&out))
	require.NoError(t, os.Rename(dir+".away", dir))
	require.NoError(t, saver.save())
	require.Equal(t, 2, lines(&out))
	state, err := store.Load()
	require.NoError(t, err)
	require.Equal(t, uint64(4), state.Done())
}

func TestTheSaverWritesOnceMoreAtTheEnd(t *testing.T) {
	store, err := checkpoint.Open(t.TempDir())
	require.NoError(t, err)
	ledger, err := pool.NewLedger(10, checkpoint.State{Round: 1})
	require.NoError(t, err)
	ledger.Enter(0, task.Partial{Items: 1})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, newSaver(store, ledger, quiet()).serve(ctx, time.Hour))
	state, err := store.Load()
	require.NoError(t, err)
	require.Equal(t, uint64(1), state.Done())
}

func TestHowTheLastSaveDecidesTheExitCode(t *testing.T) {
	tests := map[string]struct {
		saved chan error
		code  int
		takes time.Duration
	}{
		"written":                  {saved: result(nil), code: ExitDone},
		"failed":                   {saved: result(errors.New("disk full")), code: ExitUnsaved},
		"the disk does not answer": {saved: make(chan error), code: ExitUnsaved, takes: lastSave},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			worker := newWorker(t)
			if tt.takes == 0 {
				require.Equal(t, tt.code, worker.finish(nil, tt.saved))
				return
			}
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				require.Equal(t, tt.code, worker.finish(nil, make(chan error)))
				require.Equal(t, tt.takes, time.Since(start))
				require.Less(t, time.Since(start), 10*time.Second, "Docker's own patience")
			})
		})
	}
}

func TestSignals(t *testing.T) {
	worker := newWorker(t)
	worker.set.Faults.Signal = []fault.Fault{{Kind: fault.Spin}}
	orders := make(chan []fault.Fault, 1)
	stopped := false
	answer := func(signal syscall.Signal) {
		worker.handleSignal(t.Context(), func() { stopped = true }, signal, orders)
	}

	answer(syscall.SIGUSR1)
	require.Equal(t, []fault.Fault{{Kind: fault.Spin}}, <-orders)
	answer(syscall.SIGUSR2)
	require.Equal(t, []fault.Fault{{Kind: fault.Recover}}, <-orders)
	require.False(t, stopped)

	worker.injector.Inject(t.Context(), fault.Fault{Kind: fault.IgnoreTerm})
	answer(syscall.SIGTERM)
	require.False(t, stopped)
	worker.injector.Inject(t.Context(), fault.Fault{Kind: fault.Recover})
	answer(syscall.SIGTERM)
	require.True(t, stopped)
}

func newWorker(t *testing.T) *Worker {
	t.Helper()
	set, err := settings.Read(func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	worker := New(set, quiet())
	worker.ledger = worker.begin()
	return worker
}

func result(err error) chan error {
	saved := make(chan error, 1)
	saved <- err
	return saved
}

func quiet() *log.Logger { return log.New(new(bytes.Buffer), "", 0) }

func lines(b *bytes.Buffer) int { return strings.Count(b.String(), "\n") }
