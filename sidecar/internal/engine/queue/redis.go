package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/gomodule/redigo/redis"

	"stoker/sidecar/internal/core/demand"
)

// redisConnections is the number of concurrent requests to one server, with one user and database. Others wait.
const redisConnections = 4

// redisServer reads one database of a server.
type redisServer struct {
	target demand.Target
	dial   dialer
	slots  chan struct{}

	mu   sync.Mutex
	idle []*redisLink
}

type redisLink struct {
	redis.Conn
	raw *bounded
}

func newRedis(t demand.Target, dial dialer) *redisServer {
	return &redisServer{target: t, dial: dial, slots: make(chan struct{}, redisConnections)}
}

func (s *redisServer) ask(ctx context.Context, t demand.Target) (demand.Reading, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return demand.Reading{}, ctx.Err()
	}
	for {
		link, fresh, err := s.take(ctx)
		if err != nil {
			return demand.Reading{}, s.explain(err, t)
		}
		reading, err := s.read(ctx, link, t)
		if link.Err() == nil { // the connection works, whatever the answer is
			s.keep(link)
			return reading, s.explain(err, t)
		}
		_ = link.Close()
		if ctx.Err() != nil || fresh || errors.Is(err, errTooLong) {
			return demand.Reading{}, s.explain(err, t)
		}
		// A kept connection was lost since the last request.
	}
}

func (s *redisServer) take(ctx context.Context) (link *redisLink, fresh bool, err error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		link = s.idle[n-1]
		s.idle = s.idle[:n-1]
	}
	s.mu.Unlock()
	if link != nil {
		link.raw.allow()
		return link, false, nil
	}
	link = &redisLink{}
	connect := func(ctx context.Context, _, _ string) (net.Conn, error) {
		connection, err := s.dial.connect(ctx, s.target)
		if err != nil {
			return nil, err
		}
		link.raw = &bounded{Conn: connection}
		link.raw.allow()
		return link.raw, nil
	}
	link.Conn, err = redis.DialContext(ctx, "tcp", s.target.Address(), redis.DialContextFunc(connect),
		redis.DialUsername(s.target.User), redis.DialPassword(s.target.Password), redis.DialDatabase(s.target.Database))
	return link, true, err
}

func (s *redisServer) keep(link *redisLink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, link)
}

func (s *redisServer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, link := range s.idle {
		_ = link.Close()
	}
	s.idle = nil
}

func (s *redisServer) read(ctx context.Context, link *redisLink, t demand.Target) (demand.Reading, error) {
	if t.Stream != "" {
		return readStream(ctx, link, t)
	}
	// An empty list does not exist in Redis: its length is 0, which is no error.
	length, err := redis.Int64(redis.DoContext(link.Conn, ctx, "LLEN", t.List))
	return demand.Reading{Waiting: float64(length), InHand: demand.InHand{Kind: demand.InHandUnknown}}, err
}

// readStream reads the number of entries not yet delivered to a group (its lag), and of those that its consumers hold (pending).
//
// Redis before 7.0 does not report the lag. Redis 7.0 does not if undelivered entries were deleted, or if the group began at an arbitrary
// entry. Then the lag is 0 if no entry follows the last delivered one, else the length of the stream without the pending entries. That is
// too high if processed entries stay in the stream.
func readStream(ctx context.Context, link *redisLink, t demand.Target) (demand.Reading, error) {
	groups, err := redis.Values(redis.DoContext(link.Conn, ctx, "XINFO", "GROUPS", t.Stream))
	if err != nil {
		return demand.Reading{}, err
	}
	for _, g := range groups {
		group, err := fields(g)
		if err != nil {
			return demand.Reading{}, err
		}
		if name, _ := redis.String(group["name"], nil); name != t.Group {
			continue
		}
		pending, err := redis.Int64(group["pending"], nil)
		if err != nil {
			return demand.Reading{}, err
		}
		lag, err := redis.Int64(group["lag"], nil)
		if errors.Is(err, redis.ErrNil) {
			last, _ := redis.String(group["last-delivered-id"], nil)
			lag, err = countAfter(ctx, link, t.Stream, last, pending)
		}
		return demand.Reading{Waiting: float64(lag), InHand: demand.InHand{Kind: demand.InHandCounted, Total: float64(pending)}}, err
	}
	return demand.Reading{}, problem(NoGroup, "stream %q on %s has no group %q; create it with XGROUP CREATE, or correct group=", t.Stream, t.Address(), t.Group)
}

// fields reads names and values that follow each other.
func fields(group any) (map[string]any, error) {
	flat, err := redis.Values(group, nil)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for i := 0; i+1 < len(flat); i += 2 {
		name, err := redis.String(flat[i], nil)
		if err != nil {
			return nil, err
		}
		all[name] = flat[i+1]
	}
	return all, nil
}

func countAfter(ctx context.Context, link *redisLink, stream, last string, pending int64) (int64, error) {
	next, err := redis.Values(redis.DoContext(link.Conn, ctx, "XRANGE", stream, "("+last, "+", "COUNT", 1))
	if err != nil || len(next) == 0 {
		return 0, err
	}
	length, err := redis.Int64(redis.DoContext(link.Conn, ctx, "XLEN", stream))
	return max(length-pending, 1), err
}

// explain returns the problem for an error of Redis. An error of Redis begins with a code. The rest of its text may repeat the request.
func (s *redisServer) explain(err error, t demand.Target) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if errors.Is(err, errTooLong) {
		return problem(BadAnswer, "the answer of %s is longer than 1 MiB", t.Address())
	}
	refusal, ok := errors.AsType[redis.Error](err)
	if !ok {
		if strings.HasPrefix(err.Error(), "redigo: ") {
			return problem(BadAnswer, "%s does not answer as a server of %s does; see whether host and port are right", t.Address(), protocol(t))
		}
		return err
	}
	code, text, _ := strings.Cut(string(refusal), " ")
	switch {
	case strings.Contains(text, "without any password configured"):
		return problem(Refused, "%s has no password; leave it out of the URL", t.Address())
	case code == "NOAUTH", code == "WRONGPASS", strings.Contains(text, "AUTH"):
		return problem(Refused, "%s refused user or password, or the lack of one; write redis://user:password@host, or redis://:password@host", t.Address())
	case code == "NOPERM":
		return problem(Refused, "the user may not read %s on %s; give it +llen, or +xinfo, +xrange and +xlen, and the key", what(t), t.Address())
	case code == "WRONGTYPE":
		return problem(WrongType, "%s on %s is of another type; correct the name, or write %s", what(t), t.Address(), other(t))
	case strings.Contains(text, "no such key"):
		return problem(NoStream, "stream %q does not exist on %s in database %d; create it, or correct stream=", t.Stream, t.Address(), t.Database)
	case strings.Contains(text, "DB index"):
		return problem(BadAnswer, "%s has no database %d; correct the path of the URL", t.Address(), t.Database)
	case code == "LOADING", code == "MASTERDOWN", code == "BUSY", code == "CLUSTERDOWN":
		return problem(Unreachable, "%s is not ready (%s)", t.Address(), code)
	}
	return problem(BadAnswer, "%s answered an error%s when asked for %s", t.Address(), quote(code, t), what(t))
}

func what(t demand.Target) string {
	if t.Stream != "" {
		return fmt.Sprintf("stream %q", t.Stream)
	}
	return fmt.Sprintf("list %q", t.List)
}

func other(t demand.Target) string {
	if t.Stream != "" {
		return "list="
	}
	return "stream= and group="
}
