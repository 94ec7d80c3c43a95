package dockertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
)

// Body is what a container was made from in the engine's own words. Inspect echoes it.
type Body struct {
	Config   *api.Config
	Host     *api.HostConfig
	Networks map[string]*network.EndpointSettings
	Mounts   []api.MountPoint  // what became of the volumes; the engine fills it in
	Files    map[string]string // written into it since, by path
}

// Made is the spec of a container that is made through the API with these words.
func Made(name string, config api.Config, host api.HostConfig, networks map[string]*network.EndpointSettings) Spec {
	return createBody{Config: config, HostConfig: host, NetworkingConfig: network.NetworkingConfig{EndpointsConfig: networks}}.spec(name)
}

// BehaviourEnv is an entry for the environment of a container that is made through the API, so that it behaves like this,
// and a container that is made like it too.
func BehaviourEnv(b Behaviour, lives ...Behaviour) string {
	text, err := json.Marshal(append([]Behaviour{b}, lives...))
	if err != nil {
		panic(fmt.Sprintf("dockertest: a behaviour does not encode: %v", err))
	}
	return behaviourKey + string(text)
}

const behaviourKey = "DOCKERTEST="

func behaviourOf(env []string) (Behaviour, []Behaviour) {
	for _, entry := range env {
		text, ok := strings.CutPrefix(entry, behaviourKey)
		var all []Behaviour
		if ok && json.Unmarshal([]byte(text), &all) == nil && len(all) > 0 {
			return all[0], all[1:]
		}
	}
	return Behaviour{}, nil
}

// clone is a copy that shares nothing.
func (b *Body) clone() *Body {
	if b == nil {
		return nil
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(fmt.Sprintf("dockertest: a container's body does not encode: %v", err))
	}
	copied := &Body{}
	if err := json.Unmarshal(text, copied); err != nil {
		panic(fmt.Sprintf("dockertest: a container's body does not decode: %v", err))
	}
	return copied
}

// stores are the volumes and networks of the host. The default networks are always there.
type stores struct {
	volumes  map[string]bool // true is anonymous
	networks map[string]bool
}

// Volumes are all volumes that there are, sorted.
func (w *World) Volumes() []string { return slices.Sorted(maps.Keys(w.stores.volumes)) }

// RemoveVolume removes a volume although a container uses it, which no client could: for tests of what is gone.
func (w *World) RemoveVolume(name string) { delete(w.stores.volumes, name) }

// AddNetwork makes a network.
func (w *World) AddNetwork(name string) {
	if w.stores.networks == nil {
		w.stores.networks = map[string]bool{}
	}
	w.stores.networks[name] = true
}

// RemoveNetwork takes it away.
func (w *World) RemoveNetwork(name string) { delete(w.stores.networks, name) }

func (w *World) hasNetwork(name string) bool {
	return !api.NetworkMode(name).IsUserDefined() || w.stores.networks[name]
}

// WriteFile is a file that is written into a container.
func (w *World) WriteFile(name, file, content string) {
	if c := w.find(name); c != nil && c.Spec.Body != nil {
		c.Spec.Body.write(file, content)
	}
}

// File is what a container has at a path, as far as it was written since.
func (w *World) File(name, file string) string {
	if c := w.find(name); c != nil && c.Spec.Body != nil {
		return c.Spec.Body.Files[file]
	}
	return ""
}

func (b *Body) write(file, content string) {
	if b.Files == nil {
		b.Files = map[string]string{}
	}
	b.Files[path.Join("/", file)] = content
}

// furnish does what the engine adds while it makes a container: a host name, a network, and volumes for what names
// none.
func (w *World) furnish(c *container) {
	b := c.Spec.Body
	if b == nil {
		return
	}
	mode := b.Host.NetworkMode
	if b.Config.Hostname == "" && !mode.IsContainer() {
		b.Config.Hostname = c.ID[:12]
	}
	if mode == "" {
		b.Host.NetworkMode, mode = "default", "default"
	}
	if len(b.Networks) == 0 && !mode.IsContainer() {
		name := string(mode)
		if mode.IsDefault() {
			name = network.NetworkBridge
		}
		b.Networks = map[string]*network.EndpointSettings{name: {}}
	}
	b.Mounts = w.mounts(c)
}

// mounts finds or makes the volumes that a container asks for: in Mounts, in Binds, and in Config.Volumes.
func (w *World) mounts(c *container) []api.MountPoint {
	b := c.Spec.Body
	list, done := []api.MountPoint{}, map[string]bool{}
	add := func(name, target string, write bool) {
		if target = path.Clean(target); done[target] {
			return
		}
		done[target] = true
		anonymous := name == ""
		if anonymous {
			name = longID(fingerprint(c.ID + target))
		}
		if w.stores.volumes == nil {
			w.stores.volumes = map[string]bool{}
		}
		if _, there := w.stores.volumes[name]; !there {
			w.stores.volumes[name] = anonymous
		}
		list = append(list, api.MountPoint{
			Type: mount.TypeVolume, Name: name, Destination: target, Driver: "local", Mode: "z", RW: write,
			Source: "/volumes/" + name + "/_data",
		})
	}
	for _, m := range b.Host.Mounts {
		if m.Type == mount.TypeVolume {
			add(m.Source, m.Target, !m.ReadOnly)
		}
	}
	for _, bind := range b.Host.Binds {
		if source, rest, named := strings.Cut(bind, ":"); named {
			target, mode, _ := strings.Cut(rest, ":")
			add(source, target, mode != "ro")
		} else {
			add("", bind, true)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(b.Config.Volumes)) {
		add("", target, true)
	}
	return list
}

// dropVolumes removes the anonymous volumes of a container that is removed with its volumes or removes itself, unless
// another container has them too.
func (w *World) dropVolumes(c *container) {
	if c.Spec.Body == nil || (!c.dropVolumes && !c.Spec.AutoRemove) {
		return
	}
	for _, m := range c.Spec.Body.Mounts {
		if w.stores.volumes[m.Name] && !w.usesVolume(m.Name) {
			delete(w.stores.volumes, m.Name)
		}
	}
}

func (w *World) usesVolume(name string) bool {
	for _, c := range w.containers {
		if c.Spec.Body != nil && slices.ContainsFunc(c.Spec.Body.Mounts, func(m api.MountPoint) bool { return m.Name == name }) {
			return true
		}
	}
	return false
}

// networkProblem is a network that is gone, or an address that another running container has.
func (w *World) networkProblem(c *container) *Error {
	if c.Spec.Body == nil {
		return nil
	}
	for name, mine := range c.Spec.Body.Networks {
		if !w.hasNetwork(name) {
			return refuse(http.StatusNotFound, "network %s not found", name)
		}
		if address := staticAddress(mine); address != "" && w.addressTaken(c, name, address) {
			return refuse(http.StatusForbidden, "Address already in use")
		}
	}
	return nil
}

func (w *World) addressTaken(by *container, name, address string) bool {
	for _, c := range w.containers {
		if c == by || c.Spec.Body == nil || !c.Running || c.Restarting {
			continue
		}
		if staticAddress(c.Spec.Body.Networks[name]) == address {
			return true
		}
	}
	return false
}

func staticAddress(e *network.EndpointSettings) string {
	if e == nil || e.IPAMConfig == nil {
		return ""
	}
	return e.IPAMConfig.IPv4Address
}

// show puts the body into an inspect.
func (b *Body) show(in *api.InspectResponse, d Details) {
	own := b.clone()
	in.Config, in.Mounts = own.Config, own.Mounts
	if entry := own.Config.Entrypoint; len(entry)+len(own.Config.Cmd) > 0 {
		line := append(append([]string{}, entry...), own.Config.Cmd...)
		in.Path, in.Args = line[0], line[1:]
	}
	own.Host.NanoCPUs = nanoCPUs(d.Spec.CPUs)
	own.Host.RestartPolicy = in.HostConfig.RestartPolicy
	own.Host.Runtime = in.HostConfig.Runtime
	if own.Host.IpcMode == "" {
		own.Host.IpcMode = in.HostConfig.IpcMode
	}
	in.HostConfig = own.Host
	for name, e := range own.Networks {
		e.NetworkID = longID(fingerprint(name))
		if d.Running {
			e.IPAddress = staticAddress(e)
		}
	}
	in.NetworkSettings = &api.NetworkSettings{Networks: own.Networks}
}
