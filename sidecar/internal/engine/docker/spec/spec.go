// Package spec says how to recreate a container, and whether the new one is like the old one. It is pure: the bytes that
// the engine answered go in, values come out. Who creates, connects, starts and removes is another's business.
//
// Build makes the create request from an inspect, Needed names what must exist on the engine for it to work, and Diff
// compares the inspects of the old and the new container. What each of them does about which hazard is in
// docs/recreate.md; the numbers R1 to R38 are from there.
//
// The inspect must have been asked with an API version below 1.52: newer ones do not tell a static MAC address any more
// (moby, daemon/inspect.go).
package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"stoker/sidecar/internal/core/worker"
)

// MarkPrefix begins every label that a transaction puts on a container to know it again. Marks of an earlier recreate are
// not carried over, and Diff does not see them.
const MarkPrefix = worker.MarkPrefix

// Input is what Build must know. Only Name, Container, Image and Engine.APIVersion are always needed.
type Input struct {
	// Name is the name to create under; it is not the old one's, which that still has.
	Name string
	// Container is its inspect as the engine sent it. It may come from a journal, long after the container is gone.
	Container json.RawMessage
	// Image is the inspect of the image, asked by the ID in the container's Image; empty when there is none any more.
	Image  json.RawMessage
	Engine Engine
	// Names is container ID to name, with or without the slash, for everything that the container may refer to. It must
	// have been taken while these had their proper names: a name set aside by a transaction would be written down here.
	Names map[string]string
	// Missing is what of Needed the engine does not have now.
	Missing Needs
	// Self is the ID of the container that Stoker runs in, if any.
	Self string
	// Marks are labels to add. Each key begins with MarkPrefix.
	Marks map[string]string
	// Changes is what the engine answers to "which files did this container change"; nil when not asked.
	Changes []container.FilesystemChange
	// Carry says that the caller copies the files in Spec.Carry over before the start.
	Carry bool
}

// Engine is what must be known about the engine that shall create the container.
type Engine struct {
	APIVersion string // the one in use, "1.41"
	Podman     bool
	// PodmanVersion is a Podman's own, "5.8.6"; empty when it is not known.
	PodmanVersion string
	Hostname      string              // the host's own, from info; empty when unknown
	Ulimits       []*container.Ulimit // the daemon's default ulimits, where somebody knows them: no call tells
}

// Spec is a container to be made. Create takes Config, HostConfig, NetworkingConfig, Platform and Name; then each of
// Connect, in this order; then the files in Carry are copied; then it may be started.
type Spec struct {
	Name             string
	FinalName        string // the old one's, without the slash
	Config           *container.Config
	HostConfig       *container.HostConfig
	NetworkingConfig *network.NetworkingConfig `json:",omitempty"`
	Platform         *ocispec.Platform         `json:",omitempty"`
	// Unknown is what a newer engine's inspect has that the fields above cannot hold, in the form of a create request: to be added to it, and
	// sent with an API version in which the engine knows it.
	Unknown map[string]any `json:",omitempty"`
	Connect []Endpoint     `json:",omitempty"`
	Carry   []string       `json:",omitempty"` // absolute paths, sorted
	Notes   []Note         `json:",omitempty"`
}

// Endpoint is one network to connect the created container to.
type Endpoint struct {
	Network  string
	Settings *network.EndpointSettings
}

// Note is something to tell people: what the new container has otherwise than the old one, or what cannot be known.
type Note struct {
	Hazard, Field, Text string
}

// Refusal is the error of Build for a container that it cannot recreate faithfully, or that is not Stoker's to make.
type Refusal struct {
	Hazard string // R1 to R38
	Field  string // of the inspect
	Why    string
}

func (r Refusal) Error() string {
	return fmt.Sprintf("cannot recreate faithfully: %s: %s", r.Field, r.Why)
}

// Build makes the create request for a container like the one in in.Container. The error is a Refusal when the container
// is understood and may not, or cannot, be recreated; any other error says that the bytes are no inspect.
func Build(in Input) (Spec, error) {
	old, err := decode(in.Container)
	if err != nil {
		return Spec{}, err
	}
	b := &builder{in: in, old: old, spec: Spec{
		Name:       in.Name,
		FinalName:  strings.TrimPrefix(old.Name, "/"),
		Config:     old.Config,
		HostConfig: old.HostConfig,
	}}
	for _, step := range []func() error{
		b.refuseForeign, b.refuseMissing, b.refuseDropped, b.image, b.labels, b.references,
		b.volumes, b.hostname, b.limits, b.podman, b.networks, b.ports, b.copied, b.unknown,
	} {
		if err := step(); err != nil {
			return Spec{}, err
		}
	}
	return b.spec, nil
}

// builder turns the decoded inspect into the request, step by step. What no step touches is sent as it was: it comes
// from the same image, so that what the image gave is there already and the engine has nothing to add (R14).
type builder struct {
	in   Input
	old  *container.InspectResponse
	spec Spec
}

func (b *builder) note(hazard, field, format string, args ...any) {
	b.spec.Notes = append(b.spec.Notes, Note{Hazard: hazard, Field: field, Text: fmt.Sprintf(format, args...)})
}

// speaks reports whether the API version in use is at least this one. An unknown version counts as the oldest.
func (b *builder) apiAtLeast(version string) bool {
	have := b.in.Engine.APIVersion
	return have != "" && versions.GreaterThanOrEqualTo(have, version)
}

// labels keeps all of them: compose knows its containers, and whether they drifted, by nothing else (R23).
func (b *builder) labels() error {
	labels := map[string]string{}
	for key, value := range b.old.Config.Labels {
		if !strings.HasPrefix(key, MarkPrefix) {
			labels[key] = value
		}
	}
	for key, value := range b.in.Marks {
		if !strings.HasPrefix(key, MarkPrefix) {
			return fmt.Errorf("mark %q does not begin with %q", key, MarkPrefix)
		}
		labels[key] = value
	}
	b.spec.Config.Labels = labels
	return nil
}

func decode(raw []byte) (*container.InspectResponse, error) {
	c, err := decodeAsShown(raw)
	if err != nil {
		return nil, err
	}
	for i, m := range c.Mounts {
		if m.Type == mount.TypeVolume && m.Name == "" {
			c.Mounts[i].Name = nameByPlace(m.Source)
		}
	}
	return c, nil
}

// decodeAsShown leaves out the names of volumes that the engine leaves out.
func decodeAsShown(raw []byte) (*container.InspectResponse, error) {
	var c container.InspectResponse
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("read the inspect of a container: %w", err)
	}
	if c.ContainerJSONBase == nil || c.ID == "" || c.Config == nil || c.HostConfig == nil {
		return nil, errors.New("read the inspect of a container: it has no id, no configuration or no host configuration")
	}
	return &c, nil
}

// decodeImage gives nil for no image.
func decodeImage(raw []byte) (*image.InspectResponse, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var img image.InspectResponse
	if err := json.Unmarshal(raw, &img); err != nil {
		return nil, fmt.Errorf("read the inspect of an image: %w", err)
	}
	return &img, nil
}

// shortID is the ID as the engine abbreviates it.
func shortID(id string) string {
	const length = 12
	if len(id) < length {
		return id
	}
	return id[:length]
}
