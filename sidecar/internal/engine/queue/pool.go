// Package queue reads the sources of work: queues of RabbitMQ, lists and streams of Redis, Prometheus, and JSON over HTTP.
//
// It makes no decisions and logs nothing. Its answers and errors hold no secret. Connections are kept between requests.
package queue

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"stoker/sidecar/internal/core/demand"
)

const (
	// longestAsk bounds a request whose context has no deadline, or a late one.
	longestAsk = 30 * time.Second
	// defaultIdle is the time for which unused connections are kept. A source is polled every few seconds.
	defaultIdle = 5 * time.Minute
	// goodbye is the time limit for closing a connection.
	goodbye = time.Second
)

// Options of a Pool. The zero value has the defaults.
type Options struct {
	// Idle is the time for which connections are kept after the last request; 0 is 5 minutes.
	Idle time.Duration
	// Dial connects to host:port; nil is net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrClosed is the answer of a closed Pool.
var ErrClosed = errors.New("the sources of work are not asked any more: Stoker ends")

// Pool reads sources, and keeps the connections. Its methods may be called concurrently.
type Pool struct {
	options Options
	web     *web

	mu        sync.Mutex
	closed    bool
	questions map[demand.Source]*question
	servers   map[demand.Target]*kept
	running   sync.WaitGroup
}

// server is a connection to a server, or several.
type server interface {
	// ask returns by the end of ctx. Its error is an *Error without a Source, or ctx's.
	ask(ctx context.Context, t demand.Target) (demand.Reading, error)
	close()
}

// kept is a server that was used recently.
type kept struct {
	server
	asking int
	unused *time.Timer
}

// question is one pending request, for all its callers.
type question struct {
	cancel  context.CancelFunc
	waiting int
	done    chan struct{} // closed when answer and err are set
	reading demand.Reading
	err     error
}

// New returns a pool without connections. Close ends it.
func New(o Options) *Pool {
	if o.Idle <= 0 {
		o.Idle = defaultIdle
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return &Pool{options: o, web: newWeb(o), questions: map[demand.Source]*question{}, servers: map[demand.Target]*kept{}}
}

// Ask reads a source once, with one request, or waits for a pending request for the same source. It returns by the end of ctx, and after 30
// s at the latest. A connection that was lost since the last request is opened again within it.
//
// The error is an *Error, unless ctx was cancelled or the pool is closed.
func (p *Pool) Ask(ctx context.Context, s demand.Source) (demand.Reading, error) {
	if err := ctx.Err(); err != nil {
		return demand.Reading{}, outOfTime(err, s)
	}
	q, err := p.join(ctx, s)
	if err != nil {
		return demand.Reading{}, err
	}
	select {
	case <-q.done:
		return q.reading, q.err
	case <-ctx.Done():
		p.leave(s, q)
		return demand.Reading{}, outOfTime(ctx.Err(), s)
	}
}

// join returns the pending question for a source, or a new one.
func (p *Pool) join(ctx context.Context, s demand.Source) (*question, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if q, ok := p.questions[s]; ok {
		q.waiting++
		return q, nil
	}
	// Another caller may still wait for the answer when the first one has left.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeLeft(ctx))
	q := &question{cancel: cancel, waiting: 1, done: make(chan struct{})}
	p.questions[s] = q
	p.running.Go(func() {
		defer cancel()
		q.reading, q.err = p.request(own, s)
		p.forget(s, q)
		close(q.done)
	})
	return q, nil
}

func timeLeft(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(time.Until(end), longestAsk)
	}
	return longestAsk
}

// leave ends a question when its last caller leaves.
func (p *Pool) leave(s demand.Source, q *question) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.waiting--; q.waiting > 0 {
		return
	}
	q.cancel()
	if p.questions[s] == q {
		delete(p.questions, s)
	}
}

func (p *Pool) forget(s demand.Source, q *question) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.questions[s] == q {
		delete(p.questions, s)
	}
}

func (p *Pool) request(ctx context.Context, s demand.Source) (demand.Reading, error) {
	t := s.Reveal()
	k, err := p.take(t)
	if err != nil {
		return demand.Reading{}, err
	}
	defer p.giveBack(t, k)
	reading, err := k.ask(ctx, t)
	switch known, ok := errors.AsType[*Error](err); {
	case err == nil:
		return reading, nil
	case ctx.Err() != nil: // whatever error the library returned
		return demand.Reading{}, outOfTime(ctx.Err(), s)
	case ok:
		return demand.Reading{}, &Error{Kind: known.Kind, Source: s, Detail: known.Detail}
	default:
		problem := connectionProblem(err, t)
		return demand.Reading{}, &Error{Kind: problem.Kind, Source: s, Detail: problem.Detail}
	}
}

// take returns the connections to the server of a source. The caller returns them.
func (p *Pool) take(t demand.Target) (*kept, error) {
	if t.Kind != demand.KindAMQP && t.Kind != demand.KindRedis {
		return &kept{server: p.web}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	t = t.Server()
	k, ok := p.servers[t]
	if !ok {
		k = &kept{}
		if t.Kind == demand.KindAMQP {
			k.server = newAMQP(t, p.options.Dial)
		} else {
			k.server = newRedis(t, p.options.Dial)
		}
		k.unused = time.AfterFunc(p.options.Idle, func() { p.drop(t, k) })
		p.servers[t] = k
	}
	k.asking++
	return k, nil
}

func (p *Pool) giveBack(t demand.Target, k *kept) {
	if k.unused == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k.asking--
	if p.servers[t.Server()] == k {
		k.unused.Reset(p.options.Idle)
	}
}

// drop closes connections that were not used for some time.
func (p *Pool) drop(t demand.Target, k *kept) {
	p.mu.Lock()
	if p.closed || k.asking > 0 || p.servers[t] != k {
		p.mu.Unlock()
		return
	}
	delete(p.servers, t)
	p.running.Go(k.close)
	p.mu.Unlock()
}

// Close ends the pending requests and all connections. No goroutine of the pool runs afterwards, unless ctx ended before.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	for _, q := range p.questions {
		q.cancel()
	}
	servers := p.servers
	p.servers = map[demand.Target]*kept{}
	p.mu.Unlock()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.running.Wait()
		var closing sync.WaitGroup
		for _, k := range servers {
			k.unused.Stop()
			closing.Go(k.close)
		}
		closing.Wait()
		p.web.close()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
