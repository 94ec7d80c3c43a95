package spec

import (
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// networks says what to connect to at create and what afterwards (R8). From API 1.44 on create takes all networks; below
// it takes one, and the others follow in the order of their names. A created container is connected on paper only, so
// that the addresses may still be the old one's.
func (b *builder) networks() error {
	settings, host := b.old.NetworkSettings, b.spec.HostConfig
	if host.NetworkMode.IsContainer() || host.NetworkMode.IsHost() || host.NetworkMode.IsNone() || b.spec.Config.NetworkDisabled {
		return nil // the mode says it all, and anything more is refused (R7)
	}
	if settings == nil || settings.Networks == nil {
		return nil
	}
	host.NetworkMode = namedMode(host.NetworkMode, settings.Networks)
	names := slices.Sorted(maps.Keys(settings.Networks))
	if len(names) == 0 {
		return b.unconnected()
	}
	primary := primaryNetwork(host.NetworkMode)
	if i := slices.Index(names, primary); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, primary)
	}
	endpoints := make([]Endpoint, 0, len(names))
	for _, name := range names {
		endpoints = append(endpoints, Endpoint{Network: name, Settings: b.endpoint(name, settings.Networks[name])})
	}
	b.primaryMAC(primary, endpoints)
	b.split(primary, endpoints)
	return nil
}

// ModeNetwork is the network that a container's mode names; empty where that is no network.
func ModeNetwork(in container.InspectResponse) string {
	if in.ContainerJSONBase == nil || in.HostConfig == nil {
		return ""
	}
	mode := in.HostConfig.NetworkMode
	if mode.IsContainer() || mode.IsHost() || mode.IsNone() || (in.Config != nil && in.Config.NetworkDisabled) {
		return ""
	}
	if in.NetworkSettings != nil {
		mode = namedMode(mode, in.NetworkSettings.Networks)
	}
	return primaryNetwork(mode)
}

// composeService is a label of docker compose's containers: each is known by it in the networks of its project.
const composeService = "com.docker.compose.service"

// Endpoints says how to connect a container again to networks that it had when it was inspected. What it has no settings for it is
// connected to without any.
func Endpoints(inspect []byte, networks []string, apiVersion string) ([]Endpoint, error) {
	old, err := decode(inspect)
	if err != nil {
		return nil, err
	}
	had := map[string]*network.EndpointSettings{}
	if old.NetworkSettings != nil {
		had = old.NetworkSettings.Networks
	}
	b := &builder{in: Input{Engine: Engine{APIVersion: apiVersion}}, old: old, spec: Spec{Config: old.Config, HostConfig: old.HostConfig}}
	b.spec.HostConfig.NetworkMode = namedMode(old.HostConfig.NetworkMode, had)
	endpoints := make([]Endpoint, 0, len(networks))
	for _, name := range networks {
		settings := b.endpoint(name, had[name])
		if service := old.Config.Labels[composeService]; had[name] == nil && service != "" && container.NetworkMode(name).IsUserDefined() {
			settings.Aliases = []string{service}
		}
		endpoints = append(endpoints, Endpoint{Network: name, Settings: settings})
	}
	b.primaryMAC(primaryNetwork(b.spec.HostConfig.NetworkMode), endpoints)
	return endpoints, nil
}

// unconnected is a container that somebody disconnected from everything: its mode would connect it again. Podman's
// slirp4netns and pasta are modes without a network.
func (b *builder) unconnected() error {
	if b.in.Engine.Podman {
		return nil
	}
	return Refusal{Hazard: "R8", Field: "NetworkSettings.Networks", Why: "it was disconnected from all networks, and create would connect it to " + string(b.spec.HostConfig.NetworkMode)}
}

// split shares the endpoints out. An entry for the network of the mode says nothing when it holds nothing and is alone.
func (b *builder) split(primary string, endpoints []Endpoint) {
	atCreate, after := endpoints, []Endpoint(nil)
	if !b.apiAtLeast("1.44") && !b.in.Engine.Podman { // Podman says 1.41 and takes all
		atCreate, after = endpoints[:1], endpoints[1:]
	}
	b.spec.Connect = after
	if len(atCreate) == 1 && atCreate[0].Network == primary && isEmpty(atCreate[0].Settings) {
		return
	}
	b.spec.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	for _, e := range atCreate {
		b.spec.NetworkingConfig.EndpointsConfig[e.Network] = e.Settings
	}
}

// endpoint keeps what was asked for and drops what came of it: an address that the engine picked would be fixed for ever,
// and taken by somebody else after the next restart of the host (R9, R10).
func (b *builder) endpoint(name string, old *network.EndpointSettings) *network.EndpointSettings {
	if old == nil {
		return &network.EndpointSettings{}
	}
	kept := &network.EndpointSettings{DriverOpts: maps.Clone(old.DriverOpts), GwPriority: old.GwPriority}
	if container.NetworkMode(name).IsUserDefined() {
		kept.IPAMConfig = static(old.IPAMConfig)
		kept.Aliases = b.aliases(old.Aliases)
		for _, link := range old.Links {
			kept.Links = append(kept.Links, nameBook(b.in.Names).link(link))
		}
	}
	kept.MacAddress = b.secondaryMAC(name, old)
	return kept
}

// aliases drops the old ID, which engines below API 1.45 list among them and give to each container anyway (R6). A host
// name that they list too does no harm, but on a Podman, which would list it once more each time.
func (b *builder) aliases(old []string) []string {
	var kept []string
	for _, alias := range old {
		given := b.in.Engine.Podman && alias == b.old.Config.Hostname
		if alias != "" && alias != shortID(b.old.ID) && !given {
			kept = append(kept, alias)
		}
	}
	return kept
}

// primaryMAC puts a MAC address that was asked for where this API takes it (R11): in the configuration below 1.44, at the
// endpoint from there on.
func (b *builder) primaryMAC(primary string, endpoints []Endpoint) {
	mac := b.spec.Config.MacAddress //nolint:staticcheck // what engines below API 1.44 know
	if mac == "" || (!b.apiAtLeast("1.44") && !b.in.Engine.Podman) {
		return
	}
	b.spec.Config.MacAddress = "" //nolint:staticcheck // as above
	for _, e := range endpoints {
		if e.Network == primary {
			e.Settings.MacAddress = mac
		}
	}
}

// secondaryMAC judges the MAC address of a network that is not the mode's: inspect shows it whether it was asked for or
// not. Below API 1.44 it cannot have been. Up to 1.47 the engine derives its own from the address. Later it draws them,
// always marked as local, so that only one without the mark was surely asked for.
func (b *builder) secondaryMAC(name string, old *network.EndpointSettings) string {
	if old.MacAddress == "" || !b.apiAtLeast("1.44") || b.in.Engine.Podman || name == primaryNetwork(b.spec.HostConfig.NetworkMode) {
		return ""
	}
	mac, err := net.ParseMAC(old.MacAddress)
	if err != nil || isDerived(mac, old.IPAddress) {
		return ""
	}
	const local = 0x02
	if !b.apiAtLeast("1.48") || mac[0]&local == 0 {
		return old.MacAddress
	}
	b.note("R11", "NetworkSettings.Networks["+name+"].MacAddress", "%s is not carried over: it cannot be told whether it was asked for", old.MacAddress)
	return ""
}

// isDerived knows 02:42 and the four bytes of the address, which engines before 28 generate.
func isDerived(mac net.HardwareAddr, address string) bool {
	ip := net.ParseIP(address).To4()
	return ip != nil && len(mac) == 6 && mac[0] == 0x02 && mac[1] == 0x42 && slices.Equal([]byte(mac[2:]), []byte(ip))
}

func static(c *network.EndpointIPAMConfig) *network.EndpointIPAMConfig {
	if c == nil || (c.IPv4Address == "" && c.IPv6Address == "" && len(c.LinkLocalIPs) == 0) {
		return nil
	}
	return c
}

func isEmpty(e *network.EndpointSettings) bool {
	return e.IPAMConfig == nil && len(e.Links)+len(e.Aliases)+len(e.DriverOpts) == 0 && e.GwPriority == 0 && e.MacAddress == ""
}

// primaryNetwork is the network that create connects to when nothing else is said.
func primaryNetwork(mode container.NetworkMode) string {
	if mode == "" || mode.IsDefault() {
		return network.NetworkBridge
	}
	return string(mode)
}

// namedMode writes the network's name where it was given by ID: a network that was recreated has another one.
func namedMode(mode container.NetworkMode, networks map[string]*network.EndpointSettings) container.NetworkMode {
	if !hexID.MatchString(string(mode)) || networks[string(mode)] != nil {
		return mode
	}
	for _, name := range slices.Sorted(maps.Keys(networks)) {
		if ep := networks[name]; ep != nil && strings.HasPrefix(ep.NetworkID, string(mode)) {
			return container.NetworkMode(name)
		}
	}
	return mode
}
