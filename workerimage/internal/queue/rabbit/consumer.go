package rabbit

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stoker/workerimage/internal/queue"
)

// Consumer takes tasks one by one. See broker.Consumer.
type Consumer struct {
	link       link
	deliveries <-chan amqp.Delivery
}

// NewConsumer returns a consumer that is not connected.
func NewConsumer(spec queue.Spec, worker string) *Consumer {
	return &Consumer{link: link{spec: spec, name: worker}}
}

// Connect consumes with a prefetch of 1: the broker delivers no task before the last one is acknowledged.
func (c *Consumer) Connect(ctx context.Context) error {
	if err := c.link.connect(ctx); err != nil {
		return err
	}
	if err := c.link.channel.Qos(1, 0, false); err != nil {
		return err
	}
	var err error
	c.deliveries, err = c.link.channel.Consume(c.link.spec.Name, "", false, false, false, false, nil)
	return err
}

// Take waits for a task.
func (c *Consumer) Take(ctx context.Context) (queue.Task, error) {
	if c.deliveries == nil {
		return queue.Task{}, errLost
	}
	limit := time.NewTimer(wait)
	defer limit.Stop()
	select {
	case <-ctx.Done():
	case <-limit.C:
	case delivery, open := <-c.deliveries:
		if !open {
			return queue.Task{}, c.link.lost("the broker ended the consumer, because the queue was deleted or the connection lost")
		}
		return queue.Task{
			Body:   delivery.Body,
			Again:  delivery.Redelivered,
			Handle: queue.Handle{Tag: delivery.DeliveryTag, Life: c.link.life},
		}, nil
	}
	return queue.Task{}, queue.ErrNone
}

// Hold does nothing: the broker watches the connection, not the work.
func (c *Consumer) Hold(context.Context) error { return nil }

// Finish publishes the result, waits for the confirm, and acknowledges the task.
func (c *Consumer) Finish(ctx context.Context, task queue.Task, result queue.Message) (queue.Outcome, error) {
	if task.Handle.Life != c.link.life {
		return queue.TakenAway, nil // with the connection on which it came
	}
	if err := c.link.publish(ctx, c.link.spec.Results(), []queue.Message{result}); err != nil {
		return "", err
	}
	// The result is stored. If the acknowledgement is lost, the task is delivered again, and the next Take reports the lost connection.
	_ = c.link.channel.Ack(task.Handle.Tag, false)
	return queue.Stored, nil
}

// Leave closes the connection: the broker puts back at once what is not acknowledged.
func (c *Consumer) Leave(context.Context) error {
	c.deliveries = nil
	c.link.close()
	return nil
}
