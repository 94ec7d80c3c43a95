package command

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stoker/sidecar/internal/composefile"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

const (
	// probeTimeout bounds one probe of check, whatever the label grants.
	probeTimeout = 5 * time.Second
	// probesAtOnce bounds how many are under way.
	probesAtOnce = 32
)

// probeReport is what one probe of a worker that runs has shown.
type probeReport struct {
	Target  string `json:"target"` // the URL, without user, password and query
	Well    bool   `json:"well"`
	Address string `json:"address"` // that was asked
	Detail  string `json:"detail"`  // what is wrong

	action worker.Action
}

// planProbe notes the probe that a worker is to have.
func (f *containerReport) planProbe(p policy.Policy, s worker.Snapshot) {
	if !p.Probe.Set() || !f.Managed || f.Held != worker.HeldNot || s.Status != worker.StatusRunning {
		return
	}
	timeout := min(p.Probe.Timeout, probeTimeout)
	f.Probe = &probeReport{Target: p.Probe.Target.String(), action: worker.Action{
		Key: f.Worker, Incarnation: s.Incarnation, Verb: worker.RunProbe, Deadline: timeout + time.Second,
		OutsideArgs: worker.OutsideArgs{Probe: &worker.ProbeCall{Target: p.Probe.Target, Timeout: timeout, Reach: s.Reach, Unseen: s.Unseen}},
	}}
}

// probeWorkers probes each worker once, and returns how many problems there are.
func (e Env) probeWorkers(ctx context.Context, engine Engine, workers []containerReport) int {
	places := make(chan struct{}, probesAtOnce)
	var probing sync.WaitGroup
	problems := make([]int, len(workers))
	for n := range workers {
		w := &workers[n]
		if w.Probe == nil || e.Probe == nil {
			continue
		}
		probing.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			problems[n] = w.probed(e.Probe(ctx, engine, w.Probe.action))
		})
	}
	probing.Wait()
	sum := 0
	for _, n := range problems {
		sum += n
	}
	return sum
}

// probed takes in an answer: a probe that cannot be made is a problem of the configuration, one that fails one of the worker's health.
func (f *containerReport) probed(a worker.ProbeAnswer) (problems int) {
	f.Probe.Well, f.Probe.Address, f.Probe.Detail = a.Verdict == worker.VerdictSuccess, a.Address, a.Detail
	switch a.Verdict {
	case worker.VerdictSuccess:
	case worker.VerdictImpossible:
		f.Problems = append(f.Problems, f.Probe.Target+": "+a.Detail)
		return 1
	case worker.VerdictBad, worker.VerdictNoAnswer, worker.VerdictNotMade:
		f.Advice = append(f.Advice, "the probe "+f.Probe.Target+" fails: "+a.Detail)
	}
	return 0
}

// adviseOnCheck is for a worker that has no probe, and whose CPU use is not watched either. Ports are the TCP ports that it exposes.
func adviseOnCheck(p policy.Policy, ports []int, advice string) []string {
	switch {
	case p.Probe.Set(), p.IdleAfter > 0:
		return nil
	case len(ports) > 0:
		return []string{fmt.Sprintf("%s; stoker.probe: tcp://:%d sees from outside whether it answers", advice, ports[0])}
	}
	return []string{advice}
}

// sharesNoNetwork finds the services whose own address is to be probed by a Stoker of the files that is in none of their networks.
func sharesNoNetwork(p policy.Policy, s composefile.Service, stokers []composefile.Service) []string {
	own := p.Probe.Set() && p.Probe.Target.Kind != policy.ProbeFile && p.Probe.Target.Host == ""
	if !own || len(stokers) != 1 || !s.Network.Apart(stokers[0].Network) {
		return nil
	}
	return []string{fmt.Sprintf("stoker.probe=%s: shares no network with the service %s, which cannot probe it; connect that to one of its networks", p.Probe.Target, stokers[0].Name)}
}
