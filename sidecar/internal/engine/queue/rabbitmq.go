package queue

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"stoker/sidecar/internal/core/demand"
)

// rabbitQueue has the fields of GET /api/queues/VHOST/QUEUE that Stoker uses.
type rabbitQueue struct {
	Ready          *float64 `json:"messages_ready"`
	Unacknowledged *float64 `json:"messages_unacknowledged"`
	Consumers      []struct {
		Channel struct {
			Name string `json:"name"`
		} `json:"channel_details"`
	} `json:"consumer_details"`
}

// rabbitChannel is an element of the answer of GET /api/vhosts/VHOST/channels.
type rabbitChannel struct {
	Name           string  `json:"name"`
	Unacknowledged float64 `json:"messages_unacknowledged"`
	Consumers      int     `json:"consumer_count"`
	Connection     struct {
		Address string `json:"peer_host"`
	} `json:"connection_details"`
}

// askRabbitMQ reads a queue from the management API, and the channels of the vhost if there are unacknowledged messages. A user with the
// tag monitoring and no permissions (^$) may do both.
//
// The API returns the channel of a consumer, but not the messages that it holds: these are counted by channel, for all queues of the
// channel together. So an address has the messages of the channels that consume from this queue, and of those without a consumer, which may
// have fetched from it. If these are fewer than the queue's unacknowledged messages, ByAddress is nil: the figures of queue and channels
// are of different times.
//
// All figures are from the last report of a queue or channel. These report every 5 s (collect_statistics_interval), and the API collects
// the reports every 5 s. Measured on 3.10: a message is counted 3 to 7 s after it was published, and as long after it was taken or
// returned. AMQP has no delay.
func (w *web) askRabbitMQ(ctx context.Context, t demand.Target) (demand.Reading, error) {
	path := "/api/queues/" + url.PathEscape(t.Vhost) + "/" + url.PathEscape(t.Queue)
	a, err := w.get(ctx, t, path, "columns=messages_ready,messages_unacknowledged,consumer_details.channel_details.name")
	if err != nil {
		return demand.Reading{}, err
	}
	if a.status != http.StatusOK {
		return demand.Reading{}, w.rabbitProblem(ctx, a, t)
	}
	var q rabbitQueue
	if err := a.decode(t, &q); err != nil {
		return demand.Reading{}, err
	}
	if q.Ready == nil || q.Unacknowledged == nil {
		return demand.Reading{}, problem(BadAnswer, "the management API on %s has no figures of queue %q. For a new queue it has them after 5 s; else see "+
			"whether the collector of metrics is off (management_agent.disable_metrics_collector)", t.Address(), t.Queue)
	}
	reading := demand.Reading{Waiting: *q.Ready, InHand: demand.InHand{Kind: demand.InHandCounted, Total: *q.Unacknowledged, ByAddress: map[string]float64{}}}
	if *q.Unacknowledged > 0 {
		reading.InHand.ByAddress = w.holders(ctx, t, q)
	}
	return reading, nil
}

// holders returns the unacknowledged messages by address, or nil if that is unknown.
func (w *web) holders(ctx context.Context, t demand.Target, q rabbitQueue) map[string]float64 {
	a, err := w.get(ctx, t, "/api/vhosts/"+url.PathEscape(t.Vhost)+"/channels",
		"columns=name,messages_unacknowledged,consumer_count,connection_details.peer_host")
	if err != nil || a.status != http.StatusOK {
		return nil
	}
	var channels []rabbitChannel
	if a.decode(t, &channels) != nil {
		return nil
	}
	consumes := map[string]bool{}
	for _, c := range q.Consumers {
		consumes[c.Channel.Name] = true
	}
	held, sum := map[string]float64{}, 0.0
	for _, c := range channels {
		if c.Unacknowledged <= 0 || c.Consumers > 0 && !consumes[c.Name] {
			continue
		}
		address, err := netip.ParseAddr(c.Connection.Address)
		if err != nil {
			return nil
		}
		held[address.Unmap().WithZone("").String()] += c.Unacknowledged
		sum += c.Unacknowledged
	}
	if sum < *q.Unacknowledged {
		return nil
	}
	return held
}

// rabbitProblem returns the problem for an answer of the API. The answer is the same for a missing vhost and a missing queue, so all queues
// of the vhost are requested then: only administrators may read the vhost itself.
func (w *web) rabbitProblem(ctx context.Context, a answer, t demand.Target) error {
	var refusal struct {
		Reason string `json:"reason"`
	}
	switch a.status {
	case http.StatusUnauthorized:
		if a.decode(t, &refusal) != nil {
			break
		}
		switch {
		case strings.Contains(refusal.Reason, "virtual host"):
			return problem(Refused, "the user may not use vhost %q of %s, or that vhost does not exist; give permissions there: ^$ for all three is enough", t.Vhost, t.Address())
		case strings.Contains(refusal.Reason, "management"):
			return problem(Refused, "the user may not use the management API of %s; give it the tag monitoring", t.Address())
		}
	case http.StatusNotFound:
		if a.decode(t, &refusal) != nil {
			return problem(BadAnswer, "%s answers, and is not the management API of RabbitMQ; its port is 15672 unless set", t.Address())
		}
		queues := "/api/queues/" + url.PathEscape(t.Vhost)
		if vhost, err := w.get(ctx, t, queues, "columns=name&page=1&page_size=1"); err == nil && vhost.status == http.StatusNotFound {
			return problem(NoVhost, "vhost %q does not exist on %s; create it, or correct the path of the URL", t.Vhost, t.Address())
		}
		return noQueue(t)
	}
	return a.statusProblem(t)
}
