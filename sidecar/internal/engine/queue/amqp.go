package queue

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"stoker/sidecar/internal/core/demand"
)

const (
	// connectionName is the name of Stoker's connections in RabbitMQ.
	connectionName = "stoker"
	// heartbeat lets both sides notice a dead peer, within two of it.
	heartbeat = 10 * time.Second
	// idleChannels is the number of open channels that a connection keeps for the next requests.
	idleChannels = 4
)

// amqpServer reads the queues of one vhost, over one connection. Each request has a channel of its own: RabbitMQ closes a channel on a
// request for a missing queue.
type amqpServer struct {
	target demand.Target
	dial   dialer
	turn   chan struct{} // held while connecting

	mu   sync.Mutex
	link *amqpLink // nil: none
}

func newAMQP(t demand.Target, dial dialer) *amqpServer {
	return &amqpServer{target: t, dial: dial, turn: make(chan struct{}, 1)}
}

// ask declares a queue passively: that needs no permission, and returns the number of ready messages, without those that consumers hold.
func (s *amqpServer) ask(ctx context.Context, t demand.Target) (demand.Reading, error) {
	for {
		link, fresh, err := s.connect(ctx)
		if err != nil {
			return demand.Reading{}, err
		}
		ready, err := link.declare(ctx, t.Queue)
		if err == nil {
			return demand.Reading{Waiting: float64(ready), InHand: demand.InHand{Kind: demand.InHandUnknown}}, nil
		}
		if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Server && refusal.Code != amqp.ConnectionForced {
			return demand.Reading{}, queueProblem(refusal, t)
		}
		s.drop(link)
		if ctx.Err() != nil || fresh {
			return demand.Reading{}, err
		}
		// A kept connection was lost since the last request.
	}
}

// connect returns the existing connection, or a fresh one.
func (s *amqpServer) connect(ctx context.Context) (link *amqpLink, fresh bool, err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	s.mu.Lock()
	link = s.link
	s.mu.Unlock()
	if link != nil && !link.connection.IsClosed() {
		return link, false, nil
	}
	if link, err = s.open(ctx); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link = link
	return link, true, nil
}

func (s *amqpServer) open(ctx context.Context) (*amqpLink, error) {
	raw, err := s.dial.connect(ctx, s.target)
	if err != nil {
		return nil, err
	}
	ended := context.AfterFunc(ctx, func() { _ = raw.Close() })
	connection, err := amqp.Open(raw, amqp.Config{
		SASL:  []amqp.Authentication{&amqp.PlainAuth{Username: s.target.User, Password: s.target.Password}},
		Vhost: s.target.Vhost, Heartbeat: heartbeat, Locale: "en_US", FrameSize: 1 << 17,
		Properties: amqp.Table{"connection_name": connectionName, "product": connectionName},
	})
	if !ended() {
		return nil, ctx.Err()
	}
	if err != nil {
		_ = raw.Close()
		return nil, s.loginProblem(err)
	}
	return &amqpLink{raw: raw, connection: connection}, nil
}

// loginProblem explains why RabbitMQ refused a connection. It does not quote the server, whose text has the user's name.
func (s *amqpServer) loginProblem(err error) error {
	refusal, ok := errors.AsType[*amqp.Error](err)
	if !ok {
		return err
	}
	t := s.target
	switch {
	case errors.Is(err, amqp.ErrSASL):
		return problem(Refused, "%s does not let users log in with a password (mechanism PLAIN)", t.Address())
	case refusal.Code == amqp.NotAllowed && strings.Contains(refusal.Reason, "not found"):
		return problem(NoVhost, "vhost %q does not exist on %s; create it, or correct the path of the URL", t.Vhost, t.Address())
	case refusal.Code == amqp.NotAllowed && strings.Contains(refusal.Reason, "limit"):
		return problem(Refused, "%s has as many connections as it allows; raise its limit for the user or for vhost %q", t.Address(), t.Vhost)
	case refusal.Code == amqp.NotAllowed, errors.Is(err, amqp.ErrVhost):
		return problem(Refused, "the user may not use vhost %q of %s; give permissions there: ^$ for all three is enough", t.Vhost, t.Address())
	case errors.Is(err, amqp.ErrCredentials), refusal.Code == amqp.AccessRefused:
		return problem(Refused, "%s refused user or password (user guest may log in from the server's own host only)", t.Address())
	case refusal.Code == amqp.FrameError, refusal.Code == amqp.SyntaxError, errors.Is(err, amqp.ErrClosed):
		// The library returns ErrClosed if it reads an invalid frame before it wrote its own greeting.
		return problem(BadAnswer, "%s does not use %s; see whether host and port are right", t.Address(), protocol(t))
	}
	return problem(Unreachable, "%s ended the connection with code %d; see its log", t.Address(), refusal.Code)
}

func queueProblem(refusal *amqp.Error, t demand.Target) *Error {
	switch refusal.Code {
	case amqp.NotFound:
		return noQueue(t)
	case amqp.ResourceLocked:
		return problem(Refused, "queue %q on %s is exclusive to one connection; it cannot be asked for", t.Queue, t.Address())
	}
	return problem(BadAnswer, "%s answered code %d when asked for queue %q; see its log", t.Address(), refusal.Code, t.Queue)
}

func noQueue(t demand.Target) *Error {
	return problem(NoQueue, "queue %q does not exist on %s in vhost %q; declare it, or correct queue=", t.Queue, t.Address(), t.Vhost)
}

// drop ends a connection at once. Concurrent users of it open a new one.
func (s *amqpServer) drop(link *amqpLink) {
	s.mu.Lock()
	if s.link == link {
		s.link = nil
	}
	s.mu.Unlock()
	_ = link.raw.Close()
}

func (s *amqpServer) close() {
	s.mu.Lock()
	link := s.link
	s.link = nil
	s.mu.Unlock()
	if link != nil {
		_ = link.connection.CloseDeadline(time.Now().Add(goodbye))
		_ = link.raw.Close()
	}
}

// amqpLink is an established connection, which may be broken by now.
type amqpLink struct {
	raw        net.Conn
	connection *amqp.Connection

	mu   sync.Mutex
	idle []*amqp.Channel
}

// declare waits for the answer, or for the end of ctx. The library's calls have no timeout: on an error that is not the server's, the
// caller has to drop the connection, which ends the call.
func (l *amqpLink) declare(ctx context.Context, queue string) (ready int, err error) {
	answered := make(chan struct{})
	var answer amqp.Queue
	var failed error
	go func() {
		defer close(answered)
		answer, failed = l.onChannel(queue)
	}()
	select {
	case <-answered:
		return answer.Messages, failed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (l *amqpLink) onChannel(queue string) (amqp.Queue, error) {
	channel, err := l.channel()
	if err != nil {
		return amqp.Queue{}, err
	}
	answer, err := channel.QueueDeclarePassive(queue, false, false, false, false, nil)
	if err == nil {
		l.keep(channel)
	}
	return answer, err
}

func (l *amqpLink) channel() (*amqp.Channel, error) {
	l.mu.Lock()
	l.idle = slices.DeleteFunc(l.idle, (*amqp.Channel).IsClosed)
	if n := len(l.idle); n > 0 {
		channel := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		return channel, nil
	}
	l.mu.Unlock()
	return l.connection.Channel()
}

func (l *amqpLink) keep(channel *amqp.Channel) {
	l.mu.Lock()
	if len(l.idle) < idleChannels {
		l.idle = append(l.idle, channel)
		channel = nil
	}
	l.mu.Unlock()
	if channel != nil {
		_ = channel.Close()
	}
}
