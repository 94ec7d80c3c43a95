package fleet_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

func composed(name, service, dependsOn string) dockertest.Spec {
	return dockertest.Spec{Name: name, Labels: map[string]string{
		"com.docker.compose.project": "x", "com.docker.compose.service": service, "com.docker.compose.depends_on": dependsOn,
	}}
}

// incarnations returns how often a container was started.
func (h *simHost) incarnations(name string) int {
	truth, _ := h.w.Truth(name)
	return len(truth.Lives)
}

// Containers that share the namespaces of a worker are restarted after it, and those that share theirs after them; no others are.
func TestDependentsOfARestart(t *testing.T) {
	t.Parallel()
	parent := newWorker("p")
	parent.Labels["com.docker.compose.project"], parent.Labels["com.docker.compose.service"] = "x", "p"
	task := dockertest.Spec{Name: "task", Namespaces: dockertest.Namespaces{NetworkMode: "container:p"}, Labels: map[string]string{"com.docker.swarm.task.id": "x"}}
	h := simHostWith(parent,
		inNetworkOf("p", "net"), dockertest.Spec{Name: "ipc", Namespaces: dockertest.Namespaces{IpcMode: "container:p"}},
		inNetworkOf("net", "below"), dockertest.Spec{Name: "other"},
		inNetworkOf("p", "paused"), inNetworkOf("p", "down"), task,
		composed("asked", "a", "p:service_started:true"), composed("unasked", "u", "p:service_started:false"),
	)
	h.w.Operator().Pause("paused")
	h.w.Operator().Stop("down", dockertest.OwnGrace)
	h.live(20 * time.Second)
	h.w.Crash("p", syscall.SIGSEGV)
	h.live(time.Minute)
	for _, name := range []string{"p", "net", "ipc", "below", "asked"} {
		require.Equal(t, 2, h.incarnations(name), "%s: %v", name, h.log)
		require.Equal(t, worker.StatusRunning, h.status(name), name)
	}
	for _, name := range []string{"other", "unasked", "task", "paused", "down"} {
		require.Equal(t, 1, h.incarnations(name), "%s: %v", name, h.log)
	}
	net, _ := h.w.Truth("net")
	below, _ := h.w.Truth("below")
	require.True(t, net.StartedAt.Before(below.StartedAt), "parents first")
}

// A dependent that refers to the ID of a removed container is recreated. One that cannot be is left unchanged, and that is reported.
func TestDependentsOfARecreate(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"),
		inNetworkOf("w", "net"), inNetworkOf("net", "below"),
		dockertest.Spec{Name: "unfit", Namespaces: dockertest.Namespaces{NetworkMode: "container:w"}, Unfit: "it has a network that is gone"},
	)
	net, below, unfit := h.id("net"), h.id("below"), h.id("unfit")
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.live(time.Minute)
	require.NotEqual(t, net, h.id("net"), "%v", h.log)
	require.NotEqual(t, below, h.id("below"))
	require.Equal(t, unfit, h.id("unfit"))
	require.Equal(t, 1, h.incarnations("unfit"))
	require.Equal(t, 1, h.eventCount(worker.EventDependentsRestarted), "what will be refused again is not tried again")
	for _, e := range h.notes {
		if e.Kind == worker.EventDependentsRestarted {
			require.Contains(t, e.Detail, "unfit: recreate failed")
			require.Contains(t, e.Detail, "net: recreate")
		}
	}
}

// Stoker starts a dependent that its own restart has left down.
func TestDependentLeftDown(t *testing.T) {
	t.Parallel()
	h := simHostWith(newWorker("w"), inNetworkOf("w", "tail"))
	h.w.FailStarts("tail", "no such device", "no such device")
	h.w.Crash("w", syscall.SIGSEGV)
	h.live(time.Minute)
	require.Equal(t, worker.StatusRunning, h.status("tail"), "%v", h.log)
	h.w.Operator().Stop("tail", dockertest.OwnGrace)
	h.live(20 * time.Second)
	h.w.Crash("w", syscall.SIGSEGV)
	h.live(time.Minute)
	require.Equal(t, worker.StatusExited, h.status("tail"), "it is an operator who stopped it now")
}
