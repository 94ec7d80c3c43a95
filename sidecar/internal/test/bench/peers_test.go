package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/page"
	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/report/peers/poll"
	"stoker/sidecar/internal/report/web"
)

// The cluster of the benchmark.
const (
	peerCount   = 50
	peerWorkers = 200
)

// startPeers starts the servers of the peers and returns their addresses.
func startPeers(b *testing.B) []string {
	b.Helper()
	v := viewOf(peerWorkers)
	handler := web.Handler(web.Options{Fleet: web.Fleet{View: func() fleet.View { return v }, LastTick: time.Now}, Identity: web.Identity{Version: "bench", Instance: "peer"}})
	var urls []string
	for range peerCount {
		server := httptest.NewServer(handler)
		b.Cleanup(server.Close)
		urls = append(urls, server.URL)
	}
	return urls
}

// pollPeers returns the hosts after one round over real connections.
func pollPeers(b *testing.B, urls []string) []peers.Host {
	b.Helper()
	p := poll.New(poll.Options{Peers: urls, Instance: "own"})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	hosts := p.Fresh(ctx)
	cancel()
	<-ended
	require.Len(b, hosts, peerCount)
	for _, h := range hosts {
		require.Equal(b, peers.Answered, h.State, h.Error)
		require.Len(b, h.Workers, peerWorkers)
	}
	return hosts
}

// cpuTime returns the CPU time that this process has used. On a busy machine elapsed time is no measure.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkPeers measures a cluster of 50 hosts with 200 workers each: a round of requests to all of them, with the peers in the same process,
// and one request for each view that shows them all.
func BenchmarkPeers(b *testing.B) {
	urls := startPeers(b)
	b.Run("round", func(b *testing.B) {
		var before, after runtime.MemStats
		var hosts []peers.Host
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := cpuTime(b)
		for b.Loop() {
			hosts = pollPeers(b, urls)
		}
		b.ReportMetric(float64((cpuTime(b)-began).Milliseconds())/float64(b.N), "CPU-ms/op")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MiB/kept")
		runtime.KeepAlive(hosts)
	})
	hosts := pollPeers(b, urls)
	own := viewOf(peerWorkers)
	view := func() fleet.View { return own }
	pages := page.New(page.Options{
		View: view, Hosts: func() []peers.Host { return hosts }, Events: func(uint64) []history.Entry { return nil }, Version: "bench", Now: time.Now,
	})
	api := web.Handler(web.Options{Fleet: web.Fleet{View: view, LastTick: time.Now}, Hosts: func(context.Context) []peers.Host { return hosts }, Identity: web.Identity{Version: "bench"}})
	for _, target := range []struct {
		name, path string
		handler    http.Handler
	}{{"page", "/", pages}, {"fragment", "/?fragment=hosts", pages}, {"hosts", "/api/v1/hosts", api}} {
		b.Run(target.name, func(b *testing.B) {
			size := 0
			b.ReportAllocs()
			began := cpuTime(b)
			for b.Loop() {
				answer := httptest.NewRecorder()
				target.handler.ServeHTTP(answer, httptest.NewRequestWithContext(b.Context(), http.MethodGet, target.path, http.NoBody))
				require.Equal(b, http.StatusOK, answer.Code)
				size = answer.Body.Len()
			}
			b.ReportMetric(float64((cpuTime(b)-began).Milliseconds())/float64(b.N), "CPU-ms/op")
			b.ReportMetric(float64(size)/(1<<20), "MiB/answer")
		})
	}
}
