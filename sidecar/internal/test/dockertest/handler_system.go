package dockertest

import (
	"net/http"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
)

func (h *handler) ping(w http.ResponseWriter, r *http.Request) {
	if _, ok := h.ask(w, r, Request{Op: OpInfo}); !ok {
		return
	}
	w.Header().Set("Docker-Experimental", "false")
	w.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte("OK"))
	}
}

func (h *handler) version(w http.ResponseWriter, r *http.Request) {
	if reply, ok := h.ask(w, r, Request{Op: OpInfo}); ok {
		h.write(w, http.StatusOK, types.Version{
			Version: reply.Info.Version, APIVersion: reply.Info.APIVersion, MinAPIVersion: "1.24", Os: "linux", Arch: "amd64",
		})
	}
}

func (h *handler) info(w http.ResponseWriter, r *http.Request) {
	reply, ok := h.ask(w, r, Request{Op: OpInfo})
	if !ok {
		return
	}
	info := system.Info{
		ID: "dockertest", Name: "dockertest", OSType: "linux", Architecture: "x86_64", NCPU: reply.Info.CPUs,
		ServerVersion: reply.Info.Version, SystemTime: reply.Info.Now.Format(time.RFC3339Nano), OperatingSystem: "dockertest",
	}
	h.server.With(func(world *World) {
		for _, c := range world.containers {
			info.Containers++
			switch {
			case c.Paused:
				info.ContainersPaused++
			case c.Running:
				info.ContainersRunning++
			default:
				info.ContainersStopped++
			}
		}
	})
	h.write(w, http.StatusOK, info)
}

// bridge is the default network, which an engine recreates at each boot.
func (h *handler) bridge(w http.ResponseWriter, r *http.Request) {
	if reply, ok := h.ask(w, r, Request{Op: OpInfo}); ok {
		h.write(w, http.StatusOK, network.Inspect{
			Name: "bridge", ID: longID(1), Created: reply.Info.BootedAt, Scope: "local", Driver: "bridge",
			Containers: map[string]network.EndpointResource{}, Options: map[string]string{}, Labels: map[string]string{},
		})
	}
}
