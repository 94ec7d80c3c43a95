package spec

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"

	"github.com/docker/docker/api/types/image"
)

// image sets the same image for the new container (R25). The name that the old one was created with is kept while it refers to that image,
// because compose and operators read it. If it refers to another image, or to none, the ID is used.
func (b *builder) image() error {
	img, err := decodeImage(b.in.Image)
	if err != nil {
		return err
	}
	id := b.old.Image
	if img == nil || id == "" {
		return Refusal{Hazard: "R25", Field: "Image", Why: "image " + id + " is gone"}
	}
	if bareID(img.ID) != bareID(id) {
		return Refusal{Hazard: "R25", Field: "Image", Why: "it was made from " + id + ", and the engine's image is " + img.ID}
	}
	if d := b.old.ImageManifestDescriptor; d != nil && d.Platform != nil && b.apiAtLeast("1.41") {
		b.spec.Platform = d.Platform // in containerd's image store one ID may have several platforms
	}
	if name := b.old.Config.Image; !means(name, img) {
		b.note("R25", "Config.Image", "%s does not mean the image of this container any more: created by ID %s", name, id)
		b.spec.Config.Image = id
	}
	return nil
}

// means reports whether a reference still refers to this image.
func means(ref string, img *image.InspectResponse) bool {
	if isIDOf(ref, img.ID) {
		return true
	}
	for _, names := range [][]string{img.RepoTags, img.RepoDigests} {
		for _, name := range names {
			if ref != "" && familiar(name) == familiar(ref) {
				return true
			}
		}
	}
	return false
}

var hexID = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

func bareID(id string) string { return strings.TrimPrefix(id, "sha256:") }

func isIDOf(ref, id string) bool {
	return hexID.MatchString(bareID(ref)) && strings.HasPrefix(bareID(id), bareID(ref))
}

// familiar normalizes a reference: docker.io/library/redis, redis and redis:latest are equal, and so are redis:7@sha256:… and
// redis@sha256:…, because an engine uses the digest alone. Podman writes localhost/ before images that it built.
func familiar(ref string) string {
	ref = strings.TrimPrefix(ref, "localhost/")
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return ref
	}
	return reference.FamiliarString(named)
}
