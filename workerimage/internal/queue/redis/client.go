// Package redis is the client of a queue that is a list of Redis, 6.2 or later, on one server without a cluster.
//
// Guarantee: exactly once, as long as the server keeps the data that it has confirmed: the result is stored and the task removed in one
// step. A task is always in a list, of the queue or of a worker. The task of a dead worker is returned by any other worker when the lease
// has ended.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"stoker/workerimage/internal/queue"
)

const (
	dialLimit = 5 * time.Second
	callLimit = 5 * time.Second // for an answer
	wait      = time.Second     // of Take
	pause     = 200 * time.Millisecond
	batch     = 500
)

var errLost = errors.New("no connection to the server")

func dial(ctx context.Context, spec queue.Spec, name string) (redis.Conn, error) {
	conn, err := redis.DialContext(ctx, "tcp", spec.Host,
		redis.DialUsername(spec.User), redis.DialPassword(spec.Password), redis.DialDatabase(spec.Database),
		redis.DialClientName(clientName(name)), redis.DialUseTLS(spec.TLS), redis.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}),
		redis.DialConnectTimeout(dialLimit), redis.DialReadTimeout(callLimit), redis.DialWriteTimeout(callLimit))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", spec, err)
	}
	return conn, nil
}

// clientName replaces what Redis refuses in the name of a client.
func clientName(name string) string {
	clean := []byte(name)
	for at, c := range clean {
		if c < '!' || c > '~' {
			clean[at] = '-'
		}
	}
	return string(clean)
}

func duplicates(spec queue.Spec) string { return spec.Name + ".duplicates" }

// Client puts tasks and collects results. See broker.Client.
type Client struct {
	spec queue.Spec
	conn redis.Conn
}

// NewClient returns a client that is not connected.
func NewClient(spec queue.Spec) *Client { return &Client{spec: spec} }

// Connect replaces the connection.
func (c *Client) Connect(ctx context.Context) error {
	c.close()
	var err error
	c.conn, err = dial(ctx, c.spec, "worker-produce")
	return err
}

// Put pushes tasks at the right end of the list.
func (c *Client) Put(_ context.Context, tasks []queue.Message) error {
	if c.conn == nil {
		return errLost
	}
	args := redis.Args{c.spec.Name}
	for _, task := range tasks {
		args = args.Add(task.Body)
	}
	_, err := c.conn.Do("RPUSH", args...)
	return err
}

// Collect reads the missing results, and pauses if there is none.
func (c *Client) Collect(ctx context.Context, missing []string) ([]queue.Found, error) {
	if c.conn == nil {
		return nil, errLost
	}
	var found []queue.Found
	for begin := 0; begin < len(missing); begin += batch {
		part, err := c.look(missing[begin:min(begin+batch, len(missing))])
		if err != nil {
			return nil, err
		}
		found = append(found, part...)
	}
	if len(found) == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return found, nil
}

func (c *Client) look(ids []string) ([]queue.Found, error) {
	results, err := redis.ByteSlices(c.conn.Do("HMGET", redis.Args{c.spec.Results()}.AddFlat(ids)...))
	if err != nil {
		return nil, err
	}
	again, err := redis.Ints(c.conn.Do("HMGET", redis.Args{duplicates(c.spec)}.AddFlat(ids)...))
	if err != nil {
		return nil, err
	}
	var found []queue.Found
	for at, body := range results {
		if body != nil {
			found = append(found, queue.Found{Body: body, Duplicates: again[at]})
		}
	}
	return found, nil
}

// Clear deletes the results of these jobs.
func (c *Client) Clear(_ context.Context, ids []string) error {
	defer c.close()
	if c.conn == nil {
		return errLost
	}
	for _, key := range []string{c.spec.Results(), duplicates(c.spec)} {
		for begin := 0; begin < len(ids); begin += batch {
			part := ids[begin:min(begin+batch, len(ids))]
			if _, err := c.conn.Do("HDEL", redis.Args{key}.AddFlat(part)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // it may be broken already
	}
	c.conn = nil
}
