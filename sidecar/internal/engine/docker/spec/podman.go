package spec

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/versions"
)

// podman converts the fields that Podman's inspect shows in another form than its create accepts (R29). The differences are known from its
// source (pkg/api/handlers/compat, libpod/container_inspect.go), not from a running Podman.
func (b *builder) podman() error {
	if !b.in.Engine.Podman {
		return nil
	}
	host, conf := b.spec.HostConfig, b.spec.Config
	if s := host.MemorySwappiness; s != nil && *s <= 0 {
		host.MemorySwappiness = nil // 0 and -1 are "not set"; sending them fails on cgroup v2
	}
	for i := range host.Devices {
		if host.Devices[i].CgroupPermissions == "" {
			host.Devices[i].CgroupPermissions = "rwm"
		}
	}
	for _, limit := range host.Ulimits {
		limit.Name = strings.ToLower(strings.TrimPrefix(limit.Name, "RLIMIT_"))
	}
	if conf.Healthcheck != nil && len(conf.Healthcheck.Test) == 0 {
		conf.Healthcheck = nil
	}
	if annotatesLimits(b.in.Engine.PodmanVersion) && host.Annotations[podmanPidsLimit] == "" {
		host.PidsLimit = nil // Podman's default, not requested
	}
	own := "HOSTNAME=" + shortID(b.old.ID)
	conf.Env = slices.DeleteFunc(conf.Env, func(entry string) bool { return entry == own })
	if len(host.Links) > 0 {
		return Refusal{Hazard: "R16", Field: "HostConfig.Links", Why: "Podman does not create containers with links"}
	}
	b.note("R29", "HostConfig", "Podman's inspect does not show static addresses, log options, time zone, umask and secrets: they are not carried over")
	return nil
}

// The annotations in which Podman stores requested limits, beside the limits themselves: the number of processes since 5.5.0, the CPUs and
// memory nodes since 5.6.0 (pkg/specgenutil/specgen.go). Its defaults are in the limits only.
const (
	podmanPidsLimit   = "io.podman.annotations.pids-limit"
	podmanCpuset      = "io.podman.annotations.cpuset"
	podmanMemoryNodes = "io.podman.annotations.memory-nodes"
)

// annotatesLimits reports whether this version of Podman annotates a requested limit of processes. If the version is unknown the limit is
// sent unchanged.
func annotatesLimits(version string) bool {
	return version != "" && versions.GreaterThanOrEqualTo(version, "5.5")
}
