package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// row is one row of the table: two times with an aim for their ratio or a bound for the second one, or a fact with a bound.
type row struct {
	name        string
	raw, stoker time.Duration
	aim         float64
	fact        string
	bound       string
	fine        bool // times are rounded to 0.01 ms
}

func (r row) String() string {
	if r.fact != "" {
		return fmt.Sprintf("| %s | – | %s | – | %s |", r.name, r.fact, r.bound)
	}
	unit, aim := time.Millisecond, r.bound
	if r.fine {
		unit = 10 * time.Microsecond
	}
	if aim == "" {
		aim = fmt.Sprintf("%.2fx", r.aim)
	}
	return fmt.Sprintf("| %s | %s | %s | %.2fx | %s |", r.name, r.raw.Round(unit), r.stoker.Round(unit), float64(r.stoker)/float64(r.raw), aim)
}

func render(ctx context.Context, b *bench, rows []row) string {
	var t strings.Builder
	version := "unknown"
	if v, err := b.api.ServerVersion(ctx); err == nil {
		version = v.Version
	}
	fmt.Fprintf(&t, "Measured on %s with engine %s, %d CPUs.\n\n", time.Now().UTC().Format(time.DateOnly), version, runtime.NumCPU())
	t.WriteString("| case | raw client | Stoker | ratio | aim |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		t.WriteString(r.String() + "\n")
	}
	return t.String()
}

// A table of a document is between two of these lines.
const (
	tableBegin = "<!-- table: written by make bench -->\n"
	tableEnd   = "<!-- /table -->\n"
	soakBegin  = "<!-- soak: written by make soak -->\n"
	soakEnd    = "<!-- /soak -->\n"
)

// replaceBetween replaces the text between two lines of a document.
func replaceBetween(path, begin, end, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, measureIdle, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(measureIdle, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no lines %q and %q for the table", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+table+"\n"+end+after), 0o600)
}

// usage is the CPU time and the memory that a process uses.
type usage struct {
	cpu      time.Duration
	resident int64 // bytes
	own      int64 // bytes of resident that no file backs
}

// clockTick is the unit of /proc's CPU times: 10 ms on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// The second field is the name in parentheses, which may contain spaces.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	pages, err := strconv.ParseInt(fields[21], 10, 64)
	if err != nil {
		return usage{}, err
	}
	own, err := ownMemory(pid)
	return usage{cpu: time.Duration(user+system) * clockTick, resident: pages * int64(os.Getpagesize()), own: own}, err
}

// ownMemory returns the resident memory that no file backs. The kernel can drop the rest when memory is short.
func ownMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, measureIdle, _ := strings.Cut(string(status), "RssAnon:")
	fields := strings.Fields(measureIdle)
	if len(fields) == 0 {
		return 0, fmt.Errorf("/proc/%d/status has no RssAnon", pid)
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	return kilobytes << 10, err
}
