package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/checkpoint"
)

// A worker that is killed repeatedly gets the same result from the same number of chunks as one that is not.
func TestKillsNeitherLoseNorDoubleAChunk(t *testing.T) {
	work := map[string]string{"WORKER_THREADS": "4", "WORKER_RANGE": "6000000", "WORKER_CHUNK": "2000", "WORKER_ROUNDS": "1"}
	peace := newSite(t, work)
	require.Equal(t, 0, peace.start(t).end().ExitStatus())
	want := peace.state(t)
	require.Equal(t, uint64(3000), want.Last.Chunks)
	require.NotZero(t, want.Last.Sum.Hits)

	war := newSite(t, work)
	kills := 0
	for ; kills < 20; kills++ {
		p := war.start(t)
		if !killedAtWork(t, war, p, time.Duration(kills*7%20)*time.Millisecond) {
			break
		}
	}
	require.Greater(t, kills, 5)
	require.Equal(t, 0, war.start(t).end().ExitStatus())
	require.Equal(t, want, war.state(t))
}

// killedAtWork kills the worker some time after a new save. It reports false if the worker ended first.
func killedAtWork(t *testing.T, s *site, p *process, later time.Duration) bool {
	t.Helper()
	before := s.state(t)
	until(t, func() bool {
		now := s.state(t)
		return p.ended() || (now != nil && (before == nil || now.Round != before.Round || now.Done() != before.Done()))
	})
	time.Sleep(later)
	p.signal(syscall.SIGKILL)
	return p.end().Signaled()
}

func TestStopsOnSIGTERMAndGoesOn(t *testing.T) {
	t.Parallel()
	site := newSite(t, nil)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := site.start(t)
		site.working(t)
		before := site.state(t).Done()
		p.signal(signal)
		status := p.end()
		require.True(t, status.Exited())
		require.Equal(t, 0, status.ExitStatus(), p.out.String())
		require.GreaterOrEqual(t, site.state(t).Done(), before)
	}
}

func TestHowFaultsEndTheProcess(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"crash":      "signal 11",
		"crash@50ms": "signal 11",
		"exit:7":     "exit 7",
		"exit:0":     "exit 0",
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			p := newSite(t, map[string]string{"WORKER_FAULT": spec}).start(t, "worker")
			require.Equal(t, want, ending(p.end()), p.out.String())
		})
	}
}

func TestFaultByFile(t *testing.T) {
	t.Parallel()
	site := newSite(t, nil)
	p := site.start(t)
	site.working(t)
	_, code := site.run(t, "fault", "explode")
	require.Equal(t, exitUsage, code)
	_, code = site.run(t, "fault", "exit:9")
	require.Equal(t, 0, code)
	require.Equal(t, "exit 9", ending(p.end()))
	require.NoFileExists(t, site.env["WORKER_FAULT_FILE"])
	_, err := os.Stat(site.env["WORKER_STATE"])
	require.NoError(t, err)
}

// hang and spin differ only in the CPU time that they use.
func TestHangAndSpin(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"hang", "spin"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, map[string]string{"WORKER_SIGNAL_FAULT": kind, "WORKER_HEALTH_MAX_AGE": "2s"})
			p := site.start(t)
			site.working(t)
			require.True(t, site.healthy(t))

			p.signal(syscall.SIGUSR1)
			until(t, func() bool { return site.silent(t, 2*time.Second) })
			require.False(t, site.healthy(t))
			stuck, used := site.state(t).Done(), p.cpu()
			if kind == "spin" {
				until(t, func() bool { return p.cpu()-used > 20 })
			} else {
				until(t, func() bool { return site.silent(t, 2500*time.Millisecond) })
				require.Less(t, p.cpu()-used, 10, "hundredths of a second, of about 50")
			}
			require.Equal(t, stuck, site.state(t).Done())

			p.signal(syscall.SIGUSR2)
			site.working(t)
			until(t, func() bool { return site.healthy(t) })
			p.signal(syscall.SIGUSR1)
			p.signal(syscall.SIGTERM)
			require.Equal(t, "exit 0", ending(p.end()))
		})
	}
}

func TestUnhealthyWorksOn(t *testing.T) {
	t.Parallel()
	site := newSite(t, map[string]string{"WORKER_FAULT": "unhealthy", "WORKER_HEALTH_MAX_AGE": "2s"})
	site.start(t)
	until(t, func() bool { return site.silent(t, 2*time.Second) })
	site.working(t)
	require.False(t, site.healthy(t))
	_, code := site.run(t, "fault", "recover")
	require.Equal(t, 0, code)
	until(t, func() bool { return site.healthy(t) })
}

func TestIgnoresTerm(t *testing.T) {
	t.Parallel()
	site := newSite(t, map[string]string{"WORKER_FAULT": "ignore-term"})
	p := site.start(t)
	until(t, func() bool { return strings.Contains(p.out.String(), "fault: ignore-term") })
	p.signal(syscall.SIGTERM)
	until(t, func() bool { return strings.Contains(p.out.String(), "ignored") })
	site.working(t)
	p.signal(syscall.SIGKILL)
	require.Equal(t, "signal 9", ending(p.end()))
}

func TestADamagedCheckpointIsKeptAside(t *testing.T) {
	t.Parallel()
	site := newSite(t, nil)
	file := filepath.Join(site.env["WORKER_STATE"], "checkpoint.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte("no checkpoint"), 0o600))
	site.start(t)
	until(t, func() bool { _, err := os.Stat(file + ".damaged"); return err == nil })
	kept, err := os.ReadFile(file + ".damaged")
	require.NoError(t, err)
	require.Equal(t, "no checkpoint", string(kept))
	site.working(t)
}

func TestWithoutAStateDirectoryTheWorkGoesOn(t *testing.T) {
	t.Parallel()
	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	for name, dir := range map[string]string{"not writable": filepath.Join(blocked, "state"), "off": "off"} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t, map[string]string{"WORKER_STATE": dir, "WORKER_RANGE": "100000", "WORKER_ROUNDS": "3"})
			p := site.start(t)
			require.Equal(t, "exit 0", ending(p.end()), p.out.String())
			require.Equal(t, 3, strings.Count(p.out.String(), " done: "))
		})
	}
}

func TestTwoWorkersInOneDirectory(t *testing.T) {
	t.Parallel()
	site := newSite(t, nil)
	site.start(t)
	site.working(t)
	other := newSite(t, map[string]string{"WORKER_STATE": site.env["WORKER_STATE"], "WORKER_RANGE": "100000", "WORKER_ROUNDS": "1"})
	p := other.start(t)
	require.Equal(t, "exit 0", ending(p.end()))
	require.Equal(t, 1, strings.Count(p.out.String(), checkpoint.ErrInUse.Error()))
	site.working(t)
}

// Outside a container the first process is no worker, and gets no signal.
func TestSignalToNoWorker(t *testing.T) {
	t.Parallel()
	text, code := newSite(t, nil).run(t, "signal", "NOPE")
	require.Equal(t, exitUsage, code)
	require.Contains(t, text, "is no signal")
	text, code = newSite(t, nil).run(t, "signal", "QUIT")
	require.Equal(t, exitFailed, code)
	require.Contains(t, text, "is no worker")
}

func TestBadUseAndBadSettingsExit2(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"dance"}, {"worker", "x"}, {"fault"}, {"healthcheck", "x"}} {
		text, code := newSite(t, nil).run(t, args...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, text, "usage:")
	}
	text, code := newSite(t, map[string]string{"WORKER_PREFIX": "zz", "WORKER_ROUNDS": "x"}).run(t)
	require.Equal(t, exitUsage, code)
	require.Equal(t, 2, strings.Count(text, "\n"))
}

func TestVersion(t *testing.T) {
	t.Parallel()
	text, code := newSite(t, nil).run(t, "version")
	require.Equal(t, 0, code)
	require.Equal(t, "worker dev (unknown)\n", text)
}

func TestHealthCheckBeforeTheFirstBeat(t *testing.T) {
	t.Parallel()
	text, code := newSite(t, nil).run(t, "healthcheck")
	require.Equal(t, exitFailed, code)
	require.Contains(t, text, "no heartbeat yet")
}

func ending(status syscall.WaitStatus) string {
	if status.Signaled() {
		return fmt.Sprintf("signal %d", status.Signal())
	}
	return fmt.Sprintf("exit %d", status.ExitStatus())
}
