package composefile

import (
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"stoker/sidecar/internal/core/worker"
)

// Health is what a file specifies about a service's health check.
type Health string

// The values of Health.
const (
	HealthOn          Health = "on"
	HealthOff         Health = "off"         // turned off, whatever the image has
	HealthUnspecified Health = "unspecified" // as in the image, which a file does not show
)

// Service is the part of a service that Stoker uses. It contains only Stoker's own variables of the environment.
type Service struct {
	Name     string
	Image    string            // as written; empty if it is only built
	Labels   map[string]string // of its containers: those that a build gives the image, and its own over them
	Deploy   Deploy
	Limits   Limits
	Restart  Restart
	Health   Health
	Network  Network
	Replicas int               // 0 and more
	Inactive []string          // its profiles, if none of them is active: compose up does not create it
	Awaited  bool              // another service waits for it to complete (depends_on)
	Settings map[string]string // of a Stoker: STOKER_* and the engine's DOCKER_* of its environment, except those without a value; else nil
}

// Deploy is what Swarm alone reads.
type Deploy struct {
	Labels    map[string]string // of the service, which compose puts on no container
	Condition string            // of its restart_policy, by which Swarm replaces tasks; empty is none given
}

// Limits are those of each container.
type Limits struct {
	CPUs   float64 // quota; 0 is none
	Pair   int64   // cpu_quota, in microseconds, if that is the quota
	Clash  bool    // both cpus and cpu_quota or cpu_period: the engine refuses such a container
	Memory int64   // in bytes; 0 is none
}

// Restart is what becomes of a container that has exited.
type Restart struct {
	Policy  worker.RestartPolicy
	Retries string // as written; empty is none
}

// Network is where a container can be reached.
type Network struct {
	Ports []int    // exposed or published over TCP, in the container, sorted
	Names []string // of its networks in the file; nil is the default one alone
	Mode  string   // in place of networks; empty for these
}

// IsStoker reports whether the service is a Stoker, by its image or its settings.
func (s Service) IsStoker() bool { return s.Settings != nil }

// Apart reports whether no network is common to two services. It is false where one of them has a mode, which may be the network of the
// other.
func (n Network) Apart(other Network) bool {
	if n.Mode != "" || other.Mode != "" {
		return false
	}
	return !slices.ContainsFunc(n.names(), func(name string) bool { return slices.Contains(other.names(), name) })
}

func (n Network) names() []string {
	if len(n.Names) == 0 {
		return []string{"default"}
	}
	return n.Names
}

func translate(s types.ServiceConfig) Service {
	return Service{
		Name: s.Name, Image: s.Image, Labels: labels(s), Deploy: deploy(s), Limits: limits(s), Restart: restart(s), Health: health(s.HealthCheck),
		Network: Network{Ports: ports(s), Names: networks(s), Mode: s.NetworkMode}, Replicas: s.GetScale(), Settings: settings(s),
	}
}

func labels(s types.ServiceConfig) map[string]string {
	all := map[string]string{}
	if s.Build != nil {
		maps.Copy(all, s.Build.Labels)
	}
	maps.Copy(all, s.Labels)
	return all
}

func deploy(s types.ServiceConfig) Deploy {
	if s.Deploy == nil {
		return Deploy{}
	}
	d := Deploy{Labels: s.Deploy.Labels}
	if s.Deploy.RestartPolicy != nil {
		d.Condition = s.Deploy.RestartPolicy.Condition
	}
	return d
}

func limits(s types.ServiceConfig) Limits {
	l := Limits{Memory: memory(s)}
	l.CPUs, l.Clash = quota(s)
	if s.CPUS == 0 {
		l.Pair = max(s.CPUQuota, 0)
	}
	return l
}

// settings returns nil for a service that is no Stoker.
func settings(s types.ServiceConfig) map[string]string {
	all := map[string]string{}
	for name, value := range s.Environment {
		if value != nil && strings.HasPrefix(name, "STOKER_") {
			all[name] = *value
		}
	}
	image, _, _ := strings.Cut(path.Base(s.Image), ":")
	if image != "stoker" && len(all) == 0 {
		return nil
	}
	for _, name := range engineVariables() {
		if value := s.Environment[name]; value != nil {
			all[name] = *value
		}
	}
	return all
}

// engineVariables returns the Docker CLI's variables that Stoker reads. Other containers may have them, too.
func engineVariables() []string {
	return []string{"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"}
}

// memory returns the limit that compose sends to the engine: deploy's wins, and compose-go refuses two that differ.
func memory(s types.ServiceConfig) int64 {
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil && s.Deploy.Resources.Limits.MemoryBytes > 0 {
		return int64(s.Deploy.Resources.Limits.MemoryBytes)
	}
	return max(0, int64(s.MemLimit))
}

// defaultPeriod of a quota is the kernel's, in microseconds.
const defaultPeriod = 100_000

// quota returns what compose sends to the engine: deploy's limit overrides cpus (compose-go refuses two that differ), and
// both are another setting than cpu_quota.
func quota(s types.ServiceConfig) (cpus float64, clash bool) {
	given := s.CPUS
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil && s.Deploy.Resources.Limits.NanoCPUs > 0 {
		given = s.Deploy.Resources.Limits.NanoCPUs.Value()
	}
	cpus = math.Round(float64(given)*1e6) / 1e6 // the float32 of 0.1 is 0.10000000149
	switch {
	case cpus > 0:
		return cpus, s.CPUQuota > 0 || s.CPUPeriod > 0
	case s.CPUQuota <= 0:
		return 0, false
	case s.CPUPeriod > 0:
		return float64(s.CPUQuota) / float64(s.CPUPeriod), false
	}
	return float64(s.CPUQuota) / defaultPeriod, false
}

// restart returns the service's own policy or, without one, that of deploy in the terms of containers.
func restart(s types.ServiceConfig) Restart {
	if s.Restart != "" {
		name, most, _ := strings.Cut(s.Restart, ":")
		n, err := strconv.Atoi(most)
		if err != nil { // none, or one that compose refuses
			n = 0
		}
		return Restart{Policy: worker.RestartPolicy{Name: name, MaxRetries: n}, Retries: most}
	}
	if s.Deploy == nil || s.Deploy.RestartPolicy == nil {
		return Restart{}
	}
	policy := worker.RestartPolicy{Name: s.Deploy.RestartPolicy.Condition}
	switch policy.Name {
	case "none":
		policy.Name = "no"
	case "any", "":
		policy.Name = "always"
	}
	if most := s.Deploy.RestartPolicy.MaxAttempts; most != nil {
		policy.MaxRetries = int(*most) //nolint:gosec // a number of attempts
	}
	return Restart{Policy: policy}
}

// ports returns the container's ports; of a range, the first one.
func ports(s types.ServiceConfig) []int {
	var all []int
	for _, p := range s.Ports {
		if p.Target > 0 && (p.Protocol == "" || p.Protocol == "tcp") {
			all = append(all, int(p.Target))
		}
	}
	for _, text := range s.Expose {
		number, protocol, _ := strings.Cut(text, "/")
		number, _, _ = strings.Cut(number, "-")
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 && (protocol == "" || protocol == "tcp") {
			all = append(all, int(n))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func networks(s types.ServiceConfig) []string {
	if s.NetworkMode != "" {
		return nil
	}
	if _, only := s.Networks["default"]; only && len(s.Networks) == 1 {
		return nil
	}
	return slices.Sorted(maps.Keys(s.Networks))
}

func health(check *types.HealthCheckConfig) Health {
	switch {
	case check == nil:
		return HealthUnspecified
	case check.Disable || (len(check.Test) > 0 && check.Test[0] == "NONE"):
		return HealthOff
	case len(check.Test) == 0: // other times for the image's check
		return HealthUnspecified
	}
	return HealthOn
}
