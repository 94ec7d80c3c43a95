package docker

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

// mostStats bounds the bytes read of one answer; real ones have about 3 kB.
const mostStats = 1 << 20

// sample reads the CPU accounting. With a span the engine takes two samples about a second apart (stream=false, not one-shot), so one call
// is enough for a share.
func (c *Client) sample(ctx context.Context, out *worker.Outcome) {
	if out.Action.Host {
		load := c.watchLoad(ctx)
		defer func() { out.Host = load() }()
	}
	asked, s := withResponse(ctx)
	ask := c.api.Load().ContainerStatsOneShot
	if out.Action.Span {
		ask = func(ctx context.Context, id string) (container.StatsResponseReader, error) {
			return c.api.Load().ContainerStats(ctx, id, false)
		}
	}
	answer, err := ask(asked, out.Action.Incarnation.ID)
	if err != nil {
		c.failed(out, s, c.fail("read the container's CPU use", s, err))
		out.Missing = s.status == http.StatusNotFound
		return
	}
	defer func() { _ = answer.Body.Close() }()
	var stats container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostStats)).Decode(&stats); err != nil {
		out.Result, out.Err = worker.Failed, "read the container's CPU use: "+err.Error()
		return
	}
	usage := worker.Usage{Now: readings(stats.Read, stats.CPUStats)}
	usage.Now.Memory = memoryUsed(stats.MemoryStats)
	if out.Action.Span {
		usage.Before = readings(stats.PreRead, stats.PreCPUStats)
	}
	if usage.Now.At.Year() <= 1 {
		out.Result, out.Err = worker.Failed, "read the container's CPU use: it is not running"
		return
	}
	out.Result, out.Usage = worker.Done, &usage
}

func readings(at time.Time, s container.CPUStats) worker.Stats {
	if at = inUTC(at); at.Year() <= 1 { // the engine had no earlier sample
		return worker.Stats{}
	}
	return worker.Stats{
		At: at, CPU: time.Duration(min(s.CPUUsage.TotalUsage, math.MaxInt64)), //nolint:gosec // bounded
		Periods: s.ThrottlingData.Periods, Throttled: s.ThrottlingData.ThrottledPeriods,
	}
}

// memoryUsed returns the memory that counts against the limit and cannot be reclaimed at once: as docker stats does, it leaves out inactive
// file cache. Cgroup v1 has that as total_inactive_file, v2 as inactive_file.
func memoryUsed(m container.MemoryStats) uint64 {
	inactive, ok := m.Stats["total_inactive_file"]
	if !ok {
		inactive = m.Stats["inactive_file"]
	}
	if inactive > m.Usage {
		return m.Usage
	}
	return m.Usage - inactive
}

// update sets the quota if it is still the one that the decision was based on. It uses the form that the container has: an engine refuses
// NanoCpus for one that was given period and quota, and the other way round.
func (c *Client) update(ctx context.Context, out *worker.Outcome) {
	a := out.Action
	c.inspect(ctx, out)
	if out.Result != worker.Done {
		return
	}
	switch s := *out.Snapshot; {
	case math.Abs(s.CPUs-a.From) > quotaSlack:
		out.Result, out.Err = worker.Refused, "its quota has changed since"
		return
	case s.Devices:
		out.Result, out.Err = worker.Failed, "it has devices that an update would take away"
		return
	}
	config, err := resources(out.Snapshot.Definition, a.CPUs, c.podman.Load() != nil)
	if err != nil {
		out.Result, out.Err = worker.Failed, err.Error()
		return
	}
	asked, s := withResponse(ctx)
	_, err = c.api.Load().ContainerUpdate(asked, a.Incarnation.ID, container.UpdateConfig{Resources: config})
	c.finishCall(ctx, out, s, c.fail("set the container's CPU quota", s, err))
	if now := out.Snapshot; out.Result == worker.Done && now != nil && math.Abs(now.CPUs-a.CPUs) > quotaSlack {
		out.Result, out.Err = worker.Failed, "the engine accepted the quota, but the container has another one"
	}
}

// quotaSlack allows for the engine's rounding of a quota that is given as a pair.
const quotaSlack = 0.0005

// resources returns a quota in the form in which the container has one. Podman accepts NanoCpus and ignores it (5.4.2), so it gets the
// pair; it shows both forms.
func resources(inspect []byte, cpus float64, podman bool) (container.Resources, error) {
	var in container.InspectResponse
	if err := json.Unmarshal(inspect, &in); err != nil {
		return container.Resources{}, err
	}
	has := in.HostConfig
	if has == nil {
		has = &container.HostConfig{}
	}
	if !podman && (has.NanoCPUs != 0 || has.CPUQuota <= 0) {
		return container.Resources{NanoCPUs: int64(math.Round(cpus * 1e9))}, nil
	}
	period := has.CPUPeriod
	if period <= 0 {
		period = kernelPeriod
	}
	return container.Resources{CPUPeriod: period, CPUQuota: int64(math.Round(cpus * float64(period)))}, nil
}
