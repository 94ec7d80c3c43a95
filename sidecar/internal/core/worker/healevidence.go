package worker

import (
	"fmt"
	"strings"
	"time"
)

// HealEvidence is what was collected of a worker around the end of one incarnation, for people: no decision uses it. Its texts
// come from the container, are bounded, and are untrusted. It contains no environment and no command line of a process.
//
// One heal has up to two of them: what was collected before Stoker's stop, and the log lines, which are read after the exit.
// Together they are no larger than MaxEvidence.
type HealEvidence struct {
	Health    []ProbeEvidence  `json:"health,omitempty"`    // outputs of the last health checks, oldest first
	ExitCode  *int             `json:"exit_code,omitempty"` // of an incarnation that ended
	Usage     *UsageEvidence   `json:"usage,omitempty"`     // nil if not read
	Processes string           `json:"processes,omitempty"` // a table in the format of ps, names only: arguments may contain secrets
	Command   *CommandEvidence `json:"before_stop,omitempty"`
	Logs      string           `json:"logs,omitempty"`    // the last lines, oldest first; only with stoker.evidence=logs
	Missing   []string         `json:"missing,omitempty"` // what could not be read, and why
}

// Bounds of the texts of a HealEvidence, in bytes.
const (
	MaxEvidence       = 16 << 10 // of one heal
	MaxEvidenceHealth = 3 << 10
	MaxProcesses      = 2 << 10
	MaxCommandOutput  = 4 << 10
	MaxLogTail        = 5 << 10
	MaxLogLines       = 50
)

// ProbeEvidence is one run of a health check.
type ProbeEvidence struct {
	At       time.Time `json:"at"` // the engine's clock
	ExitCode int       `json:"exit_code"`
	Output   string    `json:"output"`
}

// UsageEvidence is what an incarnation had used before the stop.
type UsageEvidence struct {
	Memory      uint64  `json:"memory_bytes"`       // without the inactive file cache
	MemoryLimit int64   `json:"memory_limit_bytes"` // 0 is none
	CPU         float64 `json:"cpu_seconds"`
	Quota       float64 `json:"quota_cpus"` // 0 is none
	// Throttled is the share of the quota's periods with work that were throttled, 0 to 1; nil if they are not counted.
	Throttled *float64 `json:"throttled_share"`
}

// CommandEvidence is the result of stoker.before-stop.
type CommandEvidence struct {
	ExitCode *int    `json:"exit_code"` // nil: it did not end in time, or its exit is unknown
	TimedOut bool    `json:"timed_out"` // it still ran at its time limit
	Took     float64 `json:"took_seconds"`
	Output   string  `json:"output"`
	Err      string  `json:"error"` // why it could not be run; empty when it was
}

// Empty reports whether there is nothing to show.
func (e *HealEvidence) Empty() bool {
	return e == nil || len(e.Health) == 0 && e.ExitCode == nil && e.Usage == nil && e.Processes == "" && e.Command == nil && e.Logs == "" && len(e.Missing) == 0
}

// Summary returns the contents in one line, without any text of the container.
func (e *HealEvidence) Summary() string {
	if e == nil {
		return ""
	}
	var parts []string
	add := func(when bool, format string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(len(e.Health) > 0, "health outputs: %d", len(e.Health))
	add(e.ExitCode != nil, "exit code")
	add(e.Usage != nil, "memory and CPU")
	add(e.Processes != "", "processes: %d", max(0, strings.Count(e.Processes, "\n")-1))
	add(e.Command != nil, "before-stop %s", e.Command.outcome())
	add(e.Logs != "", "log lines: %d", 1+strings.Count(strings.TrimSuffix(e.Logs, "\n"), "\n"))
	add(len(e.Missing) > 0, "not read: %d", len(e.Missing))
	return strings.Join(parts, ", ")
}

func (c *CommandEvidence) outcome() string {
	switch {
	case c == nil:
		return ""
	case c.TimedOut:
		return "timed out"
	case c.ExitCode != nil:
		return fmt.Sprintf("exit %d", *c.ExitCode)
	case c.Err != "":
		return "could not be run"
	}
	return "ended in an unknown way"
}

// Size is the approximate memory size of the evidence in bytes.
func (e *HealEvidence) Size() int {
	if e == nil {
		return 0
	}
	n := 256 + len(e.Processes) + len(e.Logs)
	for _, h := range e.Health {
		n += 64 + len(h.Output)
	}
	for _, m := range e.Missing {
		n += 16 + len(m)
	}
	if e.Command != nil {
		n += 64 + len(e.Command.Output) + len(e.Command.Err)
	}
	return n
}

// EvidenceRequest is what a Collect, a ReadLogs or a step of a recreate has to collect.
type EvidenceRequest struct {
	HealID  uint64        // of the heal that the evidence belongs to
	Keep    bool          // health outputs, use and processes
	Command []string      // stoker.before-stop; empty is none
	Limit   time.Duration // of the command
	Until   time.Time     // ReadLogs: the exit, the engine's clock
	// ExitCode of that incarnation, ReadLogs.
	ExitCode int
}
