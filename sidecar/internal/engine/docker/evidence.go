package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

const (
	// maxCollecting bounds the containers whose evidence is read at once: the engine runs ps on its host for each.
	maxCollecting = 16
	// maxMissing bounds the text of an error, in bytes.
	maxMissing = 200
	// askedLines is the number of log lines to request. The engine applies tail before until, so the first lines of the next incarnation
	// count.
	askedLines = 2 * worker.MaxLogLines
	// mostLogs bounds the bytes read; a line may be megabytes long.
	mostLogs = 16 << 20
)

// The columns of the process list: names without arguments, which may hold secrets. Podman has its own descriptors in place of ps's
// options.
const (
	psColumns     = "pid,ppid,stat,etime,time,comm"
	podmanColumns = "pid,ppid,state,etime,time,comm"
)

// collect inspects the container, and then gathers what the action requests. It fails only if the container is not the one that was decided
// on, or cannot be inspected.
func (c *Client) collect(ctx context.Context, out *worker.Outcome) {
	if c.stopExpected(ctx, out) {
		out.Evidence = c.gather(ctx, *out.Action.Evidence, *out.Snapshot)
		out.Snapshot = nil // outdated by now
	}
}

// gather reads what was requested, for at most worker.CollectLimit, and then runs the command, which may end the worker.
func (c *Client) gather(ctx context.Context, r worker.EvidenceRequest, s worker.Snapshot) *worker.HealEvidence {
	e := &worker.HealEvidence{}
	if r.Keep {
		e.Health = healthEvidence(s.Probes)
		c.read(ctx, e, s)
	}
	if len(r.Command) > 0 {
		e.Command = c.runCommand(ctx, s.ID, r.Command, r.Limit)
	}
	return e
}

// read reads the processes and the resource usage concurrently.
func (c *Client) read(ctx context.Context, e *worker.HealEvidence, s worker.Snapshot) {
	ctx, cancel := context.WithTimeout(ctx, worker.CollectLimit)
	defer cancel()
	select {
	case c.collecting <- struct{}{}:
		defer func() { <-c.collecting }()
	case <-ctx.Done():
		e.Missing = append(e.Missing, "processes, memory and CPU: too many workers are stopped at once")
		return
	}
	var failed error
	var reading sync.WaitGroup
	reading.Go(func() { e.Usage, failed = c.usageEvidence(ctx, s) })
	processes, err := c.processes(ctx, s.ID)
	reading.Wait()
	e.Processes = processes
	miss(e, "processes", err)
	miss(e, "memory and CPU", failed)
}

func healthEvidence(probes []worker.Probe) []worker.ProbeEvidence {
	room := worker.MaxEvidenceHealth
	all := make([]worker.ProbeEvidence, 0, len(probes))
	for n, p := range probes {
		output := clip(p.Output, room/(len(probes)-n)) // the newest probe gets what the others leave
		room -= len(output)
		all = append(all, worker.ProbeEvidence{At: p.At, ExitCode: p.ExitCode, Output: output})
	}
	return all
}

func (c *Client) usageEvidence(ctx context.Context, s worker.Snapshot) (*worker.UsageEvidence, error) {
	out := worker.Outcome{Action: worker.Action{Verb: worker.ReadStats, Incarnation: s.Incarnation}}
	c.sample(ctx, &out)
	if out.Usage == nil {
		return nil, errors.New(out.Err)
	}
	now := out.Usage.Now
	u := &worker.UsageEvidence{Memory: now.Memory, MemoryLimit: s.MemoryLimit, CPU: now.CPU.Seconds(), Quota: s.CPUs}
	if now.Periods > 0 {
		share := float64(now.Throttled) / float64(now.Periods)
		u.Throttled = &share
	}
	return u, nil
}

// processes returns a table of the container's processes, with a line for each.
func (c *Client) processes(ctx context.Context, id string) (string, error) {
	args := []string{"-eo", psColumns}
	if c.podman.Load() != nil {
		args = []string{podmanColumns}
	}
	asked, s := withResponse(ctx)
	top, err := c.api.Load().ContainerTop(asked, id, args)
	if err != nil {
		return "", c.fail("list the container's processes", s, err)
	}
	text := &boundedText{head: worker.MaxProcesses}
	for _, line := range append([][]string{top.Titles}, top.Processes...) {
		_, _ = io.WriteString(text, strings.ReplaceAll(strings.Join(line, " "), "\n", " ")+"\n")
	}
	return text.String(), nil
}

// readLogs reads the last lines that an incarnation printed. The container may be running again.
func (c *Client) readLogs(ctx context.Context, out *worker.Outcome) {
	r := *out.Action.Evidence
	e := &worker.HealEvidence{ExitCode: &r.ExitCode}
	logs, s, err := c.logTail(ctx, out.Action.Incarnation.ID, r)
	if err != nil && s.status == http.StatusNotFound {
		out.Result, out.Missing, out.Err = worker.Failed, true, err.Error()
		return
	}
	e.Logs = logs
	miss(e, "logs", err)
	out.Result, out.Evidence = worker.Done, e
}

func (c *Client) logTail(ctx context.Context, id string, r worker.EvidenceRequest) (string, *response, error) {
	asked, s := withResponse(ctx)
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(askedLines)}
	if !r.Until.IsZero() {
		options.Until = fmt.Sprintf("%d.%09d", r.Until.Unix(), r.Until.Nanosecond())
	}
	body, err := c.api.Load().ContainerLogs(asked, id, options)
	if err != nil {
		return "", s, c.fail("read the container's last log lines", s, err)
	}
	defer func() { _ = body.Close() }()
	text := &boundedText{tail: worker.MaxLogTail}
	if err := demultiplex(text, io.LimitReader(body, mostLogs)); err != nil && text.total == 0 {
		return "", s, fmt.Errorf("read the container's last log lines: %w", err)
	}
	return text.lastLines(worker.MaxLogLines), s, nil
}

// miss records why something could not be read; a nil error records nothing.
func miss(e *worker.HealEvidence, what string, why error) {
	if why != nil {
		e.Missing = append(e.Missing, what+": "+clip(Explain(why), maxMissing))
	}
}

// collect gathers evidence of the container that a recreate is about to stop. A failure does not prevent the recreate.
func (t *stepper) collect(ctx context.Context) error {
	in, raw, err := t.inspect(ctx, t.call.ID)
	if err != nil || raw == nil {
		return err
	}
	s, err := translateInspect(in, raw)
	if err != nil || s.Status != worker.StatusRunning {
		return err
	}
	t.report.Sent = len(t.a.Evidence.Command) > 0
	t.evidence = t.c.gather(ctx, *t.a.Evidence, s)
	return nil
}
