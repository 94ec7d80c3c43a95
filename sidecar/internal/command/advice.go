package command

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// problemText returns a label's problem in one line, with the nearest label.
func problemText(p policy.Problem) string {
	text := p.Label + "=" + p.Value + ": " + p.Message
	if p.Nearest != "" && !strings.Contains(p.Message, p.Nearest) {
		text += "; did you mean " + p.Nearest + "?"
	}
	return text
}

// adviseOnLabels advises on the selection of a container.
func adviseOnLabels(c config.Config, v evaluation, labels map[string]string) []string {
	var advice []string
	add := func(when bool, text string, args ...any) {
		if when {
			advice = append(advice, fmt.Sprintf(text, args...))
		}
	}
	add(v.Held == worker.HeldSwarm, "a task of a Swarm service: Swarm replaces it, Stoker only shows it (stoker.swarm=kill: kills one that Swarm leaves unhealthy, hung or idle)")
	add(v.Managed && v.Held == worker.HeldNot && policy.SwarmTask(labels), "a task of a Swarm service: Stoker kills it when Swarm leaves it unhealthy, hung or idle, and does nothing else")
	add(v.Held == worker.HeldOneOff, "made by compose run, so it should exit: Stoker never touches it")
	add(v.Why == policy.WhyNotEnabled, "has stoker labels, but not stoker.enable=true")
	add(v.Why == policy.WhyOtherScope, "belongs to the scope %q, and this is the Stoker of %q",
		label(labels, policy.LabelScope), c.Rules.Scope)
	add(v.Why == policy.WhyNoLabels && hasHealerLabels(labels), "has labels of another healer: STOKER_COMPAT manages such containers")
	return advice
}

// label returns the value of a label, whose key is matched without regard to case.
func label(labels map[string]string, name string) string {
	for key, value := range labels {
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return value
		}
	}
	return ""
}

const noHealthCheck = "no health check: a worker that hangs looks alive, and only its exit is noticed"

// advise advises on a worker.
func advise(c config.Config, why policy.Why, p policy.Policy, s worker.Snapshot) []string {
	var advice []string
	add := func(when bool, text string, args ...any) {
		if when {
			advice = append(advice, fmt.Sprintf(text, args...))
		}
	}
	add(s.HasHealthcheck && s.Status == worker.StatusRunning && s.Health == worker.HealthUnhealthy, "%s", unhealthy(s))
	if !s.HasHealthcheck {
		advice = append(advice, adviseOnCheck(p, s.Ports, noHealthCheck)...)
	}
	advice = append(advice, adviseOnQuota(c, p, s.CPUs)...)
	advice = append(advice, adviseOnMemory(p, s.MemoryLimit)...)
	advice = append(advice, adviseOnSchedules(s.Labels)...)
	add(s.AutoRemove, "--rm: Docker removes it when it ends, its anonymous volumes too; Stoker recreates a crashed one")
	add(s.StartError != "", "its last start failed: %s", s.StartError)
	return append(advice, adviseOnRestart(why, p, s.RestartPolicy)...)
}

// sameQuota allows for the rounding of a quota that is given as a pair.
const sameQuota = 0.0005

func adviseOnQuota(c config.Config, p policy.Policy, cpus float64) []string {
	if p.CPUsExplicit && cpus > 0 && math.Abs(p.CPUs-cpus) > sameQuota {
		return []string{fmt.Sprintf("cpus %.4g, and stoker.cpus sets %.4g: keep one of the two", cpus, p.CPUs)}
	}
	if cpus > 0 || p.CPUs > 0 || c.Limits.RequireQuota == config.RequireQuotaOff {
		return nil
	}
	return []string{"no CPU quota (cpus: 0.5 in compose): it may take every CPU of the host"}
}

// adviseOnMemory is about a bound that is never reached.
func adviseOnMemory(p policy.Policy, limit int64) []string {
	if bound := p.Recycle.MaxMemory.Of(limit); limit > 0 && bound >= limit {
		return []string{fmt.Sprintf("stoker.max-memory is %s and the memory limit %s: the kernel kills it before Stoker restarts it; 90%% leaves room",
			units.BytesSize(float64(bound)), units.BytesSize(float64(limit)))}
	}
	return nil
}

// judgeLimit finds a bound that is a share of no limit: such a worker is held.
func (v *evaluation) judgeLimit(p policy.Policy, limit int64) {
	if !v.Managed || p.Recycle.MaxMemory.Share == 0 || limit > 0 {
		return
	}
	v.Problems = append(v.Problems, problemText(policy.NoMemoryLimit(p.Recycle.MaxMemory)))
	if v.Held == worker.HeldNot {
		v.Held = worker.HeldBadLabels
	}
}

// adviseOnSchedules is about a label of another scheduler's that restarts the worker.
func adviseOnSchedules(labels map[string]string) []string {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if strings.HasPrefix(key, "ofelia.") && strings.Contains(key+labels[key], "restart") {
			return []string{key + " restarts it whatever it does: stoker.restart-at waits until it is idle, and restarts one of a group at a time"}
		}
	}
	return nil
}

// adviseOnRestart is about Docker's own restart policy, which comes first after an exit (rule 10).
// A container with another healer's labels leaves its exits to Docker on purpose.
func adviseOnRestart(why policy.Why, p policy.Policy, r worker.RestartPolicy) []string {
	switch {
	case why == policy.WhyCompatAutoheal, why == policy.WhyCompatDeunhealth:
		return nil
	case r.Name != "always" && r.Name != "unless-stopped":
		return nil
	case p.OnExit != policy.OnExitAlways:
		return []string{fmt.Sprintf("restart: %s fights stoker.on-exit=%s: Docker restarts it after every exit; take restart away", r.Name, p.OnExit)}
	}
	return []string{fmt.Sprintf("restart: %s doubles Stoker: Docker restarts it after an exit, and Stoker only when Docker gives up", r.Name)}
}

// adviseOnSleep is about what becomes of a worker that is put to sleep.
func adviseOnSleep(p policy.Policy, r worker.RestartPolicy, autoRemove bool) []string {
	var advice []string
	if p.Demand.Set() && autoRemove {
		advice = append(advice, "--rm: it is never put to sleep, for its end would be its removal")
	}
	if p.Demand.Set() && r.Name == "always" {
		advice = append(advice, "restart: always starts workers that sleep whenever the engine starts; unless-stopped does not")
	}
	return advice
}

// unhealthy returns since when a running worker has been unhealthy, as far as the engine's few probe results show, and the last
// probe's output.
func unhealthy(s worker.Snapshot) string {
	since := time.Time{}
	for n := len(s.Probes) - 1; n >= 0 && s.Probes[n].ExitCode != 0; n-- {
		since = s.Probes[n].At
	}
	text := "unhealthy"
	if !since.IsZero() {
		text += " since " + since.UTC().Format(time.RFC3339) + " or earlier"
	}
	if last, ok := s.LastProbe(); ok {
		text += fmt.Sprintf(": exit code %d, %s", last.ExitCode, strings.Join(strings.Fields(last.Output), " "))
	}
	return text
}

func restart(r worker.RestartPolicy) string {
	if !r.Active() {
		return "no"
	}
	if r.MaxRetries > 0 {
		return fmt.Sprintf("%s:%d", r.Name, r.MaxRetries)
	}
	return r.Name
}
