package spec

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// pins is what it takes to give a new container the volumes of the old one that nobody named: those of the image, of -v
// /data, and of a mount without a source (R12). Left as they are, each would become a new, empty volume.
type pins struct {
	binds  map[int]string // index in HostConfig.Binds to the entry with a name
	mounts map[int]string // index in HostConfig.Mounts to the name of the volume
	added  []mount.Mount  // for what only Config.Volumes says, by target
}

// volumes sends Binds and Mounts as they were asked for, never rebuilt from what they became (R30), and names the volumes
// that had no name.
func (b *builder) volumes() error {
	for _, m := range b.old.Mounts {
		if m.Type == mount.TypeVolume && m.Name == "" {
			return Refusal{Hazard: "R12", Field: "Mounts[" + m.Destination + "]", Why: "the volume there has no name to find it by"}
		}
	}
	p, host := unnamed(b.old), b.spec.HostConfig
	for i, entry := range p.binds {
		host.Binds[i] = entry
	}
	for i, name := range p.mounts {
		host.Mounts[i].Source = name
		host.Mounts[i].VolumeOptions = withoutCopy(host.Mounts[i].VolumeOptions)
	}
	host.Mounts = append(host.Mounts, p.added...)
	if len(p.binds)+len(p.mounts)+len(p.added) > 0 {
		b.note("R12", "HostConfig.Mounts", "anonymous volumes are kept by name: removing the new container with its volumes leaves them")
	}
	const worthTelling = 10 << 20 // bytes
	if size := b.old.SizeRw; size != nil && *size >= worthTelling {
		b.note("R13", "SizeRw", "%d bytes written outside of volumes are lost", *size)
	}
	return nil
}

// generated is how an engine names a volume that nobody named.
var generated = regexp.MustCompile(`^[0-9a-f]{64}$`)

// nameByPlace is the name of a volume that shows none, from where it lies: …/NAME/_data. The volume of a bind without a
// source has no name in the inspect of 28.5.2, which makes the name and does not put it down (registerMountPoints). Empty
// where this is no such place. Needs.Places has it, to be verified.
func nameByPlace(source string) string {
	folder, file := path.Split(source)
	if name := path.Base(folder); file == "_data" && generated.MatchString(name) {
		return name
	}
	return ""
}

// unnamed finds the volumes without a name. It changes nothing.
func unnamed(c *container.InspectResponse) pins {
	p := pins{binds: map[int]string{}, mounts: map[int]string{}}
	volumes := map[string]container.MountPoint{} // by target
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume && m.Name != "" {
			volumes[path.Clean(m.Destination)] = m
		}
	}
	claim := func(target string) (name string, ok bool) {
		m, ok := volumes[path.Clean(target)]
		delete(volumes, path.Clean(target))
		return m.Name, ok
	}
	for i, entry := range c.HostConfig.Binds {
		source, target, named := strings.Cut(entry, ":")
		if named {
			target, _, _ = strings.Cut(target, ":")
			claim(target)
		} else if name, ok := claim(source); ok { // the entry is a target alone
			p.binds[i] = name + ":" + entry
		}
	}
	for i, m := range c.HostConfig.Mounts {
		if name, ok := claim(m.Target); ok && m.Type == mount.TypeVolume && m.Source == "" {
			p.mounts[i] = name
		}
	}
	p.added = added(c, volumes)
	return p
}

// added are mounts for the volumes that nothing in HostConfig accounts for. With volumes-from, those that are not in
// Config.Volumes are the other container's; of the rest nobody can tell whose they are, and naming them is right for both.
func added(c *container.InspectResponse, left map[string]container.MountPoint) []mount.Mount {
	declared := map[string]bool{}
	for target := range c.Config.Volumes {
		declared[path.Clean(target)] = true
	}
	var list []mount.Mount
	for target, m := range left {
		if len(c.HostConfig.VolumesFrom) > 0 && !declared[target] {
			continue
		}
		list = append(list, mount.Mount{
			Type: mount.TypeVolume, Source: m.Name, Target: target, ReadOnly: !m.RW,
			VolumeOptions: withoutCopy(nil),
		})
	}
	slices.SortFunc(list, func(a, b mount.Mount) int { return strings.Compare(a.Target, b.Target) })
	return list
}

// withoutCopy keeps the engine from filling a volume that the worker has emptied with the image's files again.
func withoutCopy(o *mount.VolumeOptions) *mount.VolumeOptions {
	options := mount.VolumeOptions{}
	if o != nil {
		options = *o
	}
	options.NoCopy = true
	return &options
}
