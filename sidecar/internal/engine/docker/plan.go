package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
)

// gather requests all the input of Build.
func (t *stepper) gather(ctx context.Context) (spec.Input, error) {
	in := spec.Input{Container: t.call.Like, Carry: !t.call.OldGone}
	needs, err := spec.Needed(t.call.Like)
	if err != nil {
		return in, err
	}
	list, err := t.list(ctx)
	if err != nil {
		return in, err
	}
	in.Names = namesOf(list, t.a.Names)
	in.Missing.Containers = absent(needs.Containers, list, in.Names)
	if in.Engine, err = t.engine(ctx); err != nil {
		return in, err
	}
	if in.Image, err = t.image(ctx, needs.Image); err != nil {
		return in, err
	}
	if err := t.surroundings(ctx, needs, &in.Missing); err != nil {
		return in, err
	}
	in.Changes, err = t.changes(ctx)
	return in, err
}

func (t *stepper) list(ctx context.Context) (list []container.Summary, err error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if list, err = t.api.ContainerList(ctx, container.ListOptions{All: true}); err != nil {
		return nil, fmt.Errorf("list the containers: %w", err)
	}
	return list, nil
}

// namesOf maps IDs to permanent names. A replacement also stands for the ID of the container that it replaced, so that its dependents find
// it. A container in the middle of a recreate has the name that it will get.
func namesOf(list []container.Summary, more map[string]worker.Key) map[string]string {
	names := map[string]string{}
	for _, one := range list {
		names[one.ID] = string(keyOf(one.Names))
	}
	for _, one := range list {
		name := one.Labels[worker.MarkName]
		if own := names[one.ID]; name == "" || (own != name && own != name+worker.NewSuffix) {
			continue
		}
		names[one.ID], names[one.Labels[worker.MarkOf]] = name, name
	}
	delete(names, "")
	for id, name := range more {
		names[id] = string(name)
	}
	return names
}

// absent returns the references to containers that do not exist.
func absent(refs []string, list []container.Summary, names map[string]string) []string {
	var gone []string
	for _, ref := range refs {
		name := ref
		if known, ok := names[ref]; ok {
			name = known
		}
		exists := slices.ContainsFunc(list, func(one container.Summary) bool {
			return one.ID == ref || string(keyOf(one.Names)) == strings.TrimPrefix(name, "/") || (len(ref) >= 12 && strings.HasPrefix(one.ID, ref))
		})
		if !exists {
			gone = append(gone, ref)
		}
	}
	return gone
}

// forbidden reports whether the last call of a step was refused by the engine, or by something before it.
func forbidden(ctx context.Context, err error) bool {
	s, _ := ctx.Value(responseKey{}).(*response)
	return cerrdefs.IsPermissionDenied(err) || s != nil && s.denied != nil
}

// engine is called after the API version has been negotiated, which the first call did. A proxy may forbid the requests; then the values
// are unknown, and Build handles that.
func (t *stepper) engine(ctx context.Context) (spec.Engine, error) {
	e := spec.Engine{APIVersion: t.api.ClientVersion()}
	err := bounded(ctx, 0, func(ctx context.Context) error {
		info, err := t.api.Info(ctx)
		e.Hostname = info.Name
		return err
	})
	if err != nil && !forbidden(ctx, err) {
		return e, fmt.Errorf("ask the engine what it is: %w", err)
	}
	err = bounded(ctx, 0, func(ctx context.Context) error {
		version, err := t.api.ServerVersion(ctx)
		for _, part := range version.Components {
			e.Podman = e.Podman || strings.Contains(part.Name, "Podman")
		}
		return err
	})
	if p := t.c.podman.Load(); p != nil { // its version is known from the ping, also where /version is forbidden
		e.Podman, e.PodmanVersion = true, p.version
	}
	if err != nil && !forbidden(ctx, err) {
		return e, fmt.Errorf("ask the engine for its version: %w", err)
	}
	return e, nil
}

// image returns nothing if the image was removed.
func (t *stepper) image(ctx context.Context, id string) (raw json.RawMessage, err error) {
	if id == "" {
		return nil, nil
	}
	err = bounded(ctx, 0, func(ctx context.Context) error {
		found, err := t.api.ImageInspect(ctx, id)
		if err == nil {
			raw, err = json.Marshal(found)
		}
		return err
	})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return nil, fmt.Errorf("inspect image %s: %w", id, err)
	}
	return raw, nil
}

// surroundings checks the volumes, which the engine would recreate empty, and the networks, whose absence it reports only at the start. If
// a proxy forbids to inspect networks, the start fails; nothing would report a missing volume.
func (t *stepper) surroundings(ctx context.Context, needs spec.Needs, missing *spec.Needs) error {
	kept, err := t.outlasting(needs.Volumes)
	if err != nil {
		return err
	}
	for _, name := range kept {
		switch place, err := t.placeOf(ctx, name); {
		case cerrdefs.IsNotFound(err):
			missing.Volumes = append(missing.Volumes, name)
		case err != nil:
			return fmt.Errorf("inspect volume %s: %w", name, err)
		case needs.Places[name] != "" && needs.Places[name] != place:
			return spec.Refusal{Hazard: "R12", Field: "Mounts", Why: fmt.Sprintf(
				"the volume at %s has no name to find it by, and volume %s is elsewhere, at %s", needs.Places[name], name, place)}
		}
	}
	for _, name := range needs.Networks {
		err := bounded(ctx, 0, func(ctx context.Context) error {
			_, err := t.api.NetworkInspect(ctx, name, network.InspectOptions{})
			return err
		})
		switch {
		case cerrdefs.IsNotFound(err):
			missing.Networks = append(missing.Networks, name)
		case err != nil && !forbidden(ctx, err):
			return fmt.Errorf("inspect network %s: %w", name, err)
		}
	}
	return nil
}

// placeOf returns the path of a volume.
func (t *stepper) placeOf(ctx context.Context, volume string) (place string, err error) {
	err = bounded(ctx, 0, func(ctx context.Context) error {
		found, err := t.api.VolumeInspect(ctx, volume)
		place = found.Mountpoint
		return err
	})
	return place, err
}

var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// outlasting leaves out the volumes that --rm removed together with the old container: --rm asks for that, and the new container begins
// with empty ones (R18).
func (t *stepper) outlasting(volumes []string) ([]string, error) {
	f, err := factsOf(t.call.Like)
	if err != nil || !t.call.OldGone || !f.HostConfig.AutoRemove {
		return volumes, err
	}
	kept := slices.DeleteFunc(slices.Clone(volumes), anonymous.MatchString)
	if len(kept) < len(volumes) {
		t.report.Notes = append(t.report.Notes, "Mounts: "+
			"the anonymous volumes went with the old container, because of --rm: the new one may begin with empty ones")
	}
	return kept, nil
}

// composeProject is a label of containers that docker compose made.
const composeProject = "com.docker.compose.project"

// changes asks which files the container wrote, if it may matter: only compose copies files in. The engine walks the container's whole
// layer for the answer.
func (t *stepper) changes(ctx context.Context) (list []container.FilesystemChange, err error) {
	f, err := factsOf(t.call.Like)
	if err != nil || t.call.OldGone || f.Config.Labels[composeProject] == "" {
		return nil, err
	}
	err = bounded(ctx, 0, func(ctx context.Context) error {
		list, err = t.api.ContainerDiff(ctx, t.call.OldID)
		return err
	})
	switch {
	case err != nil && forbidden(ctx, err):
		return nil, nil // Build notes that this was not checked
	case err != nil:
		return nil, fmt.Errorf("ask which files the container changed: %w", err)
	case list == nil:
		list = []container.FilesystemChange{} // asked, and there are none
	}
	return list, nil
}

// facts are the fields of an inspect that are read here, beside those that package spec reads.
type facts struct {
	Config     struct{ Labels map[string]string }
	HostConfig struct{ AutoRemove bool }
}

func factsOf(raw []byte) (facts, error) {
	var f facts
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, fmt.Errorf("read the inspect of a container: %w", err)
	}
	return f, nil
}
