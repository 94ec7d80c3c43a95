// Package recreate makes a worker anew and never loses it.
//
// At every instant there is either a container with the worker's name, or the engine holds what one is made from: the new
// container says in its labels which one it replaces, under which name, and it is not removed before the old one has its
// name back; the old one is not removed before the new one was seen to stay up and to be like it. So names, labels and
// states alone tell how to go on after a kill between any two calls. The table step, way back and test is in
// docs/recreate.md.
package recreate

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"stoker/sidecar/internal/engine/docker/spec"
)

// API is all that a transaction asks of the engine; the Docker client has it.
type API interface {
	Containers
	Power
	Files
	Surroundings
	Engine
}

// Containers are the calls about containers that leave their processes alone.
type Containers interface {
	ContainerInspectWithRaw(ctx context.Context, ref string, size bool) (container.InspectResponse, []byte, error)
	ContainerList(ctx context.Context, options container.ListOptions) ([]container.Summary, error)
	ContainerCreate(ctx context.Context, config *container.Config, host *container.HostConfig, networks *network.NetworkingConfig, platform *ocispec.Platform, name string) (container.CreateResponse, error)
	ContainerRename(ctx context.Context, ref, name string) error
	ContainerRemove(ctx context.Context, ref string, options container.RemoveOptions) error
}

// Power starts and stops.
type Power interface {
	ContainerStart(ctx context.Context, ref string, options container.StartOptions) error
	ContainerStop(ctx context.Context, ref string, options container.StopOptions) error
}

// Files are for what compose copied into the old container.
type Files interface {
	ContainerDiff(ctx context.Context, ref string) ([]container.FilesystemChange, error)
	CopyFromContainer(ctx context.Context, ref, path string) (io.ReadCloser, container.PathStat, error)
	CopyToContainer(ctx context.Context, ref, folder string, content io.Reader, options container.CopyToContainerOptions) error
}

// Surroundings are what a container needs besides itself.
type Surroundings interface {
	ImageInspect(ctx context.Context, id string, options ...client.ImageInspectOption) (image.InspectResponse, error)
	VolumeInspect(ctx context.Context, name string) (volume.Volume, error)
	NetworkInspect(ctx context.Context, name string, options network.InspectOptions) (network.Inspect, error)
	NetworkConnect(ctx context.Context, name, ref string, settings *network.EndpointSettings) error
}

// Engine tells what engine it is.
type Engine interface {
	ClientVersion() string
	ServerVersion(ctx context.Context) (types.Version, error)
	Info(ctx context.Context) (system.Info, error)
}

// Options are the same for all transactions. Zeros are the defaults.
type Options struct {
	// Owner tells the transactions of this Stoker from those of another one on the same engine. It must be the same after
	// a restart of Stoker.
	Owner string
	// Self is the ID of the container that Stoker runs in, if any: it is never recreated.
	Self string
	// Prove is how long the new container must stay up before the old one goes; 2 s.
	Prove time.Duration
	// Call bounds each call, a stop on top of its grace; 30 s.
	Call time.Duration
	// Undo bounds the way back as a whole, on top of the grace; 1 min.
	Undo time.Duration
	// Lease is how old another owner's unfinished transaction must be before it counts as abandoned; 10 min.
	Lease time.Duration
}

// Request says which worker to make anew.
type Request struct {
	Name  string // of the worker, without the slash
	OldID string // its container, which may be gone
	// Definition is an inspect of the container from earlier, for when it is gone.
	Definition []byte
	// Grace is the time between the stop signal and SIGKILL; below zero the container's own.
	Grace time.Duration
	// Names adds to what the engine's list says: IDs of containers that were themselves recreated, old and new, and their
	// names.
	Names map[string]string
	// StayDown is asked again and again: someone has stopped the worker since the transaction was decided on. Then it is
	// taken back, and nothing is started. A stop of a container for which own holds may be the transaction's: it counts for
	// nothing. Nil is no.
	StayDown func(own func(id string) bool) bool
	// Accept says what speaks against the old container as the first look finds it, or nothing. It is asked before
	// anything is made; what it says is a refusal. Nil accepts every one.
	Accept func(inspect []byte) error
}

// Outcome says how things stand after a transaction.
type Outcome string

// The outcomes.
const (
	// Done: the new container has the name, runs and is like the old one, which is gone.
	Done Outcome = "done"
	// Refused: the worker cannot or may not be recreated now. It is as it was, or it was put back.
	Refused Outcome = "refused"
	// Busy: another Stoker is making this worker anew. Nothing was touched.
	Busy Outcome = "busy"
	// Undone: something failed, and the old container has its name back, or never lost it. If it ran it runs again, unless
	// Err says why not.
	Undone Outcome = "undone"
	// Unproven: there was no old container to go back to. The new one has the name and was not seen to stay up.
	Unproven Outcome = "unproven"
	// Lost: there was no old container, and no new one came to be, or it is gone already (--rm). The definition is all there is.
	Lost Outcome = "lost"
	// Unknown: the engine could not be asked any more, or did not do what it was told. Resume goes on later.
	Unknown Outcome = "unknown"
	// Nothing: Resume found nothing unfinished.
	Nothing Outcome = "nothing"
)

// Result is what became of a transaction.
type Result struct {
	Name    string
	Outcome Outcome
	OldID   string
	ID      string // of the container that has the name now; empty when none is known
	Inspect []byte // the last inspect of ID, as the engine sent it
	Err     error  // why it is not Done, or why there is a Leftover; a spec.Refusal or Differs among others
	Notes   []spec.Note
	Steps   []Timed
	// Gone: there was no old container at the first look.
	Gone bool
	// Untouched: nothing was sent that changes anything.
	Untouched bool
	// StoodDown: someone has stopped the worker meanwhile, so that it was taken back and left down.
	StoodDown bool
	// Leftover is the old container, under its aside name, where it could not be removed; Resume tries again.
	Leftover string
}

// Timed is a step that was taken, and how long it took.
type Timed struct {
	Step Step
	Took time.Duration
	Err  error
}

// Recreator makes containers anew. It is safe for concurrent use, and does one transaction at a time for each name.
type Recreator struct {
	api  func() API
	opts Options

	mu   sync.Mutex
	busy map[string]bool
}

// New prepares a Recreator and asks nothing. Each call goes to the API of the moment, for an engine may come back from an
// upgrade in the middle with another version; it must be below 1.52 (see package spec).
func New(api func() API, opts Options) *Recreator {
	fill(&opts.Prove, 2*time.Second)
	fill(&opts.Call, 30*time.Second)
	fill(&opts.Undo, time.Minute)
	fill(&opts.Lease, 10*time.Minute)
	if opts.Owner == "" {
		opts.Owner = "stoker"
	}
	return &Recreator{api: api, opts: opts, busy: map[string]bool{}}
}

func fill(d *time.Duration, standard time.Duration) {
	if *d == 0 {
		*d = standard
	}
}

var errUnderWay = errors.New("it is being recreated already")

// enter takes the name; leave is nil when somebody has it.
func (r *Recreator) enter(name string) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[name] {
		return nil
	}
	r.busy[name] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.busy, name)
	}
}
