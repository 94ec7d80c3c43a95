package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/broker"
	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/produce"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/test/servers"
)

// WORKER_TEST_ROUNDS repeats the test of random kills.
func rounds() int {
	n, err := strconv.Atoi(os.Getenv("WORKER_TEST_ROUNDS"))
	if err != nil {
		return 1
	}
	return n
}

// The guarantees for a worker on a queue, on each broker.
func TestQueue(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *servers.Server{"rabbitmq": servers.Rabbit, "redis": servers.Redis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			t.Run("the broker is away", func(t *testing.T) { theBrokerIsAway(t, server) })
			t.Run("a worker that waits", func(t *testing.T) { aWorkerThatWaits(t, server) })
			t.Run("a stopped worker gives its task back", func(t *testing.T) { aStoppedWorkerGivesItsTaskBack(t, server) })
			t.Run("a message that is no task", func(t *testing.T) { aMessageThatIsNoTask(t, server) })
			for range rounds() {
				seed := rand.Uint64()
				t.Run(fmt.Sprintf("killed at random, seed=%d", seed), func(t *testing.T) { newRiot(t, server, seed).run() })
			}
		})
	}
}

// newConsumerSite returns a worker on the queue that is named after the test.
func newConsumerSite(t *testing.T, server *servers.Server, name string) *site {
	t.Helper()
	return newSite(t, map[string]string{
		"WORKER_QUEUE": queueOf(t, server), "WORKER_NAME": name, "WORKER_LEASE": "1s", "WORKER_THREADS": "1", "WORKER_STATE": "off",
	})
}

func queueOf(t *testing.T, server *servers.Server) string {
	return server.URL + url.QueryEscape(path.Base(t.Name()))
}

// riot is one round of kills: workers are killed by SIGKILL and SIGTERM at random times, and the broker once. At the end every task has its
// correct result. With Redis no result was counted twice; with RabbitMQ each second result is of a task that was delivered again.
type riot struct {
	t      *testing.T
	server *servers.Server
	rand   *rand.Rand
	sites  []*site
	procs  []*process
	kills  map[syscall.Signal]int
}

const (
	riotTasks   = 400
	riotSize    = 60_000
	riotWorkers = 4
)

func newRiot(t *testing.T, server *servers.Server, seed uint64) *riot {
	r := &riot{t: t, server: server, rand: rand.New(rand.NewPCG(seed, 0)), kills: map[syscall.Signal]int{}}
	for n := range riotWorkers {
		s := newConsumerSite(t, server, fmt.Sprintf("worker-%d", n))
		r.sites = append(r.sites, s)
		r.procs = append(r.procs, s.start(t))
	}
	return r
}

func (r *riot) run() {
	run := fmt.Sprintf("riot-%d", r.rand.Uint32())
	options := produce.Options{Put: true, Tasks: riotTasks, Kind: "pow", Size: riotSize, Prefix: "000", Run: run, Timeout: 2 * time.Minute}
	var err error
	options.Queue, err = queue.Parse(queueOf(r.t, r.server))
	require.NoError(r.t, err)
	var out buffer
	require.Equal(r.t, produce.ExitDone, produce.Run(r.t.Context(), options, &out, &out), out.String())

	options.Put, options.Wait = false, true
	collected := make(chan *produce.Tally, 1)
	go func() { collected <- produce.Collect(r.t.Context(), options, &out, &out) }()
	tally := r.storm(collected)
	r.t.Logf("%d × SIGKILL, %d × SIGTERM, then: %s", r.kills[syscall.SIGKILL], r.kills[syscall.SIGTERM], tally)
	require.Empty(r.t, tally.Missing(), out.String())
	r.right(options, tally)
	switch options.Queue.Kind {
	case queue.Redis:
		require.Zero(r.t, tally.Duplicates())
	case queue.AMQP:
		require.Equal(r.t, tally.Duplicates(), tally.DeliveredAgain(), "a duplicate is of a task that was delivered again")
	}
	for _, p := range r.procs {
		p.signal(syscall.SIGTERM)
		require.Equal(r.t, 0, p.end().ExitStatus(), p.out.String())
		require.NotContains(r.t, p.out.String(), "cret", "a password is not logged")
	}
}

// storm kills until all is collected, and restarts the broker once.
func (r *riot) storm(collected <-chan *produce.Tally) *produce.Tally {
	restart := time.After(time.Duration(500+r.rand.IntN(1000)) * time.Millisecond)
	restarted := make(chan struct{})
	for {
		select {
		case tally := <-collected:
			<-restarted
			return tally
		case <-restart:
			go func() {
				defer close(restarted)
				r.server.Stop()
				r.server.Start()
			}()
		case <-time.After(time.Duration(20+r.rand.IntN(250)) * time.Millisecond):
			n := r.rand.IntN(len(r.procs))
			signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[r.rand.IntN(2)]
			r.kills[signal]++
			r.procs[n].signal(signal)
			status := r.procs[n].end()
			if signal == syscall.SIGTERM && status.Exited() {
				require.Zero(r.t, status.ExitStatus(), r.procs[n].out.String())
			}
			r.procs[n] = r.sites[n].start(r.t)
		}
	}
}

// right compares each result with the same work done here.
func (r *riot) right(options produce.Options, tally *produce.Tally) {
	r.t.Helper()
	jobs := map[string]job.Job{}
	for _, j := range options.Jobs() {
		jobs[j.ID] = j
	}
	var all sync.WaitGroup
	for _, result := range tally.Results() {
		all.Go(func() {
			work, err := jobs[result.ID].Task()
			if err != nil || result.Sum == nil {
				r.t.Errorf("%v: %v", result, err)
				return
			}
			if want := work.Compute(1, work.Range); fmt.Sprint(want.Hits, want.Items) != fmt.Sprint(result.Sum.Hits, result.Sum.Items) {
				r.t.Errorf("task %s: %v, wanted %v", result.ID, *result.Sum, want)
			}
		})
	}
	all.Wait()
}

// While there is nothing to do a worker is healthy and needs next to no CPU; one with the fault hang is then not healthy.
func aWorkerThatWaits(t *testing.T, server *servers.Server) {
	s := newConsumerSite(t, server, "idler")
	s.env["WORKER_HEALTH_MAX_AGE"] = "2s"
	p := s.start(t)
	until(t, func() bool { return strings.Contains(p.out.String(), "connected") })
	used, begin := p.cpu(), time.Now()
	for time.Since(begin) < 3*time.Second {
		require.True(t, s.healthy(t))
		time.Sleep(200 * time.Millisecond)
	}
	require.Less(t, p.cpu()-used, 10, "hundredths of a second in three seconds")

	out, code := s.run(t, "fault", "hang")
	require.Zero(t, code, out)
	until(t, func() bool { return !s.healthy(t) })
	p.signal(syscall.SIGTERM)
	require.Zero(t, p.end().ExitStatus())
}

// A missing broker makes no worker unhealthy, and is logged once. Tasks that are put once it has started are done.
func theBrokerIsAway(t *testing.T, server *servers.Server) {
	s := newConsumerSite(t, server, "early")
	s.env["WORKER_HEALTH_MAX_AGE"] = "2s"
	p := s.start(t)
	until(t, func() bool { return strings.Contains(p.out.String(), "no connection") })
	for begin := time.Now(); time.Since(begin) < 4*time.Second; time.Sleep(200 * time.Millisecond) {
		require.True(t, s.healthy(t))
	}
	require.Equal(t, 1, strings.Count(p.out.String(), "no connection"), p.out.String())
	server.Start()
	out, code := s.run(t, "produce", "--tasks", "3", "--size", "1000", "--wait", "--timeout", "1m")
	require.Zero(t, code, out)
	require.Contains(t, out, "3 results, 0 duplicates, 0 missing")
}

// The task of a stopped worker is available to another at once, not only after the lease.
func aStoppedWorkerGivesItsTaskBack(t *testing.T, server *servers.Server) {
	first := newConsumerSite(t, server, "first")
	first.env["WORKER_LEASE"] = "1h"
	first.env["WORKER_PROGRESS"] = "1s"
	p := first.start(t)
	out, code := first.run(t, "produce", "--tasks", "1", "--run", "long", "--size", "20000000")
	require.Zero(t, code, out)
	until(t, func() bool { return strings.Contains(p.out.String(), "task long-1:") })
	p.signal(syscall.SIGTERM)
	require.Zero(t, p.end().ExitStatus(), p.out.String())
	second := newConsumerSite(t, server, "second")
	second.start(t)
	out, code = second.run(t, "collect", "--tasks", "1", "--run", "long", "--timeout", "1m")
	require.Zero(t, code, out)
	require.Contains(t, out, "second")
}

// It is answered with a result that has the reason, and the worker continues with the next task.
func aMessageThatIsNoTask(t *testing.T, server *servers.Server) {
	s := newConsumerSite(t, server, "reader")
	s.start(t)
	spec, err := queue.Parse(queueOf(t, server))
	require.NoError(t, err)
	client := broker.NewClient(spec)
	require.NoError(t, client.Connect(t.Context()))
	require.NoError(t, client.Put(t.Context(), []queue.Message{{Body: []byte("no JSON")}, {Body: []byte(`{"id":"odd-1","kind":"knit","to":5}`)}}))
	refused := job.Refuse([]byte("no JSON"), errors.New("any"))
	until(t, func() bool {
		found, err := client.Collect(t.Context(), []string{refused.ID})
		require.NoError(t, err)
		return len(found) > 0
	})
	require.NoError(t, client.Clear(t.Context(), []string{refused.ID}))

	out, code := s.run(t, "collect", "--tasks", "1", "--run", "odd", "--timeout", "20s")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "1 refused")
	out, code = s.run(t, "produce", "--tasks", "2", "--size", "1000", "--kind", "squares", "--wait", "--timeout", "20s")
	require.Zero(t, code, out)
}
