package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// row is one line of the table: a pair of times with an aim for their ratio or a bound for the second, or a fact with a bound.
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

// The table stands between these two lines of the document.
const (
	tableBegin = "<!-- table: written by make bench -->\n"
	tableEnd   = "<!-- /table -->\n"
	soakBegin  = "<!-- soak: written by make soak -->\n"
	soakEnd    = "<!-- /soak -->\n"
)

// replaceBetween puts the text between two lines of a document that stay.
func replaceBetween(path, begin, end, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the table", path)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+table+"\n"+end+after), 0o600)
}

// usage is what a process has cost so far.
type usage struct {
	cpu      time.Duration
	resident int64 // bytes
	own      int64 // of it, without pages of files
}

// clockTick is the unit of /proc's CPU times: 10 ms on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// The second field is the name in parentheses and may hold anything.
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

// ownMemory is what is resident and not backed by a file: the kernel can drop the rest when memory is short.
func ownMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("the kernel does not tell RssAnon")
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	return kilobytes << 10, err
}
