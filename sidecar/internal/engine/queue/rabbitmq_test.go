package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/test/queuetest"
)

// The users of the tests: one that may only read, and one that may not use the vhost.
const (
	asker    = "asker"
	foreign  = "foreign"
	password = "p/a:s@s?w#o%r d"
	vhost    = "work/shop"
)

// TestRabbitMQ starts the server once: it takes seconds.
func TestRabbitMQ(t *testing.T) {
	r := queuetest.RabbitMQ(t, queuetest.TLS(trusted))
	r.Vhost(t, vhost)
	r.User(t, asker, password, "monitoring")
	r.Permit(t, vhost, asker, "^$")
	r.Permit(t, "/", asker, "^$")
	r.User(t, foreign, password, "")
	t.Run("AMQP", func(t *testing.T) { testAMQP(t, r) })
	t.Run("management", func(t *testing.T) { testManagement(t, r) })
	t.Run("TLS", func(t *testing.T) {
		p := newPool(t, Options{})
		r.Declare(t, "/", "secure")
		r.Publish(t, "/", "secure", "one")
		require.InDelta(t, 1, reads(t, p, r.Source("amqps", asker, password, "/", "secure")).Waiting, 0)
		require.Eventually(t, func() bool {
			reading, err := ask(t, p, r.Source("rabbitmq+https", asker, password, "/", "secure"))
			return err == nil && reading.Waiting == 1
		}, 20*time.Second, 100*time.Millisecond)
	})
	t.Run("connections", func(t *testing.T) { testConnections(t, r) })
	t.Run("outages", func(t *testing.T) { testOutages(t, r) })
}

func testAMQP(t *testing.T, r *queuetest.Rabbit) {
	p := newPool(t, Options{})
	text := func(queue string) string { return r.Source("amqp", asker, password, vhost, queue) }
	r.Declare(t, vhost, "tasks")
	require.Equal(t, demand.Reading{InHand: demand.InHand{Kind: demand.InHandUnknown}}, reads(t, p, text("tasks")))
	r.Publish(t, vhost, "tasks", "1", "2", "3")
	require.InDelta(t, 3, reads(t, p, text("tasks")).Waiting, 0, "at once")
	consume(t, r, "tasks", 2)
	require.InDelta(t, 1, reads(t, p, text("tasks")).Waiting, 0, "what a consumer holds does not wait")

	fails(t, p, text("nothing"), NoQueue, `queue "nothing" does not exist on `+r.Address+` in vhost "work/shop"; declare it, or correct queue=`)
	require.InDelta(t, 1, reads(t, p, text("tasks")).Waiting, 0, "the connection goes on")
	fails(t, p, r.Source("amqp", asker, password, "nowhere", "q"), NoVhost, `vhost "nowhere" does not exist`)
	fails(t, p, r.Source("amqp", asker, "hunter2", vhost, "q"), Refused, "refused user or password")
	fails(t, p, r.Source("amqp", "no-such-user", password, vhost, "q"), Refused, "refused user or password")
	fails(t, p, r.Source("amqp", foreign, password, vhost, "q"), Refused, `the user may not use vhost "work/shop"`)
	fails(t, p, "amqps://"+r.Address+"?queue=tasks", BadAnswer, "does not use TLS; write amqp://")
	fails(t, p, "amqp://"+r.TLSAddress+"?queue=tasks", BadAnswer, "does not use AMQP 0-9-1 without TLS")
	fails(t, p, "amqp://"+r.ManagementAddress+"?queue=tasks", BadAnswer, "does not use AMQP")

	c := r.Connect(t, vhost)
	ch, err := c.Channel()
	require.NoError(t, err)
	_, err = ch.QueueDeclare("mine", false, true, true, false, nil)
	require.NoError(t, err)
	fails(t, p, text("mine"), Refused, `queue "mine" on `+r.Address+` is exclusive to one connection`)
}

// consume takes messages and does not acknowledge them.
func consume(t *testing.T, r *queuetest.Rabbit, queue string, n int) *amqp.Channel {
	t.Helper()
	c := r.Connect(t, vhost)
	ch, err := c.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Qos(n, 0, false))
	messages, err := ch.Consume(queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	for range n {
		<-messages
	}
	return ch
}

func testManagement(t *testing.T, r *queuetest.Rabbit) {
	p := newPool(t, Options{})
	text := func(queue string) string { return r.Source("rabbitmq+http", asker, password, vhost, queue) }
	r.Declare(t, vhost, "a/b c")
	eventually(t, p, text("a/b c"), counted(0, 0, map[string]float64{}))
	r.Publish(t, vhost, "a/b c", "1", "2", "3", "4", "5", "6")
	eventually(t, p, text("a/b c"), counted(6, 0, map[string]float64{}))

	holder := consume(t, r, "a/b c", 2)
	c := r.Connect(t, vhost)
	fetcher, err := c.Channel()
	require.NoError(t, err)
	_, ok, err := fetcher.Get("a/b c", false)
	require.NoError(t, err)
	require.True(t, ok)
	r.Declare(t, vhost, "another")
	r.Publish(t, vhost, "another", "1")
	consume(t, r, "another", 1) // its message is of another queue
	eventually(t, p, text("a/b c"), counted(3, 3, map[string]float64{"127.0.0.1": 3}))

	require.NoError(t, holder.Close())
	require.NoError(t, fetcher.Close())
	eventually(t, p, text("a/b c"), counted(6, 0, map[string]float64{}))

	fails(t, p, text("nothing"), NoQueue, `queue "nothing" does not exist`)
	fails(t, p, r.Source("rabbitmq+http", asker, password, "nowhere", "q"), NoVhost, `vhost "nowhere" does not exist`)
	fails(t, p, r.Source("rabbitmq+http", asker, "hunter2", vhost, "q"), Refused, "refused user or password")
	fails(t, p, r.Source("rabbitmq+http", foreign, password, vhost, "q"), Refused, "give it the tag monitoring")
	r.User(t, "outsider", password, "monitoring")
	fails(t, p, r.Source("rabbitmq+http", "outsider", password, vhost, "a/b c"), Refused, `the user may not use vhost "work/shop"`)
}

func counted(waiting, inHand float64, by map[string]float64) demand.Reading {
	return demand.Reading{Waiting: waiting, InHand: demand.InHand{Kind: demand.InHandCounted, Total: inHand, ByAddress: by}}
}

// eventually waits for figures that lag.
func eventually(t *testing.T, p *Pool, text string, want demand.Reading) {
	t.Helper()
	var last demand.Reading
	var err error
	require.Eventually(t, func() bool {
		last, err = ask(t, p, text)
		return err == nil && last.Waiting == want.Waiting && last.InHand.Total == want.InHand.Total && len(last.InHand.ByAddress) == len(want.InHand.ByAddress)
	}, 30*time.Second, 200*time.Millisecond, "%v %v", &last, &err)
	require.Equal(t, want, last)
}

// connections returns the number of Stoker's connections to the server.
func connections(t *testing.T, r *queuetest.Rabbit) int {
	t.Helper()
	var all []struct {
		Name string `json:"user_provided_name"`
	}
	r.Get(t, "/api/connections", &all)
	n := 0
	for _, c := range all {
		if c.Name == "stoker" {
			n++
		}
	}
	return n
}

// Queues of one vhost share a connection, which has a name, is kept, and is closed when it is unused.
func testConnections(t *testing.T, r *queuetest.Rabbit) {
	require.Eventually(t, func() bool { return connections(t, r) == 0 }, 30*time.Second, 200*time.Millisecond, "those of other tests have ended")
	p := newPool(t, Options{Idle: 15 * time.Second})
	for _, queue := range []string{"one", "two", "three"} {
		r.Declare(t, vhost, queue)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	failed := make(chan error)
	for n := range 60 {
		s := source(t, r.Source("amqp", asker, password, vhost, []string{"one", "two", "three", "nothing"}[n%4]))
		go func() {
			_, err := p.Ask(ctx, s)
			if e, ok := errors.AsType[*Error](err); ok && e.Kind == NoQueue && n%4 == 3 {
				err = nil
			}
			failed <- err
		}()
	}
	for range 60 {
		require.NoError(t, <-failed)
	}
	require.Eventually(t, func() bool { return connections(t, r) == 1 }, 10*time.Second, 200*time.Millisecond, "all queues of a vhost share one")
	require.Eventually(t, func() bool { return connections(t, r) == 0 }, 40*time.Second, 200*time.Millisecond, "it is closed when unused")
	r.Publish(t, vhost, "one", "1")
	require.InDelta(t, 1, reads(t, p, r.Source("amqp", asker, password, vhost, "one")).Waiting, 0, "and is opened again")
}

// Ask recovers by itself, within one call, when a server returns.
func testOutages(t *testing.T, r *queuetest.Rabbit) {
	p := newPool(t, Options{})
	plain, api := r.Source("amqp", asker, password, vhost, "lasting"), r.Source("rabbitmq+http", asker, password, vhost, "lasting")
	r.Declare(t, vhost, "lasting")
	r.Publish(t, vhost, "lasting", "1", "2")
	require.InDelta(t, 2, reads(t, p, plain).Waiting, 0)
	eventually(t, p, api, counted(2, 0, map[string]float64{}))

	r.Pause(t)
	for _, text := range []string{plain, api} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := p.Ask(ctx, source(t, text))
		cancel()
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, Timeout, e.Kind)
	}
	r.Resume(t)
	require.InDelta(t, 2, reads(t, p, plain).Waiting, 0)

	r.Restart(t) // the pool has a connection to the old process
	require.InDelta(t, 2, reads(t, p, plain).Waiting, 0, "the first question works")
	eventually(t, p, api, counted(2, 0, map[string]float64{}))

	r.Stop()
	fails(t, p, plain, Unreachable, "nothing listens on "+r.Address)
	fails(t, p, api, Unreachable, "nothing listens on "+r.ManagementAddress)
	r.Start(t)
	require.InDelta(t, 2, reads(t, p, plain).Waiting, 0)
}
