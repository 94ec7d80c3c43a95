// Package docker translates between Stoker and the Docker API, and decides nothing. It is the only package that imports Docker's types:
// github.com/docker/docker is frozen at v28.5.2 upstream, so a later migration touches one folder.
package docker

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"
	"github.com/docker/go-connections/sockets"
	"github.com/docker/go-connections/tlsconfig"
)

// Options hold the engine's address and credentials, with the meaning of the Docker CLI's environment variables.
type Options struct {
	Host       string // DOCKER_HOST: unix or tcp; empty is the local socket
	TLSVerify  bool   // DOCKER_TLS_VERIFY
	CertPath   string // DOCKER_CERT_PATH: folder of ca.pem, cert.pem, key.pem; empty with TLSVerify is ~/.docker
	APIVersion string // DOCKER_API_VERSION: pinned; empty negotiates with each new session
	UserAgent  string
	HostName   string            // the name of the engine's host; empty is the one that the engine reports
	Self       string            // ID of the container that Stoker runs in: it is never touched
	Transport  http.RoundTripper // for tests; nil dials Host
	// OnDenied receives a line of text when a call is first refused by something before the engine, and again after the call was allowed in
	// between. Necessary reports whether Stoker cannot work without the call. OnDenied must not block.
	OnDenied func(text string, necessary bool)
}

// Client talks to one engine. It is safe for concurrent use. It sets no timeout of its own, because a stop may take
// minutes: the context bounds each call.
type Client struct {
	opts     Options
	host     string
	scheme   string
	recorder http.RoundTripper
	api      atomic.Pointer[client.Client]
	podman   atomic.Pointer[podman] // nil for Docker
	known    known
	// newestAPI is the newest API version that the session's engine supports, maybe newer than the client's; nil before the first session.
	newestAPI atomic.Pointer[string]
	denials   *denials

	collecting chan struct{} // has a place for each container whose evidence is read

	proc     string      // the path of procfs
	sameHost atomic.Bool // proc belongs to the engine's host
}

// New prepares a client and sends nothing. Its errors are mistakes in the options.
func New(opts Options) (*Client, error) {
	host, err := normalHost(opts)
	if err != nil {
		return nil, err
	}
	c := &Client{opts: opts, host: host, scheme: "http", proc: procFolder, denials: newDenials(opts.OnDenied), collecting: make(chan struct{}, maxCollecting)}
	if opts.overTCP(host) && opts.wantsTLS() {
		c.scheme = "https"
	}
	next := opts.Transport
	if next == nil {
		if next, err = c.transport(); err != nil {
			return nil, err
		}
	}
	c.recorder = recorder{next: next, plain: c.scheme == "http", denials: c.denials}
	api, err := c.newAPI()
	if err != nil {
		return nil, err
	}
	c.api.Store(api)
	return c, nil
}

// Host is the engine's address as it is dialled.
func (c *Client) Host() string { return c.host }

// Ping checks whether the engine answers, over a connection of its own. An engine that is shutting down closes its socket before it sends
// the first container its signal, so an answer after a stop signal shows that the engine stays (seen on 20.10.24). Behind a socket that
// systemd holds a ping is not refused but gets no answer: bound ctx.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.ping(ctx)
	return err
}

// ping returns the response to a ping or, where that is refused, to a request for the engine's info.
func (c *Client) ping(ctx context.Context) (*response, error) {
	asked, s := withResponse(ctx)
	_, err := c.api.Load().Ping(asked)
	if err != nil && s.maybeDenied() {
		_, err = c.api.Load().Info(asked)
	}
	return s, c.fail("ping the engine", s, err)
}

// newAPI returns a client that has not negotiated yet. After an upgrade the engine may support another range of API versions. The Docker
// client negotiates only once, and only downwards, so each session starts with a new client.
func (c *Client) newAPI() (*client.Client, error) {
	version := client.WithAPIVersionNegotiation()
	if c.opts.APIVersion != "" {
		version = client.WithVersion(c.opts.APIVersion)
	}
	return c.apiWith(version)
}

func (c *Client) agent() string { return cmp.Or(c.opts.UserAgent, "stoker") }

func (c *Client) apiWith(version client.Opt) (*client.Client, error) {
	api, err := client.NewClientWithOpts(
		client.WithHost(c.host),
		client.WithHTTPClient(&http.Client{Transport: c.recorder, CheckRedirect: client.CheckRedirect}),
		client.WithScheme(c.scheme),
		client.WithUserAgent(c.agent()),
		version,
	)
	if err != nil {
		return nil, fmt.Errorf("DOCKER_HOST %q: %w", c.host, err)
	}
	return api, nil
}

// Timeouts of a TCP connection. The keep-alive of the event stream detects within 15 s that the engine's host is gone,
// without a request.
const (
	dialTimeout       = 10 * time.Second
	keepAliveIdle     = 10 * time.Second
	keepAliveInterval = 2 * time.Second
	keepAliveCount    = 3
)

// transport opens a connection for each request. That costs a tenth of a millisecond on a unix socket and avoids two problems: a start or
// stop sent over a connection that a restart of the engine broke has an unknown result; and an engine that is shutting down may still
// answer on old connections (20.10.24 does).
func (c *Client) transport() (*http.Transport, error) {
	proto, addr, _ := strings.Cut(c.host, "://")
	tr := &http.Transport{DisableKeepAlives: true}
	if err := sockets.ConfigureTransport(tr, proto, addr); err != nil {
		return nil, fmt.Errorf("DOCKER_HOST %q: %w", c.host, err)
	}
	if proto == "tcp" {
		tr.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
		}}).DialContext
	}
	if c.scheme == "https" {
		conf, err := c.opts.tls()
		if err != nil {
			return nil, err
		}
		tr.TLSClientConfig = conf
	}
	return tr, nil
}

func (o Options) overTCP(host string) bool { return strings.HasPrefix(host, "tcp://") }

func (o Options) wantsTLS() bool { return o.TLSVerify || o.CertPath != "" }

// tls is the configuration that the Docker CLI would use. Certificates without DOCKER_TLS_VERIFY mean TLS whose server
// is not verified, as in Docker's own Go client.
func (o Options) tls() (*tls.Config, error) {
	folder := o.CertPath
	if folder == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("DOCKER_TLS_VERIFY without DOCKER_CERT_PATH, and no home folder: %w", err)
		}
		folder = filepath.Join(home, ".docker")
	}
	conf, err := tlsconfig.Client(tlsconfig.Options{
		CAFile:             filepath.Join(folder, "ca.pem"),
		CertFile:           present(folder, "cert.pem"),
		KeyFile:            present(folder, "key.pem"),
		InsecureSkipVerify: !o.TLSVerify,
		ExclusiveRootPools: true,
	})
	if err != nil {
		return nil, fmt.Errorf("DOCKER_CERT_PATH %q needs ca.pem, and cert.pem with key.pem if the engine asks for them: %w", folder, err)
	}
	return conf, nil
}

// present is the file's path, or empty when it does not exist: an engine need not ask for a client certificate.
func present(folder, name string) string {
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return ""
	}
	return path
}

// normalHost adds the parts that the Docker CLI allows to omit: tcp:// and its port.
func normalHost(o Options) (string, error) {
	host := strings.TrimSpace(o.Host)
	if host == "" {
		return client.DefaultDockerHost, nil
	}
	if !strings.Contains(host, "://") {
		host = "tcp://" + host
	}
	proto, addr, _ := strings.Cut(host, "://")
	switch {
	case proto == "unix" && addr != "":
		return host, nil
	case proto == "tcp" && addr != "":
		return "tcp://" + withPort(addr, o.wantsTLS()), nil
	case proto == "http" || proto == "https":
		return "", fmt.Errorf("DOCKER_HOST %q: write tcp:// for it, and DOCKER_TLS_VERIFY=1 for TLS", host)
	}
	return "", fmt.Errorf("DOCKER_HOST %q: only unix:// and tcp:// are supported", host)
}

func withPort(addr string, tls bool) string {
	authority, path, cut := strings.Cut(addr, "/")
	if _, _, err := net.SplitHostPort(authority); err != nil {
		port := "2375"
		if tls {
			port = "2376"
		}
		authority = net.JoinHostPort(strings.Trim(authority, "[]"), port)
	}
	if cut {
		return authority + "/" + path
	}
	return authority
}
