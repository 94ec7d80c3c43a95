// Package probe checks workers from outside: over HTTP, by a TCP connection, by the age of a file. It makes no decisions about them.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strings"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// Engine is the part of the engine that probes need.
type Engine interface {
	// ReachOf returns a container's place on the engine's networks. The error is Options.NotFound if it does not exist.
	ReachOf(ctx context.Context, id string) (worker.Reach, error)
	// FileTime returns when a file in a container was last modified, by the engine's clock. The error is Options.NotFound if there is no
	// such file, and Options.Denied if the call is refused.
	FileTime(ctx context.Context, id, file string) (time.Time, error)
	// Local reports whether the engine may be the one of this host.
	Local() bool
}

// Options configure a Prober.
type Options struct {
	Engine Engine
	Self   string // the container that Stoker runs in; empty outside one
	// NotFound and Denied are the errors of Engine with that meaning.
	NotFound, Denied error
}

// Prober makes probes. It is safe for concurrent use, and no probe waits for another.
type Prober struct {
	opts Options
	own  own
}

// New returns a Prober. It sends nothing.
func New(opts Options) *Prober { return &Prober{opts: opts} }

// Do makes the probe of an action. It returns at the latest a moment after the timeout.
func (p *Prober) Do(ctx context.Context, a worker.Action) worker.ProbeAnswer {
	c := *a.Probe
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if c.Target.Kind == policy.ProbeFile {
		return p.file(ctx, a.Incarnation.ID, c)
	}
	targets, answer := p.targets(ctx, a.Incarnation.ID, c)
	if len(targets) == 0 {
		return answer
	}
	if c.Target.Kind == policy.ProbeTCP {
		return p.tcp(ctx, c, targets)
	}
	return p.http(ctx, c, targets)
}

// targets returns the addresses, with the port, for a probe; or else the answer with the reason why there is none.
func (p *Prober) targets(ctx context.Context, id string, c worker.ProbeCall) ([]string, worker.ProbeAnswer) {
	if c.Target.Host != "" {
		return []string{net.JoinHostPort(c.Target.Host, c.Target.Port)}, worker.ProbeAnswer{}
	}
	addresses, err := p.addresses(ctx, id, c.Reach)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, notMade("the engine did not return the worker's address in time")
	case err != nil:
		return nil, notMade(err.Error())
	case len(addresses) == 0:
		return nil, worker.ProbeAnswer{Verdict: worker.VerdictImpossible, Detail: noAddress}
	}
	for n := range addresses {
		addresses[n] = net.JoinHostPort(addresses[n], c.Target.Port)
	}
	return addresses, worker.ProbeAnswer{}
}

const noAddress = "it shares no network with Stoker, so that it cannot be probed: connect Stoker to one of its networks, or write a host into the URL"

func notMade(why string) worker.ProbeAnswer {
	return worker.ProbeAnswer{Verdict: worker.VerdictNotMade, Detail: why}
}

// addresses returns the addresses at which Stoker reaches a container.
func (p *Prober) addresses(ctx context.Context, id string, reach worker.Reach) ([]string, error) {
	own, err := p.own.get(ctx, p.opts)
	if err != nil {
		return nil, err
	}
	self := p.opts.Self
	place := id // the owner of the worker's network namespace
	if reach.Inside != "" {
		place = reach.Inside
		if reach, err = p.opts.Engine.ReachOf(ctx, place); err != nil {
			return nil, fmt.Errorf("find the container whose network it shares: %w", err)
		}
	}
	if self != "" && (place == self || own.inside != "" && place == own.inside) {
		return worker.Loopback(), nil
	}
	all := reach.From(own.reach)
	if own.reach.Host && !reach.Host {
		return onLink(all)
	}
	return all, nil
}

// onLink filters the addresses that are in a network of one of this host's interfaces: an address behind a router, an overlay or the
// network namespace of a rootless engine cannot be reached, and may be another host's.
func onLink(addresses []string) ([]string, error) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the interfaces of this host: %w", err)
	}
	var near []string
	for _, address := range addresses {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			continue
		}
		for _, one := range interfaces {
			if prefix, err := netip.ParsePrefix(one.String()); err == nil && prefix.Contains(ip) {
				near = append(near, address)
				break
			}
		}
	}
	return near, nil
}

// file judges the age of a file.
func (p *Prober) file(ctx context.Context, id string, c worker.ProbeCall) worker.ProbeAnswer {
	file := c.Target.Path
	for _, folder := range append([]string{"/dev", "/proc", "/sys"}, c.Unseen...) {
		if file == folder || strings.HasPrefix(file, strings.TrimSuffix(folder, "/")+"/") {
			return worker.ProbeAnswer{Verdict: worker.VerdictImpossible, Detail: fmt.Sprintf(
				"%s is mounted in memory, where the engine does not show files: have the worker write it to its own file system or to a volume", path.Clean(folder))}
		}
	}
	modified, err := p.opts.Engine.FileTime(ctx, id, file)
	switch {
	case errors.Is(err, p.opts.Denied):
		return worker.ProbeAnswer{Verdict: worker.VerdictImpossible, Detail: err.Error()}
	case errors.Is(err, p.opts.NotFound):
		return worker.ProbeAnswer{Verdict: worker.VerdictBad, Address: file, Detail: "there is no " + file + " in the container"}
	case err != nil && ctx.Err() != nil:
		return notMade("the engine did not return the file's age in time")
	case err != nil:
		return notMade(err.Error())
	}
	age := time.Since(modified.Add(-c.Skew)).Round(time.Second)
	if age > c.Target.MaxAge {
		return worker.ProbeAnswer{Verdict: worker.VerdictBad, Address: file, Detail: fmt.Sprintf(
			"%s was last written %s ago; max-age is %s", file, age, c.Target.MaxAge)}
	}
	return worker.ProbeAnswer{Verdict: worker.VerdictSuccess, Address: file}
}
