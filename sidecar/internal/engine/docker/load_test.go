package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/system"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// stat is a /proc/stat of two CPUs. The columns are user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
func stat(user, idle, steal, running int) string {
	return fmt.Sprintf(`cpu  %d 10 20 %d 5 0 5 %d 7 7
cpu0 1 1 1 1 1 0 0 0 0 0
cpu1 1 1 1 1 1 0 0 0 0 0
intr 3941092 0 0 7 0 0 0 0
ctxt 3941092
btime 1795640269
processes 39544
procs_running %d
procs_blocked 0
`, user, idle, steal, running)
}

func TestParseLoad(t *testing.T) {
	got, ok := parseLoad([]byte(stat(1000, 300, 60, 43)))
	require.True(t, ok)
	require.Equal(t, load{all: 1000 + 10 + 20 + 300 + 5 + 5 + 60, idle: 305, runnable: 43, cpus: 2}, got)
	for _, text := range []string{"", "cpu\n", "cpu  1 2 3 4\n", "cpu  1 2 3 4\ncpu0 1 2 3 4\n", "procs_running 5\n", "\x00\xff"} {
		_, ok := parseLoad([]byte(text))
		require.False(t, ok, text)
	}
}

func TestLoadOf(t *testing.T) {
	looks := []load{{all: 1000, idle: 100, runnable: 5, cpus: 2}, {all: 1100, idle: 100, runnable: 9, cpus: 2}, {all: 1200, idle: 110, runnable: 4, cpus: 2}}
	require.Equal(t, &worker.HostLoad{Busy: 0.95, Runnable: 5, CPUs: 2}, loadOf(looks))
	require.Nil(t, loadOf(looks[:1]), "no time has passed")
}

// kernel returns a client with a /proc of the test's own.
func kernel(t *testing.T, host string) (*Client, func(name, text string)) {
	t.Helper()
	c, err := New(Options{Host: host})
	require.NoError(t, err)
	c.proc = t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(c.proc, name), []byte(text), 0o600))
	}
	write("stat", stat(0, 0, 0, 3))
	write("meminfo", "MemTotal:       24683620 kB\nMemFree: 1 kB\n")
	return c, write
}

func TestIsSameHost(t *testing.T) {
	same := system.Info{NCPU: 2, MemTotal: 24683620 << 10}
	for name, c := range map[string]struct {
		host string
		info system.Info
		lose string
		want bool
	}{
		"its own":                     {"", same, "", true},
		"over tcp":                    {"tcp://127.0.0.1:2375", same, "", false},
		"a forwarded socket":          {"", system.Info{NCPU: 2, MemTotal: 8 << 30}, "", false},
		"a /proc that lxcfs has made": {"", system.Info{NCPU: 16, MemTotal: same.MemTotal}, "", false},
		"no /proc/stat":               {"", same, "stat", false},
		"no /proc/meminfo":            {"", same, "meminfo", false},
	} {
		client, _ := kernel(t, c.host)
		if c.lose != "" {
			require.NoError(t, os.Remove(filepath.Join(client.proc, c.lose)))
		}
		require.Equal(t, c.want, client.isSameHost(c.info), name)
	}
}

func TestWatchLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, write := kernel(t, "")
		require.Nil(t, c.watchLoad(t.Context())(), "not known to be the engine's host")
		c.sameHost.Store(true)
		require.Nil(t, c.watchLoad(t.Context())(), "too short")

		stop := c.watchLoad(t.Context())
		time.Sleep(550 * time.Millisecond)
		write("stat", stat(100, 0, 0, 7))
		time.Sleep(500 * time.Millisecond)
		got := stop()
		require.NotNil(t, got)
		require.Equal(t, 2, got.CPUs)
		require.InDelta(t, 1, got.Busy, 1e-9)
		require.InDelta(t, 2+4*5./11, got.Runnable, 1e-9, "the first six looks found two besides the one who looks, the other five six")
	})
}
