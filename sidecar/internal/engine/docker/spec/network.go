package spec

import (
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// networks determines which networks to connect to at create and which afterwards (R8). From API 1.44 on create accepts all networks; below
// it accepts one, and the others follow in the order of their names. A created container has no endpoints before its start, so the
// addresses may still be in use by the old one.
func (b *builder) networks() error {
	settings, host := b.old.NetworkSettings, b.spec.HostConfig
	if host.NetworkMode.IsContainer() || host.NetworkMode.IsHost() || host.NetworkMode.IsNone() || b.spec.Config.NetworkDisabled {
		return nil // the mode is enough, and more is refused (R7)
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

// ModeNetwork returns the network that a container's mode names; empty if the mode is no network.
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

// composeService is a label of docker compose's containers: it is an alias of each in the networks of its project.
const composeService = "com.docker.compose.service"

// Endpoints returns how to connect a container again to networks that it had when it was inspected. A network without settings in the
// inspect gets an endpoint without settings.
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

// unconnected handles a container that was disconnected from all networks: its mode would connect it again. Podman's slirp4netns and pasta
// are modes without a network.
func (b *builder) unconnected() error {
	if b.in.Engine.Podman {
		return nil
	}
	return Refusal{Hazard: "R8", Field: "NetworkSettings.Networks", Why: "it was disconnected from all networks, and create would connect it to " + string(b.spec.HostConfig.NetworkMode)}
}

// split divides the endpoints between create and connect. An empty entry for the network of the mode is omitted if it is alone.
func (b *builder) split(primary string, endpoints []Endpoint) {
	atCreate, after := endpoints, []Endpoint(nil)
	if !b.apiAtLeast("1.44") && !b.in.Engine.Podman { // Podman reports 1.41 and accepts all
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

// endpoint keeps the requested settings and drops the resulting ones: an address that the engine chose would become static, and another
// container may have it after the next restart of the host (R9, R10).
func (b *builder) endpoint(name string, old *network.EndpointSettings) *network.EndpointSettings {
	if old == nil {
		return &network.EndpointSettings{}
	}
	kept := &network.EndpointSettings{DriverOpts: maps.Clone(old.DriverOpts), GwPriority: old.GwPriority}
	if container.NetworkMode(name).IsUserDefined() {
		kept.IPAMConfig = static(old.IPAMConfig)
		kept.Aliases = b.aliases(old.Aliases)
		for _, link := range old.Links {
			kept.Links = append(kept.Links, namesByID(b.in.Names).link(link))
		}
	}
	kept.MacAddress = b.secondaryMAC(name, old)
	return kept
}

// aliases drops the old ID, which engines below API 1.45 list as an alias and add to each container anyway (R6). A host name that they list
// too is harmless, except on Podman, which would list it once more each time.
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

// primaryMAC sets a requested MAC address where this API version accepts it (R11): in the configuration below 1.44, at the endpoint from
// there on.
func (b *builder) primaryMAC(primary string, endpoints []Endpoint) {
	mac := b.spec.Config.MacAddress //nolint:staticcheck // for engines below API 1.44
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

// secondaryMAC decides about the MAC address of a network that is not the mode's: an inspect shows it whether it was requested or not.
// Below API 1.44 it cannot have been requested. Up to 1.47 the engine derives its own from the address. Later it draws them, always marked
// as local, so only one without the mark was surely requested.
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
	b.note("R11", "NetworkSettings.Networks["+name+"].MacAddress", "%s is not carried over: it is unknown whether it was requested", old.MacAddress)
	return ""
}

// isDerived reports whether a MAC address is 02:42 and the four bytes of the address, as engines before 28 generate it.
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

// primaryNetwork returns the network that create connects to by default.
func primaryNetwork(mode container.NetworkMode) string {
	if mode == "" || mode.IsDefault() {
		return network.NetworkBridge
	}
	return string(mode)
}

// namedMode replaces a network's ID by its name: a network that was recreated has another ID.
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
