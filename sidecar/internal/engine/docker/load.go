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

// procFolder holds the kernel's own figures, also in a container: /proc/stat has no namespace.
const procFolder = "/proc"

// loadEvery is the time between two readings of the queue of the CPUs. It changes with every tick, so that one reading means little.
const loadEvery = 100 * time.Millisecond

// leastLoad is the shortest time over which the share of busy CPUs means something: the kernel counts it in hundredths of a second.
const leastLoad = 500 * time.Millisecond

// knowsHost reports whether the engine's host is the one whose /proc is read here. A unix socket does not prove it: it may be
// forwarded, and lxcfs may show a container another /proc/stat. Memory and CPUs must be those that the engine reports.
func (c *Client) knowsHost(info system.Info) bool {
	if !strings.HasPrefix(c.host, "unix://") {
		return false
	}
	load, ok := c.readLoad()
	memory, known := c.hostMemory()
	return ok && known && load.cpus == info.NCPU && memory == info.MemTotal
}

// hostMemory is MemTotal in bytes, which is where the engine has it from as well.
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

// load is one reading of /proc/stat.
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

// parseLoad reads the lines of proc_stat(5). Time that a hypervisor took (steal) is not idle; the columns after
// it are part of the first two.
func parseLoad(text []byte) (load, bool) {
	var l load
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line[:min(len(line), 256)])) // the line of interrupts has thousands
		if len(words) < 2 {
			continue
		}
		switch name := words[0]; {
		case name == "cpu":
			for n, word := range words[1:min(len(words), 9)] {
				ticks, _ := strconv.ParseUint(word, 10, 64)
				l.all += ticks
				if n == 3 || n == 4 { // idle, and idle with a disk at work
					l.idle += ticks
				}
			}
		case strings.HasPrefix(name, "cpu"):
			l.cpus++
		case name == "procs_running":
			l.runnable, _ = strconv.Atoi(words[1])
		}
	}
	return l, l.all > 0 && l.cpus > 0 && l.runnable > 0
}

// watchLoad samples the host's load until the result is asked for, which is nil where it is not known.
func (c *Client) watchLoad(ctx context.Context) (stop func() *worker.HostLoad) {
	first, ok := c.readLoad()
	if !ok || !c.sameHost.Load() {
		return func() *worker.HostLoad { return nil }
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan []load, 1)
	go func() { seen <- c.looks(ctx, first) }()
	return func() *worker.HostLoad {
		cancel()
		looks := <-seen
		if time.Since(began) < leastLoad {
			return nil
		}
		return loadOf(looks)
	}
}

func (c *Client) looks(ctx context.Context, first load) []load {
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	looks := []load{first}
	for {
		select {
		case <-tick.C:
			if next, ok := c.readLoad(); ok {
				looks = append(looks, next)
			}
		case <-ctx.Done():
			return looks
		}
	}
}

// loadOf is what several looks show. The one who looks is runnable each time and does not count.
func loadOf(looks []load) *worker.HostLoad {
	first, last := looks[0], looks[len(looks)-1]
	if last.all <= first.all || last.idle < first.idle {
		return nil
	}
	h := worker.HostLoad{Busy: 1 - float64(last.idle-first.idle)/float64(last.all-first.all), CPUs: last.cpus}
	for _, l := range looks {
		h.Runnable += float64(l.runnable-1) / float64(len(looks))
	}
	return &h
}
