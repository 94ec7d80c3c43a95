package docker

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sys/unix"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
)

// translateInspect turns an inspect into a Snapshot. Raw is the engine's answer; the snapshot keeps a copy.
func translateInspect(in container.InspectResponse, raw []byte) (worker.Snapshot, error) {
	if in.ContainerJSONBase == nil || in.State == nil || in.ID == "" {
		return worker.Snapshot{}, errors.New("the answer has no id or no state")
	}
	s := worker.Snapshot{
		Incarnation: worker.Incarnation{ID: in.ID, StartedAt: engineTime(in.State.StartedAt)},
		Key:         worker.Key(strings.TrimPrefix(in.Name, "/")),
		Created:     engineTime(in.Created),
		ProcessState: worker.ProcessState{
			Stopping:      stopping(in.State),
			Status:        status(in.State),
			FinishedAt:    engineTime(in.State.FinishedAt),
			ExitCode:      in.State.ExitCode,
			OOMKilled:     in.State.OOMKilled,
			StartError:    in.State.Error,
			NetworkFailed: aboutNetworks(in.State.Error),
			RestartCount:  in.RestartCount,
		},
		ImageRef:    worker.ImageRef{ImageID: in.Image},
		HealthState: worker.HealthState{Health: worker.HealthNone},
		EndRules:    worker.EndRules{StopSignal: syscall.SIGTERM},
		Definition:  bytes.Clone(bytes.TrimSpace(raw)),
	}
	s.Reach, s.Unseen = reachOf(in), unseen(in)
	translateHealth(&s, in.State.Health)
	translateConfig(&s, in.Config)
	translateHost(&s, in.HostConfig)
	if in.NetworkSettings != nil {
		s.Networks = networkNames(in.NetworkSettings.Networks)
		s.Addresses = addresses(in.NetworkSettings.Networks)
		s.ModeNetwork = spec.ModeNetwork(in)
	}
	return s, nil
}

func translateConfig(s *worker.Snapshot, conf *container.Config) {
	if conf == nil {
		return
	}
	s.Image, s.Labels = conf.Image, conf.Labels
	for port := range conf.ExposedPorts {
		if port.Proto() == "tcp" && port.Int() > 0 {
			s.Ports = append(s.Ports, port.Int())
		}
	}
	slices.Sort(s.Ports)
	if check := conf.Healthcheck; check != nil && len(check.Test) > 0 {
		s.HasHealthcheck = check.Test[0] != "NONE"
		if s.ProbeEvery = max(0, check.Interval); s.HasHealthcheck && s.ProbeEvery == 0 {
			s.ProbeEvery = defaultInterval
		}
	}
	if sig := signalOf(conf.StopSignal); sig != 0 {
		s.StopSignal = sig
	}
	if conf.StopTimeout != nil {
		s.StopTimeout = stopTimeout(*conf.StopTimeout)
	}
}

// stopTimeout returns a container's own stop timeout, given in seconds. With a negative one the engine waits for ever.
func stopTimeout(seconds int) time.Duration {
	switch {
	case seconds == 0:
		return policy.NoStopWait
	case seconds < 0, int64(seconds) > mostStopSeconds: // an int has 32 bits on some processors
		return mostStopSeconds * time.Second
	}
	return time.Duration(seconds) * time.Second
}

func translateHost(s *worker.Snapshot, host *container.HostConfig) {
	if host == nil {
		return
	}
	s.RestartPolicy = worker.RestartPolicy{Name: string(host.RestartPolicy.Name), MaxRetries: host.RestartPolicy.MaximumRetryCount}
	s.AutoRemove = host.AutoRemove
	s.CPUs = quota(host.Resources)
	s.CPUPeriod = time.Duration(min(max(0, host.CPUPeriod), mostPeriod)) * time.Microsecond
	s.Devices, s.MemoryLimit = len(host.DeviceRequests) > 0, max(0, host.Memory)
	s.Parents, s.PIDParent = sharedWith(host)
}

// defaultInterval is the interval of a health check that sets none (moby health.go).
const defaultInterval = 30 * time.Second

// An engine accepts any stop timeout. One longer than a century would overflow where a margin is added to it.
const mostStopSeconds = 100 * 365 * 24 * 60 * 60

const (
	kernelPeriod = 100_000   // microseconds
	mostPeriod   = 1_000_000 // the kernel's maximum
)

// quota returns the CPU quota in CPUs. --cpus sets NanoCpus; --cpu-quota and compose's cpu_quota set the pair, whose period
// defaults to the kernel's 100 ms.
func quota(r container.Resources) float64 {
	if r.NanoCPUs > 0 {
		return float64(r.NanoCPUs) / 1e9
	}
	if r.CPUQuota <= 0 {
		return 0
	}
	period := r.CPUPeriod
	if period <= 0 {
		period = kernelPeriod
	}
	return float64(r.CPUQuota) / float64(period)
}

func translateHealth(s *worker.Snapshot, h *container.Health) {
	if h == nil {
		return
	}
	s.Health = health(h.Status)
	for _, probe := range h.Log {
		if probe != nil {
			s.Probes = append(s.Probes, worker.Probe{At: inUTC(probe.Start), ExitCode: probeExit(probe), Output: probe.Output})
		}
	}
}

// probeExit returns a probe's exit code. Docker reports -1 for a probe that timed out, and for one that it could not run. Docker then sets
// the output itself, which shows the difference (daemon/health.go of 20.10.24 and 28.5.2).
func probeExit(probe *container.HealthcheckResult) int {
	const docker = -1
	switch {
	case probe.ExitCode != docker:
		return probe.ExitCode
	case probe.Output == "", // Podman's, see timeoutsOnly
		strings.HasPrefix(probe.Output, "Health check exceeded timeout"),
		strings.HasPrefix(probe.Output, "timed out starting health check"):
		return worker.ProbeTimedOut
	}
	return worker.ProbeNotRun
}

func health(text string) worker.Health {
	switch h := worker.Health(text); h {
	case worker.HealthStarting, worker.HealthHealthy, worker.HealthUnhealthy, worker.HealthNone:
		return h
	case worker.HealthUnknown:
		// an inspect without a health check has none
	}
	return worker.HealthNone
}

// status checks the flags before the status text: a container in Docker's restart delay is both running and restarting (seen on
// 20.10.24), and one that is paused is running too.
func status(s *container.State) worker.Status {
	switch {
	case statusOf(s.Status) == worker.StatusRemoving:
		return worker.StatusRemoving
	case s.Dead:
		return worker.StatusDead
	case s.Restarting:
		return worker.StatusRestarting
	case s.Paused:
		return worker.StatusPaused
	case s.Running:
		return worker.StatusRunning
	}
	return statusOf(s.Status)
}

// stopping reports whether a stop is in progress, which Docker does not show. Podman 5.4 reports "stopping"; 5.8 reports "running" for a
// container that does not run.
func stopping(s *container.State) bool {
	return s.Status == "stopping" || s.Status == container.StateRunning && !s.Running
}

func statusOf(text string) worker.Status {
	text = strings.ToLower(text)
	if docker, ok := podmanStatus[text]; ok {
		return docker
	}
	switch s := worker.Status(text); s {
	case worker.StatusCreated, worker.StatusRunning, worker.StatusPaused, worker.StatusRestarting,
		worker.StatusExited, worker.StatusDead, worker.StatusRemoving:
		return s
	case worker.StatusUnknown, worker.StatusGone:
		// not a status of the engine
	}
	return worker.StatusUnknown
}

// engineTime parses the engine's time; Docker writes "never" as 0001-01-01T00:00:00Z.
func engineTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return inUTC(t)
}

// inUTC returns the same instant, or "never" if its year does not have four digits in UTC: the journal could not store a worker with such a
// time. A broken clock can report one.
func inUTC(t time.Time) time.Time {
	t = t.UTC()
	if year := t.Year(); year < 1 || year > 9999 {
		return time.Time{}
	}
	return t
}

// signalOf parses a signal as Docker does: 15, TERM, SIGTERM, RTMIN+3, in any case. 0 is none or unknown.
func signalOf(text string) syscall.Signal {
	text = strings.ToUpper(strings.TrimSpace(text))
	if n, err := strconv.Atoi(text); err == nil {
		return inRange(n)
	}
	name := "SIG" + strings.TrimPrefix(text, "SIG")
	if sig := unix.SignalNum(name); sig != 0 {
		return sig
	}
	return realTime(name)
}

// The real-time signals that Linux leaves to programs: 34 to 64, as moby counts them.
const (
	rtMin = 34
	rtMax = 64
)

func realTime(name string) syscall.Signal {
	for prefix, base := range map[string]int{"SIGRTMIN": rtMin, "SIGRTMAX": rtMax} {
		offset, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(offset) // takes the sign too
		if offset != "" && (err != nil || base+n < rtMin) {
			return 0
		}
		return inRange(base + n)
	}
	return 0
}

func inRange(n int) syscall.Signal {
	if n < 1 || n > rtMax {
		return 0
	}
	return syscall.Signal(n)
}

// An engine's message for a start that fails because of a network or a port: the second in all versions, wrapped in the first from 29 on.
const (
	networkError = "failed to set up container networking"
	portError    = "driver failed programming external connectivity"
)

func aboutNetworks(engineError string) bool {
	return strings.Contains(engineError, networkError) || strings.Contains(engineError, portError)
}

// networkNames returns nil if the engine reports none.
func networkNames(networks map[string]*network.EndpointSettings) []string {
	if networks == nil {
		return nil
	}
	names := slices.AppendSeq(make([]string, 0, len(networks)), maps.Keys(networks))
	slices.Sort(names)
	return names
}

// addresses returns the addresses at which other hosts reach the container.
func addresses(networks map[string]*network.EndpointSettings) []string {
	var all []string
	for _, n := range networks {
		if n == nil {
			continue
		}
		for _, address := range []string{n.IPAddress, n.GlobalIPv6Address} {
			if address != "" {
				all = append(all, address)
			}
		}
	}
	slices.Sort(all)
	return all
}
