package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/produce"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/test/servers"
)

// WORKER_TEST_ROUNDS does the test of random kills more often.
func rounds() int {
	n, err := strconv.Atoi(os.Getenv("WORKER_TEST_ROUNDS"))
	if err != nil {
		return 1
	}
	return n
}

// brokers is what the tests below run on.
func brokers() map[string]func(testing.TB) *servers.Server {
	return map[string]func(testing.TB) *servers.Server{"rabbitmq": servers.Rabbit, "redis": servers.Redis}
}

func newConsumerSite(t *testing.T, server *servers.Server, name string) *site {
	t.Helper()
	return newSite(t, map[string]string{
		"WORKER_QUEUE": server.URL, "WORKER_NAME": name, "WORKER_LEASE": "1s", "WORKER_THREADS": "1", "WORKER_STATE": "off",
	})
}

// Workers die by SIGKILL and SIGTERM at random moments, and the broker once. Every task has its result at the end, and the right one. With Redis
// none was counted twice; with RabbitMQ a second result is of a task that was delivered again.
func TestKilledAtRandom(t *testing.T) {
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			for range rounds() {
				seed := rand.Uint64()
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
					newRiot(t, server, seed).run()
				})
			}
		})
	}
}

// riot is one round of kills.
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
	options.Queue, err = queue.Parse(r.server.URL)
	require.NoError(r.t, err)
	var said buffer
	require.Equal(r.t, produce.ExitDone, produce.Run(r.t.Context(), options, &said, &said), said.String())

	options.Put, options.Wait = false, true
	collected := make(chan *produce.Tally, 1)
	go func() { collected <- produce.Collect(r.t.Context(), options, &said, &said) }()
	tally := r.storm(collected)
	r.t.Logf("%d × SIGKILL, %d × SIGTERM, then: %s", r.kills[syscall.SIGKILL], r.kills[syscall.SIGTERM], tally)
	require.Empty(r.t, tally.Missing(), said.String())
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
	restart := time.After(time.Second + time.Duration(r.rand.IntN(1000))*time.Millisecond)
	for {
		select {
		case tally := <-collected:
			return tally
		case <-restart:
			r.server.Stop()
			r.server.Start()
		case <-time.After(time.Duration(20+r.rand.IntN(400)) * time.Millisecond):
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

// right compares each result with the work done here.
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

// While there is nothing to do a worker is healthy and needs next to no CPU; one that was told to hang then is not healthy.
func TestAWorkerThatWaits(t *testing.T) {
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			server := start(t)
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

			out, code := s.say(t, "fault", "hang")
			require.Zero(t, code, out)
			until(t, func() bool { return !s.healthy(t) })
			p.signal(syscall.SIGTERM)
			require.Zero(t, p.end().ExitStatus())
		})
	}
}

// A broker that is not there makes no worker unhealthy, and a task that is put when it is back is done. What the broker says is not told twice.
func TestTheBrokerIsAway(t *testing.T) {
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			s := newConsumerSite(t, server, "waiter")
			s.env["WORKER_HEALTH_MAX_AGE"] = "2s"
			p := s.start(t)
			until(t, func() bool { return strings.Contains(p.out.String(), "connected") })
			server.Kill()
			begin := time.Now()
			until(t, func() bool { return strings.Contains(p.out.String(), "no connection") })
			for time.Since(begin) < 4*time.Second {
				require.True(t, s.healthy(t))
				time.Sleep(200 * time.Millisecond)
			}
			require.LessOrEqual(t, strings.Count(p.out.String(), "no connection"), 3, p.out.String())
			server.Start()
			out, code := s.say(t, "produce", "--tasks", "3", "--size", "1000", "--wait", "--timeout", "1m")
			require.Zero(t, code, out)
			require.Contains(t, out, "3 results, 0 duplicates, 0 missing")
		})
	}
}

// A task in the hand of a worker that is stopped is another's at once, and not only after the lease.
func TestAStoppedWorkerGivesItsTaskBack(t *testing.T) {
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			first := newConsumerSite(t, server, "first")
			first.env["WORKER_LEASE"] = "1h"
			first.env["WORKER_PROGRESS"] = "1s"
			p := first.start(t)
			out, code := first.say(t, "produce", "--tasks", "1", "--run", "long", "--size", "20000000")
			require.Zero(t, code, out)
			until(t, func() bool { return strings.Contains(p.out.String(), "task long-1:") })
			p.signal(syscall.SIGTERM)
			require.Zero(t, p.end().ExitStatus(), p.out.String())
			second := newConsumerSite(t, server, "second")
			second.start(t)
			out, code = second.say(t, "collect", "--tasks", "1", "--run", "long", "--timeout", "1m")
			require.Zero(t, code, out)
			require.Contains(t, out, "second")
		})
	}
}
