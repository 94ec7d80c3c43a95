package queue

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"

	"stoker/sidecar/internal/core/demand"
)

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// connect makes a connection, with TLS where the source has it. The authorities are the system's, or those of SSL_CERT_FILE.
func (d dialer) connect(ctx context.Context, t demand.Target) (net.Conn, error) {
	plain, err := d(ctx, "tcp", t.Address())
	if err != nil || !t.TLS {
		return plain, err
	}
	secure := tls.Client(plain, &tls.Config{ServerName: t.Host})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return secure, nil
}

// errTooLong ends a connection that received more than the longest valid answer.
var errTooLong = errors.New("the answer is too long")

// bounded is a connection that fails after a number of bytes. Its user allows more before each request.
type bounded struct {
	net.Conn
	left atomic.Int64
}

func (b *bounded) allow() { b.left.Store(longestAnswer) }

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if err == nil && b.left.Add(int64(-n)) < 0 {
		return 0, errTooLong
	}
	return n, err
}
