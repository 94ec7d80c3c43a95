package app

import (
	"context"
	"crypto/rand"

	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/report/peers/poll"
)

// preparePeers creates the poller of STOKER_PEERS, if there are any.
func (a *App) preparePeers() {
	a.instance = rand.Text()
	if len(a.opts.Config.Peers) > 0 {
		a.peers = poll.New(poll.Options{Peers: a.opts.Config.Peers, Instance: a.instance, Agent: "stoker/" + a.opts.Version})
	}
}

func (a *App) runPeers(ctx context.Context) {
	if a.peers != nil {
		a.peers.Run(ctx)
	}
}

// freshHosts returns the function with which the API polls the other hosts; nil if there are none.
func (a *App) freshHosts() func(context.Context) []peers.Host {
	if a.peers == nil {
		return nil
	}
	return a.peers.Fresh
}

// knownHosts returns the function with which the page reads their last answers; nil if there are none.
func (a *App) knownHosts() func() []peers.Host {
	if a.peers == nil {
		return nil
	}
	return a.peers.Hosts
}
