package spec

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// namedVolumes is the changes that give a new container the old one's anonymous volumes: those of the image, of -v /data, and of a mount
// without a source (R12). Left unchanged, each would become a new, empty volume.
type namedVolumes struct {
	binds  map[int]string // index in HostConfig.Binds to the entry with a name
	mounts map[int]string // index in HostConfig.Mounts to the name of the volume
	added  []mount.Mount  // for those that are only in Config.Volumes, by target
}

// volumes sends Binds and Mounts as requested, never rebuilt from the resulting mounts (R30), and adds the names of the volumes that had
// none.
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
	const worthReporting = 10 << 20 // bytes
	if size := b.old.SizeRw; size != nil && *size >= worthReporting {
		b.note("R13", "SizeRw", "%d bytes written outside of volumes are lost", *size)
	}
	return nil
}

// generated matches the engine's names of anonymous volumes.
var generated = regexp.MustCompile(`^[0-9a-f]{64}$`)

// nameByPlace returns the name of a volume without one in the inspect, from its path: …/NAME/_data. The volume of a bind without a source
// has no name in the inspect of 28.5.2, which generates the name and does not store it (registerMountPoints). The result is empty for
// another path. Needs.Places has the path, to be verified.
func nameByPlace(source string) string {
	folder, file := path.Split(source)
	if name := path.Base(folder); file == "_data" && generated.MatchString(name) {
		return name
	}
	return ""
}

// unnamed finds the volumes without a name. It changes nothing.
func unnamed(c *container.InspectResponse) namedVolumes {
	p := namedVolumes{binds: map[int]string{}, mounts: map[int]string{}}
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
		} else if name, ok := claim(source); ok { // the entry is only a target
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

// added returns mounts for the volumes that are not in HostConfig. With volumes-from, those that are not in Config.Volumes belong to the
// other container; the owner of the rest is unknown, and naming them is right for both.
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

// withoutCopy prevents the engine from copying the image's files into a volume that the worker has emptied.
func withoutCopy(o *mount.VolumeOptions) *mount.VolumeOptions {
	options := mount.VolumeOptions{}
	if o != nil {
		options = *o
	}
	options.NoCopy = true
	return &options
}
