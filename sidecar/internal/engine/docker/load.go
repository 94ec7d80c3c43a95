package docker

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/system"

	"stoker/sidecar/internal/core/worker"
)

// procFolder is procfs. Its stat file shows the host's CPUs also in a container, because it has no namespace.
const procFolder = "/proc"

// loadEvery is the interval between two samples of the CPUs' run queue. The queue changes with every tick, so one sample means little.
const loadEvery = 100 * time.Millisecond

// leastLoad is the shortest time over which the share of busy CPUs means something: the kernel counts it in hundredths of a second.
const leastLoad = 500 * time.Millisecond

// isSameHost reports whether the engine's host is the one whose /proc is read here. A unix socket does not prove it: it may be
// forwarded, and lxcfs may show a container another /proc/stat. Memory and CPUs must be those that the engine reports.
func (c *Client) isSameHost(info system.Info) bool {
	if !strings.HasPrefix(c.host, "unix://") {
		return false
	}
	load, ok := c.readLoad()
	memory, known := c.hostMemory()
	return ok && known && load.cpus == info.NCPU && memory == info.MemTotal
}

// hostMemory returns MemTotal in bytes, which is the engine's source as well.
func (c *Client) hostMemory() (int64, bool) {
	text, err := os.ReadFile(filepath.Join(c.proc, "meminfo"))
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(text), "MemTotal:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, false
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	return kilobytes << 10, err == nil
}

// load is one sample of /proc/stat.
type load struct {
	all, idle uint64 // time of all CPUs since the boot, in ticks
	runnable  int
	cpus      int
}

func (c *Client) readLoad() (load, bool) {
	text, err := os.ReadFile(filepath.Join(c.proc, "stat"))
	if err != nil {
		return load{}, false
	}
	return parseLoad(text)
}

// parseLoad parses the lines of proc_stat(5). Time that the hypervisor used (steal) is not idle; the columns after
// it are part of the first two.
func parseLoad(text []byte) (load, bool) {
	var l load
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line[:min(len(line), 256)])) // the line of interrupts has thousands
		if len(fields) < 2 {
			continue
		}
		switch name := fields[0]; {
		case name == "cpu":
			for n, field := range fields[1:min(len(fields), 9)] {
				ticks, _ := strconv.ParseUint(field, 10, 64)
				l.all += ticks
				if n == 3 || n == 4 { // idle, and idle with a disk at work
					l.idle += ticks
				}
			}
		case strings.HasPrefix(name, "cpu"):
			l.cpus++
		case name == "procs_running":
			l.runnable, _ = strconv.Atoi(fields[1])
		}
	}
	return l, l.all > 0 && l.cpus > 0 && l.runnable > 0
}

// watchLoad samples the host's load until the result is requested, which is nil if it is unknown.
func (c *Client) watchLoad(ctx context.Context) (stop func() *worker.HostLoad) {
	first, ok := c.readLoad()
	if !ok || !c.sameHost.Load() {
		return func() *worker.HostLoad { return nil }
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan []load, 1)
	go func() { seen <- c.samples(ctx, first) }()
	return func() *worker.HostLoad {
		cancel()
		samples := <-seen
		if time.Since(began) < leastLoad {
			return nil
		}
		return loadOf(samples)
	}
}

func (c *Client) samples(ctx context.Context, first load) []load {
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	samples := []load{first}
	for {
		select {
		case <-tick.C:
			if next, ok := c.readLoad(); ok {
				samples = append(samples, next)
			}
		case <-ctx.Done():
			return samples
		}
	}
}

// loadOf combines several samples. The sampling process is runnable each time and does not count.
func loadOf(samples []load) *worker.HostLoad {
	first, last := samples[0], samples[len(samples)-1]
	if last.all <= first.all || last.idle < first.idle {
		return nil
	}
	h := worker.HostLoad{Busy: 1 - float64(last.idle-first.idle)/float64(last.all-first.all), CPUs: last.cpus}
	for _, l := range samples {
		h.Runnable += float64(l.runnable-1) / float64(len(samples))
	}
	return &h
}
