package policy

import (
	"errors"
	"fmt"
	"time"
)

// labelProbe holds a URL, which may contain a password.
const labelProbe = "stoker.probe"

// Probe is the configuration of Stoker's probe from outside. It is comparable.
type Probe struct {
	Target      ProbeTarget
	Interval    time.Duration // from the end of one probe to the next
	Timeout     time.Duration // of one
	Retries     int           // consecutive failures that make the worker unhealthy
	StartPeriod time.Duration // in which failures before the first success do not count
}

// Set reports whether there is a probe.
func (p Probe) Set() bool { return p.Target.Kind != ProbeNone }

// startInterval is the maximum interval in the start period, as in Docker.
const startInterval = 5 * time.Second

// Pace returns the wait before the next probe of an incarnation of the given age.
func (p Probe) Pace(age time.Duration) time.Duration {
	if age < p.StartPeriod {
		return min(p.Interval, startInterval)
	}
	return p.Interval
}

// defaultProbe has the defaults of Docker's health check (docs.docker.com/reference/dockerfile/#healthcheck).
func defaultProbe() Probe {
	return Probe{Interval: 30 * time.Second, Timeout: 30 * time.Second, Retries: 3}
}

// Bounds of a probe. A probe holds one of a limited number of slots until its time-out.
const (
	shortestProbe  = 100 * time.Millisecond
	longestTimeout = 10 * time.Minute
)

func probeLabels() []Label {
	return []Label{
		{labelProbe, "STOKER_PROBE", NoDefault,
			"a probe from outside, which costs the worker no CPU: `http://:8000/health` (2xx and 3xx are well), `tcp://:5672`, " +
				"`file:///tmp/heartbeat?max-age=60s`; `off`. Without a host it is the worker's own address", setProbe},
		{"stoker.probe-interval", "STOKER_PROBE_INTERVAL", "30s", "time between two probes",
			atLeast(shortestProbe, func(p *Policy) *time.Duration { return &p.Probe.Interval })},
		{"stoker.probe-timeout", "STOKER_PROBE_TIMEOUT", "30s", "how long one probe may take", setProbeTimeout},
		{"stoker.probe-retries", "STOKER_PROBE_RETRIES", "3", "failed probes in a row that make the worker unhealthy", setProbeRetries},
		{"stoker.probe-start-period", "STOKER_PROBE_START_PERIOD", "0s",
			"failures so soon after a start do not count, unless a probe has succeeded before",
			duration(func(p *Policy) *time.Duration { return &p.Probe.StartPeriod })},
	}
}

// setProbe accepts any word for no as off, so that a worker can opt out of a default probe.
func setProbe(p *Policy, value string) error {
	if on, err := ParseBool(value); err == nil && !on {
		p.Probe.Target = ProbeTarget{}
		return nil
	}
	target, err := ParseProbe(value)
	if err == nil {
		p.Probe.Target = target
	}
	return err
}

func setProbeTimeout(p *Policy, value string) error {
	d, err := ParseDuration(value)
	switch {
	case err != nil:
		return err
	case d < shortestProbe || d > longestTimeout:
		return fmt.Errorf("not between %s and %s", plain(shortestProbe), plain(longestTimeout))
	}
	p.Probe.Timeout = d
	return nil
}

func setProbeRetries(p *Policy, value string) error {
	n, err := ParseCount(value)
	switch {
	case err != nil:
		return err
	case n == 0:
		return errors.New("must be more than 0")
	}
	p.Probe.Retries = n
	return nil
}

// probeWithoutTarget reports labels that have no effect.
func probeWithoutTarget(p Policy, set labelSet) []Problem {
	var problems []Problem
	for _, label := range probeLabels()[1:] {
		if w, ok := set.once(label.Name); ok && !p.Probe.Set() && len(set.known[labelProbe]) == 0 {
			problems = append(problems, w.problem("has no effect without "+labelProbe+"; name the target, or remove this label"))
		}
	}
	return problems
}
