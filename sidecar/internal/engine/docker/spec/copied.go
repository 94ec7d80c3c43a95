package spec

import (
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
)

const composeProject = "com.docker.compose.project"

// copied handles compose's configs and secrets that are given as content or from the environment: compose writes them into the created
// container, and no inspect shows them (R22; compose, pkg/compose/secrets.go). They are at /run/secrets/… and /… unless the compose file
// sets another path. Such a file cannot be distinguished from one that the worker wrote.
//
// Compose refuses such a file together with a read-only root, and with file: it is a bind mount, which is kept.
func (b *builder) copied() error {
	if b.old.Config.Labels[composeProject] == "" || b.old.HostConfig.ReadonlyRootfs {
		return nil
	}
	if b.in.Changes == nil {
		b.note("R22", "Config.Labels["+composeProject+"]", "configs and secrets that compose copied in are not looked for")
		return nil
	}
	files := b.suspects()
	if len(files) > 0 && !b.in.Carry {
		return Refusal{Hazard: "R22", Field: labelField(composeProject), Why: "compose may have copied these in, and they would not be copied: " + strings.Join(files, ", ")}
	}
	b.spec.Carry = files
	return nil
}

// suspects returns the added files at compose's own paths that are on no mount, sorted.
func (b *builder) suspects() []string {
	folders := map[string]bool{} // all folders that have an entry
	for _, c := range b.in.Changes {
		for dir := path.Dir(path.Clean(c.Path)); !folders[dir] && dir != "." && dir != "/"; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	var files []string
	for _, c := range b.in.Changes {
		file := path.Clean(c.Path)
		if c.Kind == container.ChangeAdd && !folders[file] && isComposePlace(file) && !b.isMounted(file) {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func isComposePlace(file string) bool {
	return strings.HasPrefix(file, "/run/secrets/") || (path.Dir(file) == "/" && file != "/")
}

// isMounted reports whether a file is a mount point or above one: the engine lists those that it created as added, too.
func (b *builder) isMounted(file string) bool {
	targets := []string{"/dev", "/proc", "/sys"}
	for _, m := range b.old.Mounts {
		targets = append(targets, m.Destination)
	}
	for target := range b.old.HostConfig.Tmpfs {
		targets = append(targets, target)
	}
	return slices.ContainsFunc(targets, func(target string) bool {
		target = path.Clean(target)
		return target == file || strings.HasPrefix(target, file+"/") || strings.HasPrefix(file, target+"/")
	})
}
