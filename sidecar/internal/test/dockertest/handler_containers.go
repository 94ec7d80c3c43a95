package dockertest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"golang.org/x/sys/unix"

	"stoker/sidecar/internal/core/worker"
)

// plain answers a request that has no body either way.
func (h *handler) plain(op Op) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		req := Request{Op: op, Ref: r.PathValue("id"), Grace: OwnGrace, NewName: strings.TrimPrefix(query.Get("name"), "/")}
		req.Force, _ = strconv.ParseBool(query.Get("force"))
		req.Volumes, _ = strconv.ParseBool(query.Get("v"))
		if seconds, err := strconv.Atoi(query.Get("t")); err == nil {
			req.Grace = time.Duration(seconds) * time.Second
		}
		if name := query.Get("signal"); name != "" {
			req.Signal = signalNamed(name)
			if req.Signal == 0 {
				h.fail(w, refuse(http.StatusBadRequest, "invalid signal: %s", name))
				return
			}
		}
		if _, ok := h.ask(w, r, req); ok {
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

// signalNamed reads a signal as the engine does: by number, with or without SIG, in any case. 0 is none.
func signalNamed(name string) syscall.Signal {
	if n, err := strconv.Atoi(name); err == nil {
		return syscall.Signal(n)
	}
	return unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
}

func (h *handler) inspect(w http.ResponseWriter, r *http.Request) {
	if reply, ok := h.ask(w, r, Request{Op: OpInspect, Ref: r.PathValue("id")}); ok {
		in := inspection(reply.Details)
		if h.server.world.config.Addresses {
			showAddresses(in.NetworkSettings.Networks, reply.Details)
		}
		h.write(w, http.StatusOK, in)
	}
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	args, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		h.fail(w, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	reply, ok := h.ask(w, r, Request{Op: OpList})
	if !ok {
		return
	}
	all, _ := strconv.ParseBool(r.URL.Query().Get("all"))
	now := time.Time{}
	h.server.With(func(world *World) { now = world.EngineNow() })
	list := []api.Summary{}
	for _, d := range reply.List {
		if picked(d, args, all) {
			list = append(list, summary(d, now))
		}
	}
	h.write(w, http.StatusOK, list)
}

// picked reports whether a list has a container in it. A status filter takes in the stopped ones, too.
func picked(d Details, args filters.Args, all bool) bool {
	if !all && !d.Running && !args.Contains("status") {
		return false
	}
	if args.Contains("label") && !args.MatchKVList("label", d.Spec.Labels) {
		return false
	}
	if args.Contains("health") && !args.ExactMatch("health", string(d.Health)) {
		return false
	}
	return args.ExactMatch("status", string(d.Status())) && args.Match("name", d.Name) && args.Match("id", d.ID)
}

// createBody is what a client sends to make a container.
type createBody struct {
	api.Config
	HostConfig       api.HostConfig
	NetworkingConfig network.NetworkingConfig
}

func (h *handler) create(w http.ResponseWriter, r *http.Request) {
	var body createBody
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		h.fail(w, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	spec := body.spec(strings.TrimPrefix(r.URL.Query().Get("name"), "/"))
	if err := h.judgeNetworks(body.NetworkingConfig.EndpointsConfig); err != nil {
		h.fail(w, err)
		return
	}
	if reply, ok := h.ask(w, r, Request{Op: OpCreate, Spec: spec}); ok {
		h.write(w, http.StatusCreated, api.CreateResponse{ID: reply.ID, Warnings: []string{}})
	}
}

func (b createBody) spec(name string) Spec {
	spec := Spec{
		Name: name, Image: b.Image, Labels: b.Labels, CPUs: float64(b.HostConfig.NanoCPUs) / 1e9,
		EndRules: worker.EndRules{AutoRemove: b.HostConfig.AutoRemove, StopSignal: signalNamed(b.StopSignal), RestartPolicy: worker.RestartPolicy{
			Name: string(b.HostConfig.RestartPolicy.Name), MaxRetries: b.HostConfig.RestartPolicy.MaximumRetryCount,
		}},
	}
	if b.StopTimeout != nil {
		spec.StopTimeout = time.Duration(*b.StopTimeout) * time.Second
	}
	if check := b.Healthcheck; check != nil && len(check.Test) > 0 && check.Test[0] != "NONE" {
		spec.Health = &Healthcheck{
			Interval: check.Interval, Timeout: check.Timeout, Retries: check.Retries, StartPeriod: check.StartPeriod,
		}
	}
	spec.shares(b.HostConfig)
	spec.HostPort = firstPort(b.HostConfig.PortBindings)
	spec.Behaviour, spec.Lives = behaviourOf(b.Env)
	spec.Body = &Body{Config: &b.Config, Host: &b.HostConfig, Networks: b.NetworkingConfig.EndpointsConfig}
	return spec
}

func firstPort(ports nat.PortMap) int {
	for _, bindings := range ports {
		for _, b := range bindings {
			if port, err := strconv.Atoi(b.HostPort); err == nil {
				return port
			}
		}
	}
	return 0
}

func (h *handler) update(w http.ResponseWriter, r *http.Request) {
	var body api.UpdateConfig
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		h.fail(w, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	req := Request{
		Op: OpUpdate, Ref: r.PathValue("id"), UpdateArgs: UpdateArgs{CPUs: float64(body.NanoCPUs) / 1e9, Restart: string(body.RestartPolicy.Name)},
	}
	if _, ok := h.ask(w, r, req); ok {
		h.write(w, http.StatusOK, api.UpdateResponse{Warnings: []string{}})
	}
}
