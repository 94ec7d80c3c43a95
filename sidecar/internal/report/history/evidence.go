package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// The bounds of what is kept as evidence, apart from those of the events.
const (
	KeepHeals        = 5       // of each worker, the last ones
	maxEvidenceBytes = 4 << 20 // of all workers together
	maxMissing       = 4
	maxReason        = 200 // bytes of why something could not be read or run
)

// Heal is the evidence of one heal, with what the heal was about. Its texts are valid UTF-8 of bounded length, and otherwise as hostile as
// the container that they come from.
type Heal struct {
	HealID    uint64
	Worker    worker.Key
	Container string
	At        time.Time // of its first part
	Fault     worker.Fault
	Reason    worker.Reason
	Heal      worker.HealAction
	Attempt   int
	Evidence  worker.HealEvidence
}

// part is one piece of evidence that is kept.
type part struct {
	id       uint64 // of the event that brought it
	key      worker.Key
	healID   uint64
	evidence *worker.HealEvidence // never changed
}

// evidence is what is kept, oldest first.
type evidence struct {
	parts []part
	bytes int
}

// find returns the evidence that an event brought; nil when it is not kept any more.
func (e *evidence) find(id uint64) *worker.HealEvidence {
	if n, found := slices.BinarySearchFunc(e.parts, id, func(p part, id uint64) int { return cmp.Compare(p.id, id) }); found {
		return e.parts[n].evidence
	}
	return nil
}

// keep takes in the evidence of an event and drops what is beyond the bounds.
func (e *evidence) keep(entry Entry, found *worker.HealEvidence) {
	if found.Empty() {
		return
	}
	e.parts = append(e.parts, part{id: entry.ID, key: entry.Key, healID: entry.HealID, evidence: found})
	e.bytes += found.Size()
	e.dropHeals(entry.Key)
	for e.bytes > maxEvidenceBytes {
		e.drop(0)
	}
}

// dropHeals drops all but the last heals of a worker.
func (e *evidence) dropHeals(key worker.Key) {
	var heals []uint64
	for n := len(e.parts) - 1; n >= 0; n-- {
		p := e.parts[n]
		if p.key != key || slices.Contains(heals, p.healID) && p.healID != 0 {
			continue
		}
		if len(heals) == KeepHeals {
			e.drop(n)
			continue
		}
		heals = append(heals, p.healID)
	}
}

// dropUntil drops what events with an ID up to minID brought.
func (e *evidence) dropUntil(minID uint64) {
	for len(e.parts) > 0 && e.parts[0].id <= minID {
		e.drop(0)
	}
}

func (e *evidence) drop(n int) {
	e.bytes -= e.parts[n].evidence.Size()
	e.parts = slices.Delete(e.parts, n, n+1)
}

// Evidence returns what is kept of the last heals of a worker, newest first. It is never nil.
func (l *Log) Evidence(key worker.Key) []Heal {
	key = cleanKey(key)
	l.mu.Lock()
	l.prune(l.now())
	events, parts := l.events, slices.Clone(l.evidence.parts)
	l.mu.Unlock()
	heals := []Heal{}
	for _, p := range slices.Backward(parts) {
		if p.key != key {
			continue
		}
		n := slices.IndexFunc(heals, func(h Heal) bool { return h.HealID == p.healID && p.healID != 0 })
		if n < 0 {
			heals = append(heals, healOf(events, p))
			continue
		}
		heals[n].At = atOf(events, p.id)
		heals[n].Evidence = merge(*p.evidence, heals[n].Evidence)
	}
	return heals
}

// healOf is a heal with its latest part.
func healOf(events []Entry, p part) Heal {
	h := Heal{HealID: p.healID, Worker: p.key, Evidence: *p.evidence, At: atOf(events, p.id)}
	for _, e := range slices.Backward(events) {
		if e.ID == p.id {
			h.Container = e.Event.ID
		}
		if p.healID == 0 || e.HealID != p.healID || e.Key != p.key || e.Kind == worker.EventEvidence {
			continue
		}
		if h.Heal == "" {
			h.Fault, h.Reason, h.Heal, h.Attempt = e.Fault, e.Reason, e.Heal, e.Attempt
		}
		if e.Kind == worker.EventFault {
			h.Fault, h.Reason, h.Heal, h.Attempt = e.Fault, e.Reason, e.Heal, e.Attempt
			break
		}
	}
	return h
}

func atOf(events []Entry, id uint64) time.Time {
	if rest := later(events, id-1); len(rest) > 0 && rest[0].ID == id {
		return rest[0].At
	}
	return time.Time{}
}

// merge puts the parts of one heal together.
func merge(before, after worker.HealEvidence) worker.HealEvidence {
	all := before
	if all.ExitCode == nil {
		all.ExitCode = after.ExitCode
	}
	if all.Usage == nil {
		all.Usage = after.Usage
	}
	if all.Command == nil {
		all.Command = after.Command
	}
	if len(all.Health) == 0 {
		all.Health = after.Health
	}
	if all.Processes == "" {
		all.Processes = after.Processes
	}
	if all.Logs == "" {
		all.Logs = after.Logs
	}
	all.Missing = append(slices.Clone(before.Missing), after.Missing...)
	return all
}

// cleanEvidence returns a copy with texts that are bounded and valid, and numbers that JSON can write; nil for nothing.
func cleanEvidence(e *worker.HealEvidence) *worker.HealEvidence {
	if e.Empty() {
		return nil
	}
	c := *e
	room := worker.MaxEvidenceHealth
	c.Health = nil
	for _, h := range e.Health {
		h.Output, h.At = sanitize.Clip(h.Output, room), h.At.Round(0).UTC()
		if h.At.Year() < 0 || h.At.Year() > 9999 {
			h.At = time.Time{}
		}
		room = max(0, room-len(h.Output))
		c.Health = append(c.Health, h)
	}
	if e.Usage != nil {
		u := *e.Usage
		u.CPU, u.Quota = finite(u.CPU), finite(u.Quota)
		if u.Throttled != nil {
			share := finite(*u.Throttled)
			u.Throttled = &share
		}
		c.Usage = &u
	}
	if e.Command != nil {
		b := *e.Command
		b.Took, b.Output, b.Err = finite(b.Took), sanitize.Clip(b.Output, worker.MaxCommandOutput), sanitize.Clip(b.Err, maxReason)
		c.Command = &b
	}
	c.Processes, c.Logs = sanitize.Clip(e.Processes, worker.MaxProcesses), sanitize.Clip(e.Logs, worker.MaxLogTail)
	c.Missing = nil
	for _, m := range e.Missing[:min(len(e.Missing), maxMissing)] {
		c.Missing = append(c.Missing, sanitize.Clip(m, maxReason))
	}
	return &c
}

// Text shows evidence to people, in lines. What the container has printed is indented, and made safe to show.
func (h Heal) Text() string {
	var b strings.Builder
	e := h.Evidence
	if u := e.Usage; u != nil {
		fmt.Fprintln(&b, usageText(*u))
	}
	if e.ExitCode != nil {
		fmt.Fprintf(&b, "exit code: %d\n", *e.ExitCode)
	}
	for n, p := range e.Health {
		if n == 0 {
			fmt.Fprintln(&b, "health checks:")
		}
		fmt.Fprintf(&b, "  %s %s: %s\n", p.At.UTC().Format(time.TimeOnly), probeWords(p.ExitCode), strings.TrimSpace(indented(p.Output, "    ")))
	}
	block(&b, "processes:", e.Processes)
	if c := e.Command; c != nil {
		block(&b, commandText(*c), c.Output)
	}
	block(&b, "last log lines:", e.Logs)
	for _, m := range e.Missing {
		fmt.Fprintf(&b, "not read: %s\n", sanitize.Line(m))
	}
	return b.String()
}

func block(b *strings.Builder, title, text string) {
	if title == "" || text == "" && strings.HasSuffix(title, "s:") {
		return
	}
	fmt.Fprintln(b, title)
	if text != "" {
		fmt.Fprintln(b, indented(strings.TrimRight(text, "\n"), "  "))
	}
}

// indented is a text of the container, with each line after some space.
func indented(text, by string) string {
	return by + strings.ReplaceAll(sanitize.Text(text), "\n", "\n"+by)
}

func usageText(u worker.UsageEvidence) string {
	text := "memory: " + units.BytesSize(float64(u.Memory))
	if u.MemoryLimit > 0 {
		text += " of " + units.BytesSize(float64(u.MemoryLimit))
	}
	text += fmt.Sprintf("; CPU: %.1f s", u.CPU)
	if u.Quota > 0 {
		text += fmt.Sprintf(" with a quota of %g CPUs", u.Quota)
	}
	if u.Throttled != nil {
		text += fmt.Sprintf(", throttled in %.0f %% of the periods with work", 100**u.Throttled)
	}
	return text
}

func probeWords(code int) string {
	switch code {
	case worker.ProbeTimedOut:
		return "timed out"
	case worker.ProbeNotRun:
		return "could not be run"
	}
	return fmt.Sprintf("exit code %d", code)
}

func commandText(c worker.CommandEvidence) string {
	took := fmt.Sprintf("%.1f s", c.Took)
	switch {
	case c.TimedOut:
		return "before-stop: still ran after " + took + ", and was not waited for any longer"
	case c.ExitCode != nil:
		return fmt.Sprintf("before-stop: exit code %d after %s", *c.ExitCode, took)
	case c.Err != "":
		return "before-stop: could not be run: " + sanitize.Line(c.Err)
	}
	return "before-stop: ended in an unknown way after " + took
}
