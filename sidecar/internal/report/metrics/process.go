package metrics

import (
	"io/fs"
	"os"
	"runtime"
	runtimemetrics "runtime/metrics"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit in which Linux tells processes about time. It is 100 wherever Go runs, whatever the kernel's own is.
const ticksPerSecond = 100

// process is what the system knows of a process.
type process struct {
	cpuSeconds float64 // used since it began, in user and system mode
	resident   float64 // memory, in bytes
	began      float64 // seconds since 1970
	openFiles  float64
}

// fillProcess tells of Stoker itself, by the names that Prometheus' clients use. A system without /proc tells less.
func fillProcess(s *sheet) {
	s.gauge("go_goroutines", "Goroutines that there are.").put(float64(runtime.NumGoroutine()))
	s.gauge("go_memstats_heap_inuse_bytes", "Memory of the heap's spans that are in use.").put(heapInUse())
	cpu := s.counter("process_cpu_seconds_total", "CPU time that Stoker has used, in user and system mode.")
	resident := s.gauge("process_resident_memory_bytes", "Memory that Stoker has resident.")
	began := s.gauge("process_start_time_seconds", "When Stoker was started.")
	files := s.gauge("process_open_fds", "Files and sockets that Stoker has open.")
	p, ok := readProcess(os.DirFS("/proc"))
	if !ok {
		return
	}
	cpu.put(p.cpuSeconds)
	resident.put(p.resident)
	began.put(p.began)
	files.put(p.openFiles)
}

// heapInUse does not stop the world, unlike runtime.ReadMemStats.
func heapInUse() float64 {
	read := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	runtimemetrics.Read(read)
	var sum uint64
	for _, r := range read {
		if r.Value.Kind() == runtimemetrics.KindUint64 {
			sum += r.Value.Uint64()
		}
	}
	return float64(sum)
}

// readProcess reads what a /proc says of who reads it. It is all or nothing.
func readProcess(proc fs.FS) (process, bool) {
	own, errOwn := fs.ReadFile(proc, "self/stat")
	system, errSystem := fs.ReadFile(proc, "stat")
	files, errFiles := fs.ReadDir(proc, "self/fd")
	if errOwn != nil || errSystem != nil || errFiles != nil {
		return process{}, false
	}
	boot, okBoot := bootTime(string(system))
	p, ok := parseProcess(string(own), os.Getpagesize())
	p.began += boot
	p.openFiles = float64(max(len(files)-1, 0)) // one is open to read the others
	return p, ok && okBoot
}

// parseProcess reads a line of /proc/PID/stat, see proc_pid_stat(5). What it says of the start counts from the boot.
func parseProcess(line string, pageSize int) (process, bool) {
	// The second field is the program's name, which may hold anything: spaces, parentheses, line ends.
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	var n [4]float64
	for i, field := range []int{14, 15, 22, 24} {
		const first = 3 // of those behind the name
		if field-first >= len(fields) {
			return process{}, false
		}
		v, err := strconv.ParseUint(fields[field-first], 10, 64)
		if err != nil {
			return process{}, false
		}
		n[i] = float64(v)
	}
	return process{cpuSeconds: (n[0] + n[1]) / ticksPerSecond, began: n[2] / ticksPerSecond, resident: n[3] * float64(pageSize)}, true
}

// bootTime finds in /proc/stat when the system was started, in seconds since 1970.
func bootTime(stat string) (float64, bool) {
	for line := range strings.Lines(stat) {
		if value, ok := strings.CutPrefix(line, "btime "); ok {
			v, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return float64(v), err == nil
		}
	}
	return 0, false
}
