// Package poll asks the Stokers of other hosts for their workers: each at most once every few seconds, for any number of viewers, and now and then
// without viewers. It sends nothing but the request, follows no redirect, and bounds time, bytes and the number of requests at once.
package poll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"stoker/sidecar/internal/report/peers"
)

const (
	// restEvery is how often peers are asked without viewers, so that it is known when each answered last.
	restEvery = time.Minute
	// askTimeout bounds one question, to the end of its answer; waitTimeout how long a request of an own client waits for the answers.
	askTimeout  = 4 * time.Second
	waitTimeout = 6 * time.Second
	dialTimeout = 2 * time.Second
	nameTimeout = 2 * time.Second
	// mostAsked is how many peers are asked at once. A hostile answer costs about twice peers.MaxAnswer while it is read.
	mostAsked   = 16
	headerBytes = 16 << 10
)

// Options is whom to ask.
type Options struct {
	// Peers are base URLs, and names with a port whose addresses are all asked.
	Peers []string
	// Instance marks this Stoker's own answers.
	Instance string
	Agent    string
	// Resolve finds the addresses of a name; nil asks the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Poller asks. Its zero value is of no use; see New.
type Poller struct {
	opts   Options
	names  []string
	client *http.Client
	asking chan struct{} // a place for each peer that is asked
	wake   chan struct{} // there is a viewer

	mu    sync.Mutex
	table *peers.Table
	began time.Time     // of the last round
	under bool          // a round is under way
	done  chan struct{} // closed when the round under way, or the next one, has ended
}

// New returns a poller that asks no peer before Run.
func New(o Options) *Poller {
	var urls, names []string
	for _, p := range o.Peers {
		if strings.Contains(p, "://") {
			urls = append(urls, p)
		} else {
			names = append(names, p)
		}
	}
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return &Poller{
		opts: o, names: names, client: newClient(), asking: make(chan struct{}, mostAsked),
		wake: make(chan struct{}, 1), table: peers.NewTable(o.Instance, urls), done: make(chan struct{}),
	}
}

// newClient uses no proxy of the environment: peers are neighbours. It asks for no compression, whose bounds are hard to keep.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, TLSHandshakeTimeout: askTimeout, DisableCompression: true,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: 20 * time.Second, MaxResponseHeaderBytes: headerBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Run asks until ctx ends: while there are viewers, and every minute.
func (p *Poller) Run(ctx context.Context) {
	defer p.client.CloseIdleConnections()
	for ctx.Err() == nil {
		p.round(ctx)
		rest := time.NewTimer(restEvery)
		select {
		case <-ctx.Done():
		case <-rest.C:
		case <-p.wake:
			p.pause(ctx)
		}
		rest.Stop()
	}
}

// pause waits until the last round is old enough for another.
func (p *Poller) pause(ctx context.Context) {
	p.mu.Lock()
	wait := time.Until(p.began.Add(peers.AskEvery))
	p.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Hosts returns what is known now, without waiting, and has the peers asked again soon.
func (p *Poller) Hosts() []peers.Host {
	p.look()
	return p.known()
}

// Fresh returns what is known once the round that is due or under way has ended, or after a few seconds, if peers keep it waiting.
func (p *Poller) Fresh(ctx context.Context) []peers.Host {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	p.mu.Lock()
	recent := !p.under && time.Since(p.began) < peers.AskEvery
	done := p.done
	p.mu.Unlock()
	if !recent {
		p.look()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	return p.known()
}

func (p *Poller) known() []peers.Host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.Hosts()
}

func (p *Poller) look() {
	select {
	case p.wake <- struct{}{}:
	default: // a wake is pending already
	}
}

// round resolves the names and asks all that are due.
func (p *Poller) round(ctx context.Context) {
	p.mu.Lock()
	p.began, p.under = time.Now(), true
	p.mu.Unlock()
	for _, name := range p.names {
		addresses, err := p.resolve(ctx, name)
		p.mu.Lock()
		p.table.Resolved(time.Now(), name, addresses, err)
		p.mu.Unlock()
	}
	p.mu.Lock()
	due := p.table.Due(time.Now())
	p.mu.Unlock()
	var asked sync.WaitGroup
	for _, address := range due {
		p.asking <- struct{}{}
		asked.Go(func() {
			defer func() { <-p.asking }()
			p.ask(ctx, address)
		})
	}
	asked.Wait()
	p.mu.Lock()
	close(p.done)
	p.done, p.under = make(chan struct{}), false
	p.mu.Unlock()
}

// resolve returns the base URLs that a name with a port stands for.
func (p *Poller) resolve(ctx context.Context, name string) ([]string, error) {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	addresses, err := p.opts.Resolve(ctx, host)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, nil
	}
	var urls []string
	for _, a := range addresses {
		urls = append(urls, "http://"+net.JoinHostPort(a.Unmap().String(), port))
	}
	return urls, err
}

// ask asks one peer and enters what came of it.
func (p *Poller) ask(ctx context.Context, address string) {
	report, failure := p.fetch(ctx, address)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if failure != nil {
		p.table.Failed(address, failure.state, failure.text)
		return
	}
	p.table.Answered(time.Now(), address, report)
}

// failure is why there is no report.
type failure struct {
	state peers.State
	text  string
}

func (p *Poller) fetch(ctx context.Context, address string) (peers.Report, *failure) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/v1/workers", nil)
	if err != nil {
		return peers.Report{}, &failure{peers.Invalid, "not a URL that can be fetched"}
	}
	request.Header.Set("User-Agent", p.opts.Agent)
	response, err := p.client.Do(request)
	if err != nil {
		return peers.Report{}, unanswered(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text := fmt.Sprintf("the answer is status %d", response.StatusCode)
		if response.StatusCode/100 == 3 {
			text += ", a redirect, which is not followed"
		}
		return peers.Report{}, &failure{peers.Invalid, text}
	}
	report, err := peers.Read(http.MaxBytesReader(nil, response.Body, peers.MaxAnswer))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return report, &failure{peers.Invalid, fmt.Sprintf("the answer is larger than %d MiB", peers.MaxAnswer>>20)}
	case errors.Is(err, context.DeadlineExceeded):
		return report, unanswered(err)
	case err != nil:
		return report, &failure{peers.Invalid, err.Error()}
	}
	return report, nil
}

// closedUnused is what net/http returns, as a value that it does not export, when a connection is closed before the request has been written to it.
const closedUnused = "http: server closed idle connection"

// unanswered returns why there was no answer, or none in HTTP.
func unanswered(err error) *failure {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &failure{peers.Silent, "no whole answer within " + askTimeout.String()}
	case errors.As(err, &op):
		return &failure{peers.Silent, op.Err.Error()}
	case errors.Is(err, io.EOF), err.Error() == closedUnused:
		return &failure{peers.Silent, "the connection was closed without an answer"}
	}
	return &failure{peers.Invalid, err.Error()}
}
