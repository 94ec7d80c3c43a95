package app

import (
	"context"
	"crypto/rand"

	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/report/peers/poll"
)

// others are the Stokers of other hosts.
type others struct {
	instance string       // the ID of this process, which identifies its own answers
	poller   *poll.Poller // nil without STOKER_PEERS
}

func newOthers(opts Options) others {
	o := others{instance: rand.Text()}
	if len(opts.Config.Cluster.Peers) > 0 {
		o.poller = poll.New(poll.Options{Peers: opts.Config.Cluster.Peers, Instance: o.instance, Agent: "stoker/" + opts.Version})
	}
	return o
}

func (o others) run(ctx context.Context) {
	if o.poller != nil {
		o.poller.Run(ctx)
	}
}

// fresh returns the function with which the API polls the other hosts; nil if there are none.
func (o others) fresh() func(context.Context) []peers.Host {
	if o.poller == nil {
		return nil
	}
	return o.poller.Fresh
}

// known returns the function with which the page reads their last answers; nil if there are none.
func (o others) known() func() []peers.Host {
	if o.poller == nil {
		return nil
	}
	return o.poller.Hosts
}
