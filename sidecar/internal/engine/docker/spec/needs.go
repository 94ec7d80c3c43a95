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
	// Places has the volumes whose names the inspect does not show, with their paths. Each is one of Volumes only if the engine reports
	// this very path as its mount point.
	Places map[string]string
}

// Needed returns what a container like this one requires. Input.Missing is the part of it that does not exist on the engine.
func Needed(inspect []byte) (Needs, error) {
	c, err := decodeAsShown(inspect)
	if err != nil {
		return Needs{}, err
	}
	n := Needs{Image: c.Image, Containers: neededContainers(c.HostConfig)}
	n.volumes(c.Mounts)
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

func (n *Needs) volumes(mounts []container.MountPoint) {
	for _, m := range mounts {
		name := m.Name
		if m.Type == mount.TypeVolume && name == "" {
			name = nameByPlace(m.Source)
			n.place(name, m.Source)
		}
		if m.Type == mount.TypeVolume && name != "" {
			n.Volumes = append(n.Volumes, name)
		}
	}
}

func (n *Needs) place(volume, at string) {
	if volume == "" {
		return
	}
	if n.Places == nil {
		n.Places = map[string]string{}
	}
	n.Places[volume] = at
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
