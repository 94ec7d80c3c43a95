package app

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// All parts together have one budget, even if one of them never ends.
func TestShutdownBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		closing, closed := within(ctx, shutdownBudget)
		defer closed()
		time.Sleep(time.Hour)
		require.NoError(t, closing.Err())
		cancel()
		began := time.Now()
		time.Sleep(healBudget + actionBudget)
		require.NoError(t, closing.Err(), "the journal still has time")
		var stuck sync.WaitGroup
		release := make(chan struct{})
		stuck.Go(func() { <-release })
		for range 3 {
			wait(closing, &stuck)
		}
		require.Equal(t, shutdownBudget, time.Since(began))
		close(release)
		synctest.Wait()
	})
}

// Docker's stop timeout is longer than the budget: the default of 10 s, and the compose files' setting.
func TestGraceOfTheComposeFiles(t *testing.T) {
	require.LessOrEqual(t, shutdownBudget+time.Second, 10*time.Second)
	files, err := filepath.Glob("../../../compose/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	grace := regexp.MustCompile(`(?m)^\s+stop_grace_period:\s*(\S+)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range grace.FindAllSubmatch(text, -1) {
			d, err := time.ParseDuration(string(found[1]))
			require.NoError(t, err)
			require.LessOrEqual(t, shutdownBudget+time.Second, d, file)
		}
	}
}
