package spec

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Clone is the fields in which a further container differs from the one that it copies.
type Clone struct {
	Name   string // its own, without the slash
	Number int    // in its service
	Of     string // the label with the name of the copied one
}

// composeNumber is the label with the number of a container in its Compose service.
const composeNumber = "com.docker.compose.container-number"

// CloneOf turns the inspect of a container into that of a further one, for Build. It returns an error if there can be only one: with a
// fixed host port, a static address, or a named volume that it writes to. New anonymous volumes are created.
func CloneOf(raw json.RawMessage, c Clone) (json.RawMessage, error) {
	old, err := decode(raw)
	if err != nil {
		return nil, err
	}
	for _, refuse := range []func(*container.InspectResponse) error{refusePorts, refuseAddresses, refuseVolumes} {
		if err := refuse(old); err != nil {
			return nil, err
		}
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read the inspect of a container: %w", err)
	}
	name := strings.TrimPrefix(old.Name, "/")
	if conf, ok := doc["Config"].(map[string]any); ok {
		labels, _ := conf["Labels"].(map[string]any)
		if labels == nil {
			labels = map[string]any{}
		}
		labels[composeNumber], labels[c.Of] = strconv.Itoa(c.Number), name
		conf["Labels"] = labels
	}
	dropAnonymous(doc)
	renameAliases(doc, name, c.Name)
	doc["Name"] = "/" + c.Name
	return json.Marshal(doc)
}

func refusePorts(old *container.InspectResponse) error {
	for port, bindings := range old.HostConfig.PortBindings {
		for _, b := range bindings {
			if b.HostPort != "" && b.HostPort != "0" {
				return fmt.Errorf("it publishes %s at port %s of the host, which only one container can have", port, b.HostPort)
			}
		}
	}
	return nil
}

func refuseAddresses(old *container.InspectResponse) error {
	if old.NetworkSettings == nil {
		return nil
	}
	for name, n := range old.NetworkSettings.Networks {
		if n != nil && n.IPAMConfig != nil && (n.IPAMConfig.IPv4Address != "" || n.IPAMConfig.IPv6Address != "") {
			return fmt.Errorf("it has a fixed address in the network %s", name)
		}
	}
	return nil
}

func refuseVolumes(old *container.InspectResponse) error {
	for _, m := range old.Mounts {
		if m.Type == mount.TypeVolume && m.RW && !anonymous(m.Name) {
			return fmt.Errorf("it writes to the volume %s at %s, which two would share", m.Name, m.Destination)
		}
	}
	return nil
}

// anonymousName matches the engine's names of anonymous volumes.
var anonymousName = regexp.MustCompile(`^[0-9a-f]{64}$`)

func anonymous(volume string) bool { return anonymousName.MatchString(volume) }

// dropAnonymous removes the mounts of anonymous volumes: the engine creates new ones from Config.Volumes and the image.
func dropAnonymous(doc map[string]any) {
	mounts, _ := doc["Mounts"].([]any)
	kept := make([]any, 0, len(mounts))
	for _, m := range mounts {
		one, _ := m.(map[string]any)
		name, _ := one["Name"].(string)
		if one["Type"] == string(mount.TypeVolume) && anonymous(name) {
			continue
		}
		kept = append(kept, m)
	}
	doc["Mounts"] = kept
	host, _ := doc["HostConfig"].(map[string]any)
	binds, _ := host["Binds"].([]any)
	var named []any
	for _, b := range binds {
		text, _ := b.(string)
		if source, _, _ := strings.Cut(text, ":"); !anonymous(source) {
			named = append(named, b)
		}
	}
	if len(binds) > 0 {
		host["Binds"] = named
	}
}

// renameAliases replaces the name in the aliases in its networks.
func renameAliases(doc map[string]any, from, to string) {
	settings, _ := doc["NetworkSettings"].(map[string]any)
	networks, _ := settings["Networks"].(map[string]any)
	for _, n := range networks {
		one, _ := n.(map[string]any)
		for _, field := range []string{"Aliases", "DNSNames"} {
			names, _ := one[field].([]any)
			for i, alias := range names {
				if alias == from {
					names[i] = to
				}
			}
		}
	}
}
