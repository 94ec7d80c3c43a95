package spec

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// owner is another program that recreates containers, and the label of its containers.
type owner struct {
	label, who string
}

func owners() []owner {
	return []owner{
		{"com.docker.swarm.task.id", "Swarm"},
		{"com.docker.swarm.service.id", "Swarm"},
		{"io.kubernetes.pod.uid", "Kubernetes"},
		{"com.hashicorp.nomad.alloc_id", "Nomad"},
		{"com.amazonaws.ecs.task-arn", "ECS"},
		{"PODMAN_SYSTEMD_UNIT", "a systemd unit"},
	}
}

// refuseForeign refuses containers that Stoker must not create: its own (R36), one that the engine is still removing (R34), and one that
// another program manages (R38).
func (b *builder) refuseForeign() error {
	if b.in.Self != "" && b.in.Self == b.old.ID {
		return Refusal{Hazard: "R36", Field: "Id", Why: "it is the container that Stoker itself runs in"}
	}
	if s := b.old.State; s != nil && (s.Dead || s.Status == container.StateDead || s.Status == container.StateRemoving) {
		return Refusal{Hazard: "R34", Field: "State.Status", Why: "the engine is removing it, and holds its name until it is done"}
	}
	for _, o := range owners() {
		if b.old.Config.Labels[o.label] != "" {
			return Refusal{Hazard: "R38", Field: labelField(o.label), Why: o.who + " manages it and recreates it itself"}
		}
	}
	if strings.EqualFold(b.old.Config.Labels[composeOneOff], "true") {
		return Refusal{Hazard: "R38", Field: labelField(composeOneOff), Why: "it is a one-off container of compose run"}
	}
	return nil
}

const composeOneOff = "com.docker.compose.oneoff"

func labelField(label string) string { return "Config.Labels[" + label + "]" }

// refuseMissing refuses if a required object is missing that the engine would recreate, empty, or whose absence it would report only at the
// start: a created container can even be connected to a network that does not exist (seen on 20.10.24).
func (b *builder) refuseMissing() error {
	switch m := b.in.Missing; {
	case m.Image != "":
		return Refusal{Hazard: "R25", Field: "Image", Why: "image " + m.Image + " is gone"}
	case len(m.Volumes) > 0:
		return Refusal{Hazard: "R12", Field: "Mounts", Why: "gone: " + "volume " + strings.Join(m.Volumes, ", volume ")}
	case len(m.Networks) > 0:
		return Refusal{Hazard: "R8", Field: "NetworkSettings.Networks", Why: "gone: " + "network " + strings.Join(m.Networks, ", network ")}
	case len(m.Containers) > 0:
		return Refusal{Hazard: "R1", Field: "HostConfig", Why: "it refers to a missing container: " + strings.Join(m.Containers, ", container ")}
	}
	return nil
}

// refuseDropped refuses fields that the engine, or the Docker client, would drop or refuse at the API version in use. That happens if
// DOCKER_API_VERSION pins an old one (moby, api/server/router/container/container_routes.go).
func (b *builder) refuseDropped() error {
	host, conf := b.old.HostConfig, b.old.Config
	for _, field := range []struct {
		hazard, name, since string
		used                bool
	}{
		{"R15", "Config.Healthcheck.StartInterval", "1.44", conf.Healthcheck != nil && conf.Healthcheck.StartInterval != 0},
		{"R37", "HostConfig.Annotations", "1.43", len(host.Annotations) > 0},
		{"R30", "HostConfig.Mounts.BindOptions.CreateMountpoint", "1.42", createsMountpoint(host)},
		{"R8", "NetworkSettings.Networks.GwPriority", "1.48", hasGatewayPriority(b.old)},
	} {
		if field.used && !b.apiAtLeast(field.since) && !b.in.Engine.Podman {
			return Refusal{Hazard: field.hazard, Field: field.name, Why: fmt.Sprintf(
				"needs API %s, and version %s is in use: unset DOCKER_API_VERSION", field.since, b.in.Engine.APIVersion)}
		}
	}
	return b.refuseInterfaceSysctls()
}

// refuseInterfaceSysctls: from API 1.48 on, create refuses a setting of one interface as a sysctl of the container; it is a driver option
// of the network instead. It is unknown which network eth1 was. Containers created by an older engine may have such settings.
func (b *builder) refuseInterfaceSysctls() error {
	if !b.apiAtLeast("1.48") || !b.old.HostConfig.NetworkMode.IsPrivate() {
		return nil
	}
	for key := range b.old.HostConfig.Sysctls {
		parts := strings.SplitN(key, ".", 5)
		if len(parts) == 5 && parts[0] == "net" && strings.HasPrefix(parts[3], "eth") {
			return Refusal{Hazard: "R37", Field: "HostConfig.Sysctls[" + key + "]", Why: "this engine accepts it only as a driver option of a network: set it there"}
		}
	}
	return nil
}

func createsMountpoint(host *container.HostConfig) bool {
	for _, m := range host.Mounts {
		if m.BindOptions != nil && m.BindOptions.CreateMountpoint {
			return true
		}
	}
	return false
}

func hasGatewayPriority(c *container.InspectResponse) bool {
	if c.NetworkSettings == nil {
		return false
	}
	for _, ep := range c.NetworkSettings.Networks {
		if ep != nil && ep.GwPriority != 0 {
			return true
		}
	}
	return false
}
