package dockertest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"stoker/sidecar/internal/core/worker"
)

// IsPodman reports whether the engine is a Podman behind Docker's API.
func IsPodman(ctx context.Context, c *client.Client) bool {
	version, err := c.ServerVersion(ctx)
	return err == nil && slices.ContainsFunc(version.Components, func(part types.ComponentVersion) bool {
		return strings.Contains(part.Name, "Podman")
	})
}

// onPodman reports whether a host is one.
func onPodman(h Host) bool {
	r, ok := realOf(h)
	return ok && r.podman
}

// realOf is the host, if it is a real one.
func realOf(h Host) (*realHost, bool) {
	if b, ok := h.(*FaultProxy); ok {
		h = b.Host
	}
	r, ok := h.(*realHost)
	return r, ok
}

// sharedEvents is a story in the events that Docker and Podman share: on a Podman a stop has no signals, there is no event when the
// kernel kills for want of memory, and there are events of its own between the others. A restart and a removal are by other
// signals there, so that the exit code of an operator's stop depends on the engine. A Docker on cgroup v2 with the systemd driver emits
// some of these kills only (containerd PR 12714). Elsewhere it is the story as it is.
func sharedEvents(h Host, story []string) []string {
	r, ok := realOf(h)
	switch {
	case ok && !r.podman && r.quietOOM:
		return slices.DeleteFunc(slices.Clone(story), func(one string) bool { return one == "oom" })
	case !ok || !r.podman:
		return story
	}
	shared, meant := []string{}, false
	for _, one := range story {
		action, _, _ := strings.Cut(one, " ")
		switch action {
		case "kill":
			meant = true
		case "die":
			if meant {
				one = anyEnd
			}
			shared, meant = append(shared, one), false
		case "create", "start", "pause", "unpause", "rename", "update":
			shared = append(shared, one)
		case "remove", "destroy":
			shared = append(shared, "destroy")
		}
	}
	return shared
}

// anyFailure and anyEnd are ends in a story that is wanted: with any code but 0, and with any code.
const (
	anyFailure = "die *"
	anyEnd     = "die ?"
)

// asWanted is a story in which each end that matches the wanted one is replaced by it.
func asWanted(want, got []string) []string {
	folded := slices.Clone(got)
	for i := range min(len(folded), len(want)) {
		end := strings.HasPrefix(folded[i], "die ")
		if end && (want[i] == anyEnd || want[i] == anyFailure && folded[i] != "die 0") {
			folded[i] = want[i]
		}
	}
	return folded
}

// stopping reports whether a stop of a container is under way. Of that Podman makes no event, and its Docker API calls it running.
func (r *realHost) stopping(name string) bool {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodGet, "http://"+client.DummyHost+"/v4.0.0/libpod/containers/"+name+"/json", nil)
	r.check(err, "ask for the state of "+name)
	answer, err := r.api.HTTPClient().Do(req)
	r.check(err, "ask for the state of "+name)
	defer func() { _ = answer.Body.Close() }()
	var got struct{ State struct{ Status string } }
	r.check(json.NewDecoder(answer.Body).Decode(&got), "read the state of "+name)
	return got.State.Status == "stopping"
}

// inDockersWords is a state as Docker's inspect would show it. Of a quota Podman shows the pair, whichever way it was set, and
// its states have finer names.
func inDockersWords(s State, host *api.HostConfig) State {
	switch s.Status {
	case "configured", "initialized":
		s.Status = worker.StatusCreated
	case "stopping":
		s.Status = worker.StatusRunning
	case "stopped":
		s.Status = worker.StatusExited
	default: // the same
	}
	if s.Health == "" {
		s.Health = worker.HealthNone
	}
	if s.CPUs == 0 && host.CPUPeriod > 0 {
		s.CPUs = float64(max(host.CPUQuota, 0)) / float64(host.CPUPeriod)
	}
	return s
}

// isGone reports whether there is no such container. While it removes one a Podman answers with status 500.
func (r *realHost) isGone(err error) bool {
	return cerrdefs.IsNotFound(err) || r.podman && err != nil && strings.Contains(err.Error(), "no such container")
}

// Quota is a quota as an engine's update takes it: a Podman accepts NanoCpus, and applies the pair only.
func Quota(podman bool, cpus float64) api.Resources {
	if podman {
		const period = 100_000 // microseconds
		return api.Resources{CPUPeriod: period, CPUQuota: nanoCPUs(cpus) * period / 1e9}
	}
	return api.Resources{NanoCPUs: nanoCPUs(cpus)}
}
