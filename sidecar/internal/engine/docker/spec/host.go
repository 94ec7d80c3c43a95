package spec

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// hostname drops a name that the engine assigned: the old ID, which would be wrong for the new container (R5), and the host's name in host
// mode. With the host's UTS namespace create accepts no name (R4).
func (b *builder) hostname() error {
	conf, host := b.spec.Config, b.spec.HostConfig
	switch {
	case conf.Hostname == shortID(b.old.ID), host.UTSMode.IsHost():
		conf.Hostname = ""
	case host.NetworkMode.IsHost() && conf.Hostname != "":
		b.hostHostname()
	}
	if file := host.ContainerIDFile; file != "" {
		b.note("R35", "HostConfig.ContainerIDFile", "%s still holds the ID of the old container", file)
	}
	return nil
}

// hostHostname: an inspect does not show whether the name was requested or is the host's own.
func (b *builder) hostHostname() {
	switch conf := b.spec.Config; b.in.Engine.Hostname {
	case conf.Hostname:
		conf.Hostname = ""
	case "":
		b.note("R5", "Config.Hostname", "%s is kept: it is unknown whether it is the host's own", conf.Hostname)
	}
}

// limits sends the quota that the running container had: docker update writes it into the same fields that inspect shows.
func (b *builder) limits() error {
	host := b.spec.HostConfig
	oneQuota(&host.Resources, b.in.Engine.Podman)
	host.Ulimits = withoutDefaults(host.Ulimits, b.in.Engine.Ulimits)
	if host.IpcMode == "" && !b.in.Engine.Podman {
		host.IpcMode = container.IPCModeShareable // the engine's interpretation; a new container would get "private" (R30)
	}
	if host.CgroupnsMode == "" && !b.in.Engine.Podman && b.apiAtLeast("1.41") {
		host.CgroupnsMode = container.CgroupnsModeHost // likewise, since cgroup v2
	}
	host.SecurityOpt = withoutParentLabels(host)
	return nil
}

// oneQuota keeps one form of the quota, because create accepts only one (R28). Docker's inspect has the one that was used.
// Podman's has both: the pair is what was set, NanoCpus is computed from it, and only for a period of 100 ms.
func oneQuota(r *container.Resources, podman bool) {
	switch {
	case r.NanoCPUs == 0 || (r.CPUPeriod == 0 && r.CPUQuota == 0):
	case podman && r.CPUQuota != 0:
		r.NanoCPUs = 0
	default:
		r.CPUPeriod, r.CPUQuota = 0, 0
	}
}

// withoutDefaults drops the limits that inspect merged in from the daemon's configuration (R26). If that is not known
// they stay, and become the container's own.
func withoutDefaults(limits, defaults []*container.Ulimit) []*container.Ulimit {
	return slices.DeleteFunc(limits, func(l *container.Ulimit) bool {
		return l == nil || slices.ContainsFunc(defaults, func(d *container.Ulimit) bool { return d != nil && *d == *l })
	})
}

// withoutParentLabels drops the four SELinux labels that the engine copies from the container whose ipc or pid namespace is shared. The
// parent may have other labels since, and create derives them again if none are given.
func withoutParentLabels(host *container.HostConfig) []string {
	if !host.IpcMode.IsContainer() && !host.PidMode.IsContainer() {
		return host.SecurityOpt
	}
	parts := []string{"label=user:", "label=role:", "label=type:", "label=level:"}
	isPart := func(option string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.HasPrefix(option, part) })
	}
	found := 0
	for _, option := range host.SecurityOpt {
		if isPart(option) {
			found++
		}
	}
	if found != len(parts) {
		return host.SecurityOpt
	}
	return slices.DeleteFunc(slices.Clone(host.SecurityOpt), isPart)
}

// ports only adds a note: a port that the engine chose is chosen again, as at every restart (R31).
func (b *builder) ports() error {
	for port, bindings := range b.spec.HostConfig.PortBindings {
		for _, binding := range bindings {
			if binding.HostPort == "" || binding.HostPort == "0" || strings.Contains(binding.HostPort, "-") {
				b.note("R31", "HostConfig.PortBindings["+string(port)+"]", "its host port is the engine's choice and changes")
				break
			}
		}
	}
	if b.spec.HostConfig.PublishAllPorts {
		b.note("R31", "HostConfig.PublishAllPorts", "the host ports are the engine's choice and change")
	}
	slices.SortStableFunc(b.spec.Notes, func(x, y Note) int { return strings.Compare(x.Field, y.Field) })
	return nil
}
