// Package spec determines how to recreate a container, and whether the new one is like the old one. It is pure: the engine's bytes go in,
// values come out. The callers create, connect, start and remove.
//
// Build returns the create request for an inspect, Needed returns what must exist on the engine for it to work, and Diff compares the
// inspects of the old and the new container. docs/recreate.md describes how they handle each hazard; the numbers R1 to R38 are from there.
//
// The inspect must have been requested with an API version below 1.52: newer ones do not show a static MAC address any more (moby,
// daemon/inspect.go).
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

// MarkPrefix begins every label with which a transaction marks its containers. Marks of an earlier recreate are not kept, and Diff ignores
// them.
const MarkPrefix = worker.MarkPrefix

// Input is the input of Build. Only Name, Container, Image and Engine.APIVersion are always needed.
type Input struct {
	// Name is the name to create under; not the old one's name, which is still in use.
	Name string
	// Container is its inspect as the engine sent it. It may come from a journal, long after the container is gone.
	Container json.RawMessage
	// Image is the inspect of the image, by the ID in the container's Image; empty if the image was removed.
	Image  json.RawMessage
	Engine Engine
	// Names maps container IDs to names, with or without the slash, for all containers that this one may refer to. It must have been read
	// while these had their proper names: the backup name of a transaction would be stored in the new container.
	Names map[string]string
	// Missing is the part of Needed that does not exist on the engine now.
	Missing Needs
	// Self is the ID of the container that Stoker runs in, if any.
	Self string
	// Marks are labels to add. Each key begins with MarkPrefix.
	Marks map[string]string
	// Changes is the engine's list of the files that this container changed; nil if not requested.
	Changes []container.FilesystemChange
	// Carry reports whether the caller copies the files in Spec.Carry before the start.
	Carry bool
}

// Engine describes the engine that creates the container.
type Engine struct {
	APIVersion string // the one in use, "1.41"
	Podman     bool
	// PodmanVersion is a Podman's own, "5.8.6"; empty when it is not known.
	PodmanVersion string
	Hostname      string              // the host's own, from info; empty when unknown
	Ulimits       []*container.Ulimit // the daemon's default ulimits, if known: no call returns them
}

// Spec is a container to create. Create takes Config, HostConfig, NetworkingConfig, Platform and Name; then each of
// Connect, in this order; then the files in Carry are copied; then it may be started.
type Spec struct {
	Name             string
	FinalName        string // the old one's, without the slash
	Config           *container.Config
	HostConfig       *container.HostConfig
	NetworkingConfig *network.NetworkingConfig `json:",omitempty"`
	Platform         *ocispec.Platform         `json:",omitempty"`
	// Unknown is the fields of a newer engine's inspect that the fields above cannot hold, in the form of a create request. They are added
	// to the request, which is sent with an API version in which the engine has them.
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

// Note is a message for the operator: what differs in the new container, or is unknown.
type Note struct {
	Hazard, Field, Text string
}

// Refusal is the error of Build for a container that it cannot recreate faithfully, or must not create.
type Refusal struct {
	Hazard string // R1 to R38
	Field  string // of the inspect
	Why    string
}

func (r Refusal) Error() string {
	return fmt.Sprintf("cannot recreate faithfully: %s: %s", r.Field, r.Why)
}

// Build returns the create request for a container like the one in in.Container. The error is a Refusal if the container cannot, or must
// not, be recreated; any other error means that the bytes are no inspect.
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

// builder turns the decoded inspect into the request, step by step. Fields that no step changes are sent as they were: the image is the
// same, so what it gave is there already and the engine has nothing to add (R14).
type builder struct {
	in   Input
	old  *container.InspectResponse
	spec Spec
}

func (b *builder) note(hazard, field, format string, args ...any) {
	b.spec.Notes = append(b.spec.Notes, Note{Hazard: hazard, Field: field, Text: fmt.Sprintf(format, args...)})
}

// apiAtLeast reports whether the API version in use is at least this one. An unknown version counts as the oldest.
func (b *builder) apiAtLeast(version string) bool {
	have := b.in.Engine.APIVersion
	return have != "" && versions.GreaterThanOrEqualTo(have, version)
}

// labels keeps all labels: compose identifies its containers, and detects drift, only by them (R23).
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

// decodeAsShown adds no names of volumes that the inspect does not show.
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

// decodeImage returns nil for no image.
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
