package spec

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// references replaces the IDs of other containers, which the engine stored at creation, by their names (R1, R17), and writes links as
// create accepts them (R16). A dependent is recreated onto its new parent this way (R2).
func (b *builder) references() error {
	host, names := b.spec.HostConfig, namesByID(b.in.Names)
	for _, mode := range sharedModes(host) {
		ref, ok := strings.CutPrefix(*mode.value, "container:")
		if !ok {
			continue
		}
		name, known := names.name(ref)
		if !known {
			return Refusal{Hazard: "R1", Field: mode.field, Why: "container " + ref + ", whose namespace it shares, is unknown: its name must be taken while it exists"}
		}
		*mode.value = "container:" + name
	}
	for i, entry := range host.VolumesFrom {
		ref, suffix := cutMode(entry)
		name, known := names.name(ref)
		if !known {
			return Refusal{Hazard: "R17", Field: "HostConfig.VolumesFrom", Why: "container " + ref + ", whose volumes it uses, is unknown"}
		}
		host.VolumesFrom[i] = name + suffix
	}
	for i, link := range host.Links {
		host.Links[i] = names.link(link)
	}
	slices.Sort(host.Links) // inspect lists them in any order
	b.shareNetwork()
	return nil
}

// shareNetwork blanks the fields that create refuses together with another container's network (R3). The old container got all of them from
// its image or its parent, as the new one will.
func (b *builder) shareNetwork() {
	host, conf := b.spec.HostConfig, b.spec.Config
	if !host.NetworkMode.IsContainer() {
		return
	}
	conf.Hostname, conf.Domainname, conf.MacAddress, conf.ExposedPorts = "", "", "", nil //nolint:staticcheck // MacAddress is for engines below API 1.44
	host.DNS, host.DNSOptions, host.DNSSearch, host.ExtraHosts, host.Links = nil, nil, nil, nil, nil
	host.PortBindings, host.PublishAllPorts = nil, false
}

// sharedMode is a field that may refer to another container.
type sharedMode struct {
	field string
	value *string
}

func sharedModes(host *container.HostConfig) []sharedMode {
	return []sharedMode{
		{"HostConfig.NetworkMode", (*string)(&host.NetworkMode)},
		{"HostConfig.PidMode", (*string)(&host.PidMode)},
		{"HostConfig.IpcMode", (*string)(&host.IpcMode)},
	}
}

// namesByID maps container IDs to names.
type namesByID map[string]string

// name returns the name for an ID, full or shortened. A reference that is no ID is a name already; a full ID that is not in the map is
// unknown.
func (n namesByID) name(ref string) (name string, known bool) {
	if own := strings.TrimPrefix(n[ref], "/"); own != "" {
		return own, true
	}
	if !hexID.MatchString(ref) {
		return strings.TrimPrefix(ref, "/"), ref != ""
	}
	found := ""
	for id, own := range n {
		if own = strings.TrimPrefix(own, "/"); own != "" && strings.HasPrefix(id, ref) {
			if found != "" && found != own {
				return "", false
			}
			found = own
		}
	}
	if found != "" {
		return found, true
	}
	const whole = 64
	return ref, len(ref) < whole // deadbeefcafe may be a name
}

// link turns inspect's /child:/parent/alias into create's child:alias, and leaves create's form as it is.
func (n namesByID) link(entry string) string {
	child, alias, ok := strings.Cut(entry, ":")
	if !ok {
		return entry
	}
	if name, known := n.name(strings.TrimPrefix(child, "/")); known {
		child = name
	}
	return child + ":" + alias[strings.LastIndexByte(alias, '/')+1:]
}

// cutMode splits name:ro into name and :ro.
func cutMode(entry string) (ref, suffix string) {
	if i := strings.IndexByte(entry, ':'); i >= 0 {
		return entry[:i], entry[i:]
	}
	return entry, ""
}
