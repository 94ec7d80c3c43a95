package dockertest

import (
	"net/http"
	"slices"
	"strings"
	"syscall"

	api "github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

const containerMode = "container:"

// modes are all of them, in the engine's order.
func (n *Namespaces) modes() []*string { return []*string{&n.NetworkMode, &n.PidMode, &n.IpcMode} }

// parents are the containers whose namespaces it shares, as the modes refer to them.
func (n Namespaces) parents() []string {
	var refs []string
	for _, mode := range n.modes() {
		if ref, ok := strings.CutPrefix(*mode, containerMode); ok && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// pidParent is the one of them whose process namespace it shares.
func (n Namespaces) pidParent() string {
	ref, ok := strings.CutPrefix(n.PidMode, containerMode)
	if !ok {
		return ""
	}
	return ref
}

// bindNamespaces writes the IDs of parents for their names, as the engine does at create. Who is not there is left as it
// was written; only the start minds (moby adaptSharedNamespaceContainer).
func (w *World) bindNamespaces(c *container) {
	for _, mode := range c.Spec.modes() {
		if ref, ok := strings.CutPrefix(*mode, containerMode); ok {
			if parent := w.find(ref); parent != nil {
				*mode = containerMode + parent.ID
			}
		}
	}
	if b := c.Spec.Body; b != nil {
		overwrite(&b.Host.NetworkMode, c.Spec.NetworkMode)
		overwrite(&b.Host.PidMode, c.Spec.PidMode)
		overwrite(&b.Host.IpcMode, c.Spec.IpcMode)
	}
}

func overwrite[T ~string](mode *T, with string) {
	if strings.HasPrefix(with, containerMode) {
		*mode = T(with)
	}
}

// shares copies from a request in whose namespaces the container is to live.
func (n *Namespaces) shares(host api.HostConfig) {
	asked := []string{string(host.NetworkMode), string(host.PidMode), string(host.IpcMode)}
	for i, mode := range n.modes() {
		if strings.HasPrefix(asked[i], containerMode) {
			*mode = asked[i]
		}
	}
}

// namespaceProblem is a parent that is gone or down. One that waits for Docker's policy has no namespaces to join either
// (moby getNetworkedContainer).
func (w *World) namespaceProblem(c *container) *Error {
	words := []string{"network", "PID", "IPC"}
	for i, mode := range c.Spec.modes() {
		ref, ok := strings.CutPrefix(*mode, containerMode)
		if !ok {
			continue
		}
		parent := w.find(ref)
		switch {
		case parent == nil:
			return noSuch(ref)
		case parent.Restarting:
			return refuse(http.StatusConflict, "Container %s is restarting, wait until the container is running", parent.ID)
		case !parent.Running:
			return refuse(http.StatusConflict, "cannot join %s of a non running container: %s", words[i], parent.ID)
		}
	}
	return nil
}

// Orphaned are the running containers that share the namespaces of a life that is over, or of a container that is gone.
func (w *World) Orphaned() []Truth {
	var orphaned []Truth
	for _, c := range w.containers {
		lost := func(ref string) bool {
			parent := w.find(ref)
			return parent == nil || parent.Running && c.StartedAt.Before(parent.StartedAt)
		}
		if c.Status() == worker.StatusRunning && slices.ContainsFunc(c.Spec.parents(), lost) {
			orphaned = append(orphaned, c.truth())
		}
	}
	return orphaned
}

// killNamespace is what the kernel does when the first process of a process namespace ends: all others in it end with it.
func (w *World) killNamespace(of *container) {
	for _, c := range w.containers {
		if c.process != nil && c.process.alive && c.Spec.pidParent() == of.ID {
			c.process.end(128+int(syscall.SIGKILL), false)
		}
	}
}
