package rabbit

import (
	"context"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stoker/workerimage/internal/queue"
)

// Client puts tasks and collects results. See broker.Client.
type Client struct {
	link       link
	deliveries <-chan amqp.Delivery
	held       []held
}

// held is a result that is not acknowledged yet, so that none is lost if the collector dies.
type held struct {
	tag uint64
	id  string
}

// NewClient returns a client that is not connected.
func NewClient(spec queue.Spec) *Client {
	return &Client{link: link{spec: spec, name: "worker produce"}}
}

// Connect returns to the queue the results that were collected on an earlier connection; Collect returns them again.
func (c *Client) Connect(ctx context.Context) error {
	c.deliveries, c.held = nil, nil
	return c.link.connect(ctx)
}

// Put publishes persistent messages, and waits for their confirms.
func (c *Client) Put(ctx context.Context, tasks []queue.Message) error {
	for part := range slices.Chunk(tasks, batch) {
		if err := c.link.publish(ctx, c.link.spec.Name, part); err != nil {
			return err
		}
	}
	return nil
}

// Collect returns all results that arrive, without acknowledging them.
func (c *Client) Collect(ctx context.Context, _ []string) ([]queue.Found, error) {
	if c.link.channel == nil {
		return nil, errLost
	}
	if c.deliveries == nil {
		var err error
		if c.deliveries, err = c.link.channel.Consume(c.link.spec.Results(), "", false, false, false, false, nil); err != nil {
			return nil, err
		}
	}
	first, err := c.next(ctx, wait)
	if err != nil || first == nil {
		return nil, err
	}
	found := []queue.Found{{Body: first.Body}}
	for len(found) < 10*batch {
		delivery, err := c.next(ctx, 10*time.Millisecond)
		if err != nil || delivery == nil {
			return found, err
		}
		found = append(found, queue.Found{Body: delivery.Body})
	}
	return found, nil
}

// next returns nil if nothing came in time.
func (c *Client) next(ctx context.Context, wait time.Duration) (*amqp.Delivery, error) {
	limit := time.NewTimer(wait)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		return nil, nil
	case <-limit.C:
		return nil, nil
	case delivery, open := <-c.deliveries:
		if !open {
			return nil, c.link.lost("the broker ended the consumer")
		}
		c.held = append(c.held, held{tag: delivery.DeliveryTag, id: delivery.CorrelationId})
		return &delivery, nil
	}
}

// Clear acknowledges the results of these jobs, including those that a lost connection returned to the queue.
func (c *Client) Clear(ctx context.Context, ids []string) error {
	defer c.link.close()
	if c.deliveries == nil {
		return nil
	}
	for {
		delivery, err := c.next(ctx, 200*time.Millisecond)
		if err != nil {
			return err
		}
		if delivery == nil {
			break
		}
	}
	ours := make(map[string]bool, len(ids))
	for _, id := range ids {
		ours[id] = true
	}
	for _, result := range c.held {
		if !ours[result.id] {
			continue
		}
		if err := c.link.channel.Ack(result.tag, false); err != nil {
			return err
		}
	}
	return nil
}
