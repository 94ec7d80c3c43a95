package spec

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Needs is what must exist on the engine for a recreate. All lists are sorted.
type Needs struct {
	Image      string   // the ID
	Volumes    []string // by name, anonymous ones too
	Networks   []string // by name; bridge, host and none are not in it
	Containers []string // by ID or name, as the inspect has them
}

// Needed says what a container like this one needs. What of it the engine has not is Input.Missing.
func Needed(inspect []byte) (Needs, error) {
	c, err := decode(inspect)
	if err != nil {
		return Needs{}, err
	}
	n := Needs{Image: c.Image, Containers: neededContainers(c.HostConfig)}
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume && m.Name != "" {
			n.Volumes = append(n.Volumes, m.Name)
		}
	}
	if c.NetworkSettings != nil {
		for name := range c.NetworkSettings.Networks {
			if container.NetworkMode(name).IsUserDefined() {
				n.Networks = append(n.Networks, name)
			}
		}
	}
	for _, list := range []*[]string{&n.Volumes, &n.Networks, &n.Containers} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return n, nil
}

func neededContainers(host *container.HostConfig) []string {
	var refs []string
	for _, mode := range sharedModes(host) {
		if ref, ok := strings.CutPrefix(*mode.value, "container:"); ok {
			refs = append(refs, ref)
		}
	}
	for _, entry := range host.VolumesFrom {
		ref, _ := cutMode(entry)
		refs = append(refs, ref)
	}
	for _, link := range host.Links {
		child, _, _ := strings.Cut(link, ":")
		refs = append(refs, strings.TrimPrefix(child, "/"))
	}
	return refs
}
