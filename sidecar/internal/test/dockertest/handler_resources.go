package dockertest

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// resources are the routes about what a container needs besides itself, and about the files in it.
func (h *handler) resources() {
	h.mux.HandleFunc("GET /images/{id}/json", h.image)
	h.mux.HandleFunc("GET /volumes/{name}", h.volume)
	h.mux.HandleFunc("GET /networks/{name}", h.network)
	h.mux.HandleFunc("POST /networks/{name}/connect", h.connect)
	h.mux.HandleFunc("POST /networks/{name}/disconnect", h.disconnect)
	h.mux.HandleFunc("GET /containers/{id}/changes", h.changes)
	h.mux.HandleFunc("GET /containers/{id}/archive", h.readArchive)
	h.mux.HandleFunc("HEAD /containers/{id}/archive", h.statArchive)
	h.mux.HandleFunc("PUT /containers/{id}/archive", h.writeArchive)
}

// judgeNetworks: one network at create, in the old days.
func (h *handler) judgeNetworks(networks map[string]*network.EndpointSettings) *Error {
	old := false
	h.server.With(func(w *World) { old = w.config.APIVersion < "1.44" })
	if old && len(networks) > 1 {
		return refuse(http.StatusBadRequest, "Container cannot be connected to network endpoints: %s",
			strings.Join(slices.Sorted(maps.Keys(networks)), ", "))
	}
	return nil
}

// read asks the world something that takes no container's lock.
func (h *handler) read(w http.ResponseWriter, r *http.Request, find func(*World) any) {
	if _, ok := h.ask(w, r, Request{Op: OpInfo}); !ok {
		return
	}
	var found any
	h.server.With(func(world *World) { found = find(world) })
	if found == nil {
		h.fail(w, refuse(http.StatusNotFound, "no such object: %s", r.URL.Path))
		return
	}
	h.write(w, http.StatusOK, found)
}

// image: there is one for every container that there ever was.
func (h *handler) image(w http.ResponseWriter, r *http.Request) {
	h.read(w, r, func(world *World) any {
		for _, c := range append(slices.Clone(world.removed), world.containers...) {
			name := c.Spec.Image
			if ref := r.PathValue("id"); name != ref && imageID(name) != ref {
				continue
			}
			found := image.InspectResponse{ID: imageID(name), Os: "linux", Architecture: "amd64"}
			if name != found.ID {
				found.RepoTags = []string{name}
			}
			return found
		}
		return nil
	})
}

func (h *handler) volume(w http.ResponseWriter, r *http.Request) {
	h.read(w, r, func(world *World) any {
		name := r.PathValue("name")
		if _, ok := world.stores.volumes[name]; !ok {
			return nil
		}
		return volume.Volume{Name: name, Driver: "local", Mountpoint: "/volumes/" + name + "/_data", Scope: "local"}
	})
}

func (h *handler) network(w http.ResponseWriter, r *http.Request) {
	h.read(w, r, func(world *World) any {
		name := r.PathValue("name")
		if !world.hasNetwork(name) {
			return nil
		}
		return network.Inspect{Name: name, ID: longID(fingerprint(name)), Scope: "local", Driver: "bridge"}
	})
}

func (h *handler) connect(w http.ResponseWriter, r *http.Request) {
	var body network.ConnectOptions
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		h.fail(w, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	name := r.PathValue("name")
	known := false
	h.server.With(func(world *World) { known = world.hasNetwork(name) })
	if !known {
		h.fail(w, refuse(http.StatusNotFound, "network %s not found", name))
		return
	}
	_, ok := h.ask(w, r, Request{Op: OpConnect, Ref: body.Container, furnish: func(c *container) *Error {
		return c.connect(name, body.EndpointConfig)
	}})
	if ok {
		w.WriteHeader(http.StatusOK)
	}
}

func (h *handler) disconnect(w http.ResponseWriter, r *http.Request) {
	var body network.DisconnectOptions
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		h.fail(w, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	if _, ok := h.ask(w, r, disconnection(body.Container, r.PathValue("name"))); ok {
		w.WriteHeader(http.StatusOK)
	}
}

// filesOf copies what was written into a container; false when the answer is written already.
func (h *handler) filesOf(w http.ResponseWriter, r *http.Request) (map[string]string, bool) {
	reply, ok := h.ask(w, r, Request{Op: OpInspect, Ref: r.PathValue("id")})
	if !ok {
		return nil, false
	}
	files := map[string]string{}
	h.server.With(func(*World) {
		if b := reply.Details.Spec.Body; b != nil {
			files = maps.Clone(b.Files)
		}
	})
	return files, true
}

func (h *handler) changes(w http.ResponseWriter, r *http.Request) {
	files, ok := h.filesOf(w, r)
	if !ok {
		return
	}
	list := []api.FilesystemChange{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if dir := path.Dir(file); dir != "/" {
			list = append(list, api.FilesystemChange{Kind: api.ChangeAdd, Path: dir})
		}
		list = append(list, api.FilesystemChange{Kind: api.ChangeAdd, Path: file})
	}
	h.write(w, http.StatusOK, list)
}

func (h *handler) readArchive(w http.ResponseWriter, r *http.Request) {
	files, ok := h.filesOf(w, r)
	if !ok {
		return
	}
	file := r.URL.Query().Get("path")
	content, there := files[file]
	if !there {
		h.fail(w, refuse(http.StatusNotFound, "Could not find the file %s in container", file))
		return
	}
	stat, err := json.Marshal(api.PathStat{Name: path.Base(file), Size: int64(len(content)), Mode: os.FileMode(0o444)})
	if err != nil {
		panic(fmt.Sprintf("dockertest: a stat does not encode: %v", err))
	}
	w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
	w.Header().Set("Content-Type", "application/x-tar")
	w.WriteHeader(http.StatusOK)
	archive := tar.NewWriter(w)
	_ = archive.WriteHeader(&tar.Header{Name: path.Base(file), Mode: 0o444, Size: int64(len(content))})
	_, _ = archive.Write([]byte(content)) // a client that went away does not want it
	_ = archive.Close()
}

func (h *handler) writeArchive(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		h.fail(w, refuse(http.StatusInternalServerError, "%s", err))
		return
	}
	folder := r.URL.Query().Get("path")
	_, ok := h.ask(w, r, Request{Op: OpCopy, Ref: r.PathValue("id"), furnish: func(c *container) *Error {
		return c.unpack(folder, text)
	}})
	if ok {
		w.WriteHeader(http.StatusOK)
	}
}

func (c *container) unpack(folder string, text []byte) *Error {
	if c.Spec.Body == nil {
		return refuse(http.StatusNotImplemented, "dockertest: container %s has no files", c.Name)
	}
	for in := tar.NewReader(bytes.NewReader(text)); ; {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return refuse(http.StatusBadRequest, "%s", err)
		case header.Typeflag != tar.TypeReg:
			continue
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return refuse(http.StatusBadRequest, "%s", err)
		}
		c.Spec.Body.write(path.Join(folder, header.Name), string(content))
	}
}
