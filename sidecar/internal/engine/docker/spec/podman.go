package spec

import (
	"slices"
	"strings"
)

// podman undoes what Podman's inspect says in another way than its create takes it (R29). Known from its source
// (pkg/api/handlers/compat, libpod/container_inspect.go), not from a running one.
func (b *builder) podman() error {
	if !b.in.Engine.Podman {
		return nil
	}
	host, conf := b.spec.HostConfig, b.spec.Config
	if s := host.MemorySwappiness; s != nil && *s <= 0 {
		host.MemorySwappiness = nil // 0 and -1 are "not set"; sent, they fail on cgroup v2
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
	own := "HOSTNAME=" + shortID(b.old.ID)
	conf.Env = slices.DeleteFunc(conf.Env, func(entry string) bool { return entry == own })
	if len(host.Links) > 0 {
		return Refusal{Hazard: "R16", Field: "HostConfig.Links", Why: "Podman does not create containers with links"}
	}
	b.note("R29", "HostConfig", "Podman's inspect does not show static addresses, log options, time zone, umask and secrets: they are not carried over")
	return nil
}
