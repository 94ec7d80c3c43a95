package spec

import (
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
)

const composeProject = "com.docker.compose.project"

// copied deals with compose's configs and secrets that are given as content or from the environment: compose writes them
// into the created container, and no inspect shows it (R22; compose, pkg/compose/secrets.go). They lie at /run/secrets/…
// and /… unless the compose file says elsewhere; a file elsewhere cannot be told from one that the worker wrote.
//
// Compose refuses such a file together with a read-only root, and with file: it is a bind mount, which is carried over.
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
		return Refusal{Hazard: "R22", Field: labelField(composeProject), Why: "compose may have copied these in, and nobody carries them over: " + strings.Join(files, ", ")}
	}
	b.spec.Carry = files
	return nil
}

// suspects are the files that were added at compose's own places and lie on no mount, sorted.
func (b *builder) suspects() []string {
	folders := map[string]bool{} // everything that something lies in
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

// isMounted: the engine lists the mount points that it made as added too, and the folders above them.
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
