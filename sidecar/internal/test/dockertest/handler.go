package dockertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// oldestAPI is the oldest version that is answered.
const oldestAPI = 24

// handler is the API for one actor.
type handler struct {
	server *Server
	by     Actor
	mux    *http.ServeMux
}

var versionPrefix = regexp.MustCompile(`^/v1\.(\d+)(/.*)$`)

func (h *handler) routes() {
	h.mux.HandleFunc("/_ping", h.ping)
	h.mux.HandleFunc("GET /version", h.version)
	h.mux.HandleFunc("GET /info", h.info)
	h.mux.HandleFunc("GET /events", h.events)
	h.mux.HandleFunc("GET /networks/bridge", h.bridge)
	h.resources()
	h.mux.HandleFunc("GET /containers/json", h.list)
	h.mux.HandleFunc("POST /containers/create", h.create)
	h.mux.HandleFunc("GET /containers/{id}/json", h.inspect)
	h.mux.HandleFunc("GET /containers/{id}/top", h.top)
	h.mux.HandleFunc("GET /containers/{id}/logs", h.logs)
	h.mux.HandleFunc("POST /containers/{id}/exec", h.execCreate)
	h.mux.HandleFunc("POST /exec/{id}/start", h.execStart)
	h.mux.HandleFunc("GET /exec/{id}/json", h.execInspect)
	h.mux.HandleFunc("POST /containers/{id}/start", h.plain(OpStart))
	h.mux.HandleFunc("POST /containers/{id}/stop", h.plain(OpStop))
	h.mux.HandleFunc("POST /containers/{id}/restart", h.plain(OpRestart))
	h.mux.HandleFunc("POST /containers/{id}/kill", h.plain(OpKill))
	h.mux.HandleFunc("GET /services/{id}", func(w http.ResponseWriter, _ *http.Request) {
		h.fail(w, refuse(http.StatusServiceUnavailable, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager."))
	})
	h.mux.HandleFunc("POST /containers/{id}/pause", h.plain(OpPause))
	h.mux.HandleFunc("POST /containers/{id}/unpause", h.plain(OpUnpause))
	h.mux.HandleFunc("POST /containers/{id}/rename", h.plain(OpRename))
	h.mux.HandleFunc("POST /containers/{id}/update", h.update)
	h.mux.HandleFunc("DELETE /containers/{id}", h.plain(OpRemove))
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		h.fail(w, refuse(http.StatusNotFound, "page not found"))
	})
}

// ServeHTTP takes the version off the path, as every engine does.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var config Config
	up := false
	h.server.With(func(world *World) { config, up = world.config, world.EngineUp() })
	if !up {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Api-Version", config.APIVersion)
	w.Header().Set("Ostype", "linux")
	w.Header().Set("Server", "Docker/"+config.Version+" (linux)")
	if m := versionPrefix.FindStringSubmatch(r.URL.Path); m != nil {
		if err := judgeVersion(m[1], config.APIVersion); err != nil {
			h.fail(w, err)
			return
		}
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = m[2], ""
	}
	h.mux.ServeHTTP(w, r)
}

func judgeVersion(asked, newest string) *Error {
	minor, err := strconv.Atoi(asked)
	if err != nil {
		return refuse(http.StatusBadRequest, "version 1.%s is not a number", asked)
	}
	most, _ := strconv.Atoi(strings.TrimPrefix(newest, "1."))
	switch {
	case minor > most:
		return refuse(http.StatusBadRequest, "client version 1.%d is too new. Maximum supported API version is %s", minor, newest)
	case minor < oldestAPI:
		return refuse(http.StatusBadRequest,
			"client version 1.%d is too old. Minimum supported API version is 1.%d, please upgrade your client to a newer version",
			minor, oldestAPI)
	}
	return nil
}

// ask sends a request; it is false when there is nothing to answer with any more, or when the answer was a No and is
// written.
func (h *handler) ask(w http.ResponseWriter, r *http.Request, req Request) (Reply, bool) {
	req.By = h.by
	reply, ok := h.server.call(r, req)
	if !ok {
		return reply, false
	}
	if reply.Err != nil {
		h.fail(w, reply.Err)
		return reply, false
	}
	return reply, true
}

// fail writes a No, or breaks the connection when there is no answer.
func (h *handler) fail(w http.ResponseWriter, err *Error) {
	switch err.Status {
	case 0:
		panic(http.ErrAbortHandler)
	case http.StatusNotModified:
		w.WriteHeader(err.Status)
	default:
		h.write(w, err.Status, map[string]string{"message": err.Message})
	}
}

func (h *handler) write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("dockertest: an answer does not encode: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that went away does not want it
}
