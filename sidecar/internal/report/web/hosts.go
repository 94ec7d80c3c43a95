package web

import (
	"net/http"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/peers"
)

// hostsJSON is all hosts, the own one first.
type hostsJSON struct {
	At    *time.Time   `json:"at"`
	Hosts []peers.Host `json:"hosts"`
}

// hosts answers with the workers of all hosts. It waits a few seconds for peers that were not asked just now.
func (s *site) hosts(w http.ResponseWriter, r *http.Request) {
	all := hostsJSON{Hosts: []peers.Host{ownHost(s.opts.Display(), s.opts.Version)}}
	all.At = all.Hosts[0].At
	if s.opts.Hosts != nil {
		all.Hosts = append(all.Hosts, s.opts.Hosts(r.Context())...)
	}
	write(w, http.StatusOK, all)
}

// ownHost is this host as it shows others.
func ownHost(v fleet.View, version string) peers.Host {
	h := peers.Host{Name: clip(v.Engine.Engine.Name), State: peers.Own, Answered: moment(v.At), Report: peers.Report{
		At: moment(v.At), Version: clip(version), Connected: v.Engine.Connected, Engine: clip(v.Engine.Engine.Version), Overloaded: v.HostOverloaded,
		Workers: make([]peers.Worker, 0, min(len(v.Workers), peers.MaxWorkers)), More: max(0, len(v.Workers)-peers.MaxWorkers),
	}}
	for _, w := range v.Workers[:cap(h.Workers)] {
		h.Workers = append(h.Workers, ownWorker(workerOf(w, v.At)))
	}
	return h
}

func ownWorker(w workerJSON) peers.Worker {
	shown := peers.Worker{
		Key: clip(string(w.Key)), State: string(w.State),
		Container: peers.Container{Status: string(w.Status), Health: string(w.Health), StartedAt: w.StartedAt},
		Healing: peers.Healing{
			Held: string(w.Held), Fault: string(w.Fault), Reason: string(w.Reason), Heal: string(w.Heal), Attempts: w.Attempts, NextIn: w.NextIn,
		},
		Task:     peers.Task{Service: w.Service, Slot: w.Slot},
		CPU:      peers.CPU{CPUs: w.CPUs, Boosted: w.Boosted, Used: w.Used, Throttled: w.Throttled},
		Problems: make([]peers.Problem, len(w.Problems)),
	}
	for n, p := range w.Problems {
		shown.Problems[n] = peers.Problem(p)
	}
	return shown
}
