package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/service"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/engine/scaler"
)

// prepareServices creates the scaler of services if STOKER_SWARM_SCALE is set, and returns the sinks with it. The events of services go to
// the other sinks only.
func (a *App) prepareServices(all sinks) sinks {
	c := a.opts.Config
	if !c.Cluster.Scale {
		return all
	}
	a.services = scaler.New(scaler.Options{
		Settings: service.Settings{Rules: c.Rules, Zone: time.Local, DryRun: c.DryRun},
		Swarm:    docker.NewSwarm(a.link.engine), Ask: a.sources.Ask, Record: all.Record,
	})
	return append(slices.Clone(all), a.services)
}

func (a *App) runServices(ctx context.Context) {
	if a.services != nil {
		a.services.Run(ctx)
	}
}

// withServices adds the services of a Swarm to a view.
func (a *App) withServices(v fleet.View) fleet.View {
	if a.services == nil {
		return v
	}
	seen := a.services.View()
	v.Swarm = seen.Swarm
	v.Groups = append(slices.Clone(v.Groups), seen.Groups...)
	slices.SortStableFunc(v.Groups, func(x, y fleet.GroupView) int { return strings.Compare(x.Name, y.Name) })
	return v
}
