package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/netutil"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// sse is one server-sent event. A comment has only text.
type sse struct{ id, name, data, comment string }

// stage is a site in a bubble, with pipes for connections.
type stage struct {
	t      *testing.T
	site   *site
	log    *history.Log
	server *http.Server
	inner  memoryListener
	ended  chan error
	views  atomic.Pointer[fleet.View]
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, log: history.New(history.Options{Keep: 500}), inner: memoryListener{make(chan net.Conn), make(chan struct{})}, ended: make(chan error, 1)}
	s.show(fleet.StateRunning)
	opts := options()
	opts.History, opts.View = s.log, func() fleet.View { v := *s.views.Load(); v.At = time.Now(); return v }
	s.site = newSite(opts)
	s.server = newServer(s.site.routes())
	s.server.RegisterOnShutdown(func() { close(s.site.closing) })
	go func() { s.ended <- s.server.Serve(netutil.LimitListener(s.inner, maxTCP)) }()
	return s
}

func (s *stage) show(state fleet.State) {
	s.views.Store(&fleet.View{Workers: []fleet.WorkerView{{Key: "w", HealView: fleet.HealView{State: state, NextAt: time.Now().Add(time.Hour)}}}})
}

func (s *stage) record(n int) {
	for range n {
		s.log.Record([]worker.Event{{Kind: worker.EventFault, Key: "w", HealDetails: worker.HealDetails{Output: "a\nb"}}})
	}
}

func (s *stage) close() {
	require.NoError(s.t, s.server.Shutdown(s.t.Context()))
	require.ErrorIs(s.t, <-s.ended, http.ErrServerClosed)
}

func (s *stage) dial(request string) net.Conn {
	client, theirs := net.Pipe()
	s.inner.conns <- theirs
	_, err := io.WriteString(client, request)
	require.NoError(s.t, err)
	return client
}

// client reads a stream.
type client struct {
	conn   net.Conn
	code   int
	events chan sse
}

// follow opens a stream; header is a line or nothing.
func (s *stage) follow(query, header string) *client {
	if header != "" {
		header += "\r\n"
	}
	conn := s.dial("GET /api/v1/events" + query + " HTTP/1.1\r\nHost: x\r\n" + header + "\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s.t, err)
	c := &client{conn: conn, code: resp.StatusCode, events: make(chan sse, 10000)}
	go func() {
		defer close(c.events)
		readEvents(resp.Body, func(e sse) bool { c.events <- e; return true })
	}()
	return c
}

// readEvents reads until the end of r or until got is false.
func readEvents(r io.Reader, got func(sse) bool) {
	var e sse
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if e != (sse{}) && !got(e) {
				return
			}
			e = sse{}
		case name == "":
			e.comment = value
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			e.data += value
		}
	}
}

// next is the events that have come, at the time of the bubble.
func (c *client) next() []sse {
	synctest.Wait()
	var all []sse
	for {
		select {
		case e, ok := <-c.events:
			if !ok {
				return all
			}
			all = append(all, e)
		default:
			return all
		}
	}
}

func names(events []sse) []string {
	all := []string{}
	for _, e := range events {
		all = append(all, e.name+e.comment)
	}
	return all
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.record(3)
		c := s.follow("", "")
		require.Equal(t, http.StatusOK, c.code)
		first := c.next()
		require.Equal(t, []string{"view"}, names(first), "only what is new")
		require.Equal(t, strconv.FormatUint(s.log.Last(), 10), first[0].id)
		var view map[string]any
		require.NoError(t, json.Unmarshal([]byte(first[0].data), &view))
		require.Len(t, view["workers"], 1)

		s.record(2)
		got := c.next()
		require.Equal(t, []string{"fault", "fault"}, names(got))
		require.Equal(t, strconv.FormatUint(s.log.Last(), 10), got[1].id)
		var e history.Entry
		require.NoError(t, json.Unmarshal([]byte(got[1].data), &e))
		require.Equal(t, worker.Key("w"), e.Key)
		require.Equal(t, "a\nb", e.Output)

		for range 10 {
			s.show(fleet.StateHealing)
			time.Sleep(50 * time.Millisecond)
			s.show(fleet.StateWaiting)
			time.Sleep(50 * time.Millisecond)
		}
		require.LessOrEqual(t, len(c.next()), 1, "once a second")
		time.Sleep(2 * time.Second)
		c.next()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"still here", "still here", "still here", "still here"}, names(c.next()), "nothing has changed")
		s.close()
		require.Empty(t, c.next())
		_, open := <-c.events
		require.False(t, open, "a server that shuts down ends its streams")
	})
}

func TestResume(t *testing.T) {
	faults := func(n int) []string { return append(strings.Fields(strings.Repeat("fault ", n)), "view") }
	tests := map[string]struct {
		query, header string // with {n} for the n-th of ten events
		want          []string
	}{
		"by query":       {"?after={7}", "", faults(3)},
		"by header":      {"", "Last-Event-ID: {6}", faults(4)},
		"header wins":    {"?after={1}", "Last-Event-ID: {8}", faults(2)},
		"all":            {"?after=0", "", faults(10)},
		"nothing missed": {"?after={10}", "", faults(0)},
		"too old":        {"?after=1", "", append([]string{"gap"}, faults(10)...)},
		"ahead":          {"?after=18446744073709551615", "", append([]string{"gap"}, faults(0)...)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.record(10)
				filled := func(text string) string {
					for n := range uint64(11) {
						text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", n), strconv.FormatUint(s.log.Last()-10+n, 10))
					}
					return text
				}
				c := s.follow(filled(tt.query), filled(tt.header))
				got := c.next()
				require.Equal(t, tt.want, names(got))
				require.Equal(t, filled("{10}"), got[len(got)-1].id, "from where to go on")
				s.record(1)
				require.Equal(t, []string{"fault"}, names(c.next()))
				require.NoError(t, c.conn.Close())
				s.close()
			})
		})
	}
}

// A client that is slow but reads misses nothing, however far it falls behind.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		conn := s.dial("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
		s.record(300) // the queue of a follower holds 128
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		time.Sleep(streamTimeout / 2)
		s.record(100)
		c := &client{events: make(chan sse, 1000)}
		go readEvents(resp.Body, func(e sse) bool { c.events <- e; return true })
		seen := map[string]bool{}
		for _, e := range c.next() {
			if e.name == "fault" {
				require.False(t, seen[e.id], "once")
				seen[e.id] = true
			}
		}
		require.GreaterOrEqual(t, len(seen), 100)
		require.NoError(t, conn.Close())
		s.close()
	})
}

// 200 clients that never read delay no one and lose their places; beyond 256 there are none.
func TestClientsThatNeverRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var conns []net.Conn
		for range maxStreams {
			conns = append(conns, s.dial("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n"))
		}
		synctest.Wait()
		require.Len(t, s.site.streams, maxStreams)
		refused := s.dial("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(refused), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		require.Equal(t, "3", resp.Header.Get("Retry-After"))
		require.NoError(t, refused.Close())

		began := time.Now()
		s.record(5000)
		require.Zero(t, time.Since(began), "telling waits for no client")
		other := s.dial("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		resp, err = http.ReadResponse(bufio.NewReader(other), nil)
		require.NoError(t, err)
		require.NotZero(t, resp.StatusCode)
		require.NoError(t, other.Close())

		time.Sleep(streamTimeout + time.Millisecond)
		synctest.Wait()
		require.Empty(t, s.site.streams, "they lost their places")
		c := s.follow("", "")
		require.Equal(t, []string{"view"}, names(c.next()))
		require.NoError(t, c.conn.Close())
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
		s.close()
	})
}

// The same on real connections, whose buffers take a while to fill: events still reach those who read.
func TestManyRealStreams(t *testing.T) {
	opts := options()
	opts.Listen = "127.0.0.1:0"
	s, local := serve(t, opts)
	for range 200 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/api/v1/events?after=%d", s.Addr(), opts.History.Last()), nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	const sent = 1000
	go func() {
		for range sent {
			opts.History.Record([]worker.Event{{Kind: worker.EventFault, Key: "burner", HealDetails: worker.HealDetails{Output: strings.Repeat("x", 500)}}})
		}
		opts.History.Record([]worker.Event{{Kind: worker.EventStable, Key: "burner"}})
	}()
	seen, ended := 0, false
	readEvents(resp.Body, func(e sse) bool {
		if e.name == "fault" {
			seen++
		}
		ended = e.name == "stable"
		return !ended
	})
	require.True(t, ended)
	require.Equal(t, sent, seen)
	code, _ := get(t, local, "http://stoker/healthz")
	require.Equal(t, http.StatusOK, code)
}

// TestReadingsAreNoNews: what workers use changes all the time, and is sent now and then.
func TestReadingsAreNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		c := s.follow("", "")
		require.Equal(t, []string{"view"}, names(c.next()))
		sent := 0
		for n := range 60 {
			s.views.Store(&fleet.View{Workers: []fleet.WorkerView{{Key: "w", HealView: fleet.HealView{State: fleet.StateRunning}, ContainerView: fleet.ContainerView{Share: worker.Share{At: time.Now(), CPUs: float64(n)}}}}})
			time.Sleep(time.Second)
			for _, e := range c.next() {
				if e.name == "view" {
					sent++
				}
			}
		}
		require.InDelta(t, 7, sent, 1, "the state at once, and readings every ten seconds")
		s.close()
	})
}
