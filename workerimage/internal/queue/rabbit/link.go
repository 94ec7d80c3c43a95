// Package rabbit is the client of a queue of RabbitMQ, by AMQP 0-9-1.
//
// Guarantee: at least once. A task is acknowledged after the broker has confirmed its result, so no task is lost in a crash. The two are
// not atomic: if a worker, a connection or a broker fails between them, the result is stored and the task is delivered again. Its second
// result has the same ID.
package rabbit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stoker/workerimage/internal/queue"
)

const (
	dialLimit = 5 * time.Second  // for connection, TLS and AMQP handshake
	heartbeat = 10 * time.Second // a peer that is silent for two of these is dead
	wait      = time.Second      // of Take and Collect
	closing   = 3 * time.Second
	batch     = 100 // messages published before the first confirm is waited for
)

// link is one connection with one channel, and the means to replace it.
type link struct {
	spec    queue.Spec
	name    string
	life    int // counts the connections
	conn    *amqp.Connection
	channel *amqp.Channel
	returns chan amqp.Return
	closed  chan *amqp.Error
}

// connect replaces the connection, creates both queues if they do not exist, and enables confirms.
func (l *link) connect(ctx context.Context) error {
	l.close()
	l.life++
	conn, err := dial(ctx, l.spec, l.name)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", l.spec, err)
	}
	l.conn = conn
	for _, name := range []string{l.spec.Name, l.spec.Results()} {
		if err := declare(conn, name); err != nil {
			return fmt.Errorf("declare queue %q at %s: %w", name, l.spec.Host, err)
		}
	}
	if l.channel, err = conn.Channel(); err != nil {
		return err
	}
	// The library sends returns and the closing from the goroutine that reads the connection, so both channels must have room.
	l.returns = l.channel.NotifyReturn(make(chan amqp.Return, 2*batch))
	l.closed = l.channel.NotifyClose(make(chan *amqp.Error, 1))
	return l.channel.Confirm(false)
}

func dial(ctx context.Context, spec queue.Spec, name string) (*amqp.Connection, error) {
	scheme := "amqp://"
	config := amqp.Config{
		Vhost:      spec.Vhost,
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: spec.User, Password: spec.Password}},
		Heartbeat:  heartbeat,
		Properties: amqp.Table{"connection_name": name},
		Dial: func(network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn, conn.SetDeadline(time.Now().Add(dialLimit)) // the library clears it after the handshake
		},
	}
	if spec.TLS {
		scheme = "amqps://"
		host, _, err := net.SplitHostPort(spec.Host)
		if err != nil {
			return nil, err
		}
		config.TLSClientConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	return amqp.DialConfig(scheme+spec.Host, config)
}

// declare creates a durable queue. An existing one is accepted as it is, even a quorum queue or one with a limit: a declaration with other
// arguments would be refused. Each attempt needs a channel, because a refusal closes it.
func declare(conn *amqp.Connection, name string) error {
	try := func(declare func(channel *amqp.Channel) error) error {
		channel, err := conn.Channel()
		if err != nil {
			return err
		}
		if err := declare(channel); err != nil {
			return err
		}
		return channel.Close()
	}
	err := try(func(channel *amqp.Channel) error {
		_, err := channel.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	var refused *amqp.Error
	if !errors.As(err, &refused) || refused.Code != amqp.NotFound {
		return err
	}
	return try(func(channel *amqp.Channel) error {
		_, err := channel.QueueDeclare(name, true, false, false, false, nil)
		return err
	})
}

// publish returns nil when the broker has confirmed all of the messages, at most one batch. A confirm may take long: a broker that is short
// of memory or disk blocks publishers. publish waits until ctx or the connection ends.
func (l *link) publish(ctx context.Context, name string, messages []queue.Message) error {
	if l.channel == nil {
		return errLost
	}
	for len(l.returns) > 0 {
		<-l.returns
	}
	confirms := make([]*amqp.DeferredConfirmation, 0, len(messages))
	for _, message := range messages {
		// Mandatory, because the broker confirms a message for a queue that does not exist any more, too, and drops it.
		confirm, err := l.channel.PublishWithDeferredConfirmWithContext(ctx, "", name, true, false, amqp.Publishing{
			DeliveryMode:  amqp.Persistent,
			ContentType:   "application/json",
			CorrelationId: message.ID,
			MessageId:     message.Attempt,
			Body:          message.Body,
		})
		if err != nil {
			return err
		}
		confirms = append(confirms, confirm)
	}
	for _, confirm := range confirms {
		acked, err := confirm.WaitContext(ctx)
		if err != nil {
			return err
		}
		if !acked {
			return l.lost("the broker did not confirm a message")
		}
	}
	// A return comes before the confirm of its message.
	select {
	case returned, open := <-l.returns:
		if open {
			return fmt.Errorf("queue %q took no message: %s", name, returned.ReplyText)
		}
	default:
	}
	return nil
}

var errLost = errors.New("no connection to the broker")

// lost returns the reason why the channel was closed, or else an error with this text.
func (l *link) lost(otherwise string) error {
	select {
	case reason := <-l.closed:
		if reason != nil {
			return reason
		}
	default:
	}
	return errors.New(otherwise)
}

// close returns unacknowledged messages to the queue.
func (l *link) close() {
	if l.conn != nil {
		_ = l.conn.CloseDeadline(time.Now().Add(closing)) // a broker that does not answer still detects the end of the connection
	}
	l.conn, l.channel = nil, nil
}
