// Package cgroup reads the limits that Docker set on the container that this process runs in.
package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

const mount = "sys/fs/cgroup"

// noLimit is how cgroup v1 writes "no memory limit": a number near 2^63, rounded down to a page.
const noLimit = 1 << 62

// CPUs returns the CPU quota in CPUs (0.5 for `cpus: 0.5`), or false without one. root is the file system of the process,
// os.DirFS("/").
func CPUs(root fs.FS) (float64, bool) {
	if fields, ok := read(root, "", "cpu.max"); ok && len(fields) == 2 {
		return ratio(fields[0], fields[1])
	}
	quota, ok := read(root, "cpu", "cpu.cfs_quota_us")
	period, ok2 := read(root, "cpu", "cpu.cfs_period_us")
	if !ok || !ok2 {
		return 0, false
	}
	return ratio(quota[0], period[0])
}

// Memory returns the memory limit in bytes, or false without one.
func Memory(root fs.FS) (uint64, bool) {
	fields, ok := read(root, "", "memory.max")
	if !ok {
		fields, ok = read(root, "memory", "memory.limit_in_bytes")
	}
	if !ok {
		return 0, false
	}
	limit, err := strconv.ParseUint(fields[0], 10, 64)
	return limit, err == nil && limit < noLimit
}

// Threads returns the number of threads to run: the quota rounded up, and never more than procs, the Go runtime's limit. Go 1.26 considers
// the quota too, but never goes below 2, for its own threads; a working thread beyond the quota would only cause more throttling for both.
func Threads(root fs.FS, procs int) int {
	quota, ok := CPUs(root)
	if !ok {
		return procs
	}
	return max(1, min(procs, int(math.Ceil(quota))))
}

func ratio(quota, period string) (float64, bool) {
	q, err := strconv.ParseInt(quota, 10, 64)
	p, err2 := strconv.ParseInt(period, 10, 64)
	if errors.Join(err, err2) != nil || q <= 0 || p <= 0 { // "max" in v2, -1 in v1
		return 0, false
	}
	return float64(q) / float64(p), true
}

// read finds a file of this process's cgroup. Inside a container the mount usually is that cgroup; with the host's cgroup
// namespace the path in /proc/self/cgroup leads to it.
func read(root fs.FS, controller, file string) ([]string, bool) {
	base := path.Join(mount, controller)
	for _, dir := range []string{path.Join(base, own(root, controller)), base} {
		text, err := fs.ReadFile(root, path.Join(dir, file))
		if err != nil {
			continue
		}
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			return fields, true
		}
	}
	return nil, false
}

// own returns the path after the second colon of the controller's line, "" if there is none. The v2 line has no controller.
func own(root fs.FS, controller string) string {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) == 3 && has(parts[1], controller) {
			return parts[2]
		}
	}
	return ""
}

func has(list, controller string) bool {
	for name := range strings.SplitSeq(list, ",") {
		if name == controller {
			return true
		}
	}
	return false
}
