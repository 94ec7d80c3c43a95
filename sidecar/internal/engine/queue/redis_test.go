package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/test/queuetest"
)

func redisRules() []string {
	return []string{
		"user asker on >" + redisPassword + " ~* +llen +xinfo +xrange +xlen +select",
		"user nothing on >" + redisPassword + " ~* +select",
	}
}

const redisPassword = "hunter2"

func TestRedis(t *testing.T) {
	r := queuetest.Redis(t, redisRules(), queuetest.TLS(trusted))
	t.Run("lists", func(t *testing.T) { testLists(t, r) })
	t.Run("streams", func(t *testing.T) { testStreams(t, r) })
	t.Run("refusals", func(t *testing.T) { testRedisRefusals(t, r) })
	t.Run("connections", func(t *testing.T) { testRedisConnections(t, r) })
	t.Run("outages", func(t *testing.T) { testRedisOutages(t, r) })
}

func testLists(t *testing.T, r *queuetest.RedisServer) {
	p := newPool(t, Options{})
	r.Do(t, 0, "RPUSH", "a b", 1, 2, 3)
	r.Do(t, 5, "RPUSH", "a b", 1)
	want := demand.Reading{Waiting: 3, InHand: demand.InHand{Kind: demand.InHandUnknown}}
	require.Equal(t, want, reads(t, p, r.Source("redis", "", "", 0, "list=a+b")))
	require.InDelta(t, 1, reads(t, p, r.Source("redis", "", "", 5, "list=a+b")).Waiting, 0)
	require.InDelta(t, 3, reads(t, p, r.Source("redis", "asker", redisPassword, 0, "list=a+b")).Waiting, 0)
	require.InDelta(t, 3, reads(t, p, r.Source("rediss", "asker", redisPassword, 0, "list=a+b")).Waiting, 0)
	require.InDelta(t, 0, reads(t, p, r.Source("redis", "", "", 0, "list=empty")).Waiting, 0, "a list without items does not exist")
}

func testStreams(t *testing.T, r *queuetest.RedisServer) {
	p := newPool(t, Options{})
	text := r.Source("redis", "asker", redisPassword, 0, "stream=s&group=g")
	fails(t, p, text, NoStream, `stream "s" does not exist on `+r.Address+` in database 0; create it, or correct stream=`)
	ids := add(t, r, 5)
	fails(t, p, text, NoGroup, `stream "s" on `+r.Address+` has no group "g"; create it with XGROUP CREATE, or correct group=`)
	r.Do(t, 0, "XGROUP", "CREATE", "s", "other", "$")
	r.Do(t, 0, "XGROUP", "CREATE", "s", "g", "0")
	stream := func(lag, pending float64) demand.Reading {
		return demand.Reading{Waiting: lag, InHand: demand.InHand{Kind: demand.InHandCounted, Total: pending}}
	}
	require.Equal(t, stream(5, 0), reads(t, p, text))
	r.Do(t, 0, "XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">")
	require.Equal(t, stream(3, 2), reads(t, p, text))
	r.Do(t, 0, "XACK", "s", "g", ids[0])
	require.Equal(t, stream(3, 1), reads(t, p, text))

	// An entry was deleted before it was delivered: Redis cannot compute the lag any more.
	r.Do(t, 0, "XDEL", "s", ids[3])
	require.Equal(t, stream(3, 1), reads(t, p, text), "of 4 entries one is pending: at most 3 wait")
	r.Do(t, 0, "XDEL", "s", ids[0])
	require.Equal(t, stream(2, 1), reads(t, p, text), "exact if processed entries are deleted")
	r.Do(t, 0, "XREADGROUP", "GROUP", "g", "c", "COUNT", 9, "STREAMS", "s", ">")
	require.Equal(t, stream(0, 3), reads(t, p, text))
	r.Do(t, 0, "XACK", "s", "g", ids[1], ids[2], ids[4])
	require.Equal(t, stream(0, 0), reads(t, p, text), "no entry follows the last delivered one")
	add(t, r, 1)
	require.GreaterOrEqual(t, reads(t, p, text).Waiting, 1.0)
}

func add(t *testing.T, r *queuetest.RedisServer, n int) []any {
	t.Helper()
	var ids []any
	for range n {
		ids = append(ids, r.Do(t, 0, "XADD", "s", "*", "k", "v"))
	}
	return ids
}

func testRedisRefusals(t *testing.T, r *queuetest.RedisServer) {
	p := newPool(t, Options{})
	r.Do(t, 0, "SET", "text", "x")
	r.Do(t, 0, "RPUSH", "list", "x")
	fails(t, p, r.Source("redis", "", "", 0, "list=text"), WrongType, `list "text" on `+r.Address+` is of another type; correct the name, or write stream= and group=`)
	fails(t, p, r.Source("redis", "", "", 0, "stream=list&group=g"), WrongType, `stream "list" on `+r.Address+` is of another type; correct the name, or write list=`)
	fails(t, p, r.Source("redis", "asker", "wrong", 0, "list=x"), Refused, "refused user or password")
	fails(t, p, r.Source("redis", "", "wrong", 0, "list=x"), Refused, "has no password; leave it out of the URL")
	fails(t, p, r.Source("redis", "nothing", redisPassword, 0, "list=x"), Refused, `the user may not read list "x"`)
	fails(t, p, r.Source("redis", "", "", 99, "list=x"), BadAnswer, "has no database 99; correct the path of the URL")
	fails(t, p, "redis://"+r.TLSAddress+"?list=x", Unreachable, "ended the connection; check that it uses Redis without TLS")

	locked := queuetest.Redis(t, []string{"requirepass " + redisPassword})
	fails(t, p, "redis://"+locked.Address+"?list=x", Refused, "refused user or password, or the lack of one")
	require.InDelta(t, 0, reads(t, p, locked.Source("redis", "", redisPassword, 0, "list=x")).Waiting, 0)
}

func clients(t *testing.T, r *queuetest.RedisServer, user string) int {
	t.Helper()
	return strings.Count(string(r.Do(t, 0, "CLIENT", "LIST").([]byte)), "user="+user)
}

func testRedisConnections(t *testing.T, r *queuetest.RedisServer) {
	require.Eventually(t, func() bool { return clients(t, r, "asker") == 0 }, 10*time.Second, 10*time.Millisecond, "those of other tests have ended")
	p := newPool(t, Options{Idle: time.Second})
	failed := make(chan error)
	for n := range 100 {
		s := source(t, r.Source("redis", "asker", redisPassword, 0, fmt.Sprint("list=", n)))
		go func() {
			_, err := p.Ask(t.Context(), s)
			failed <- err
		}()
	}
	for range 100 {
		require.NoError(t, <-failed)
	}
	require.LessOrEqual(t, clients(t, r, "asker"), redisConnections)
	require.NotZero(t, clients(t, r, "asker"))
	require.Eventually(t, func() bool { return clients(t, r, "asker") == 0 }, 10*time.Second, 50*time.Millisecond, "they are closed when unused")
	reads(t, p, r.Source("redis", "asker", redisPassword, 0, "list=1"))
}

func testRedisOutages(t *testing.T, r *queuetest.RedisServer) {
	p := newPool(t, Options{})
	r.Do(t, 0, "RPUSH", "lasting", 1, 2)
	text := r.Source("redis", "asker", redisPassword, 0, "list=lasting")
	require.InDelta(t, 2, reads(t, p, text).Waiting, 0)
	r.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := p.Ask(ctx, source(t, text))
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, Timeout, e.Kind)
	r.Resume(t)
	require.InDelta(t, 2, reads(t, p, text).Waiting, 0)
	r.Restart(t)
	require.InDelta(t, 2, reads(t, p, text).Waiting, 0, "the first question works")
	r.Stop()
	fails(t, p, text, Unreachable, "nothing listens on "+r.Address)
	r.Start(t)
	require.InDelta(t, 2, reads(t, p, text).Waiting, 0)
}
