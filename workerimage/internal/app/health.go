package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"stoker/workerimage/internal/heartbeat"
)

// Limits of the health endpoint: a request is one line, and its answer another.
const (
	healthTimeout = 5 * time.Second
	healthHeaders = 4 << 10
)

// serveHealth answers GET /health on WORKER_LISTEN until ctx ends. If the address cannot be used, that is logged, and the work continues
// without the endpoint.
func (w *Worker) serveHealth(ctx context.Context, helpers *sync.WaitGroup) {
	if w.set.Listen == "" {
		return
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", w.set.Listen)
	if err != nil {
		w.log.Printf("no health endpoint: %v", err)
		return
	}
	server := &http.Server{
		Handler: healthHandler(w.set.Heartbeat.Path, w.set.Heartbeat.MaxAge), ReadTimeout: healthTimeout, WriteTimeout: healthTimeout,
		IdleTimeout: healthTimeout, MaxHeaderBytes: healthHeaders,
	}
	helpers.Go(func() { _ = server.Serve(listener) }) // until it is closed
	context.AfterFunc(ctx, func() { _ = server.Close() })
}

// healthHandler checks the same file as the health check, so that both give the same result. It costs one small read.
func healthHandler(path string, maxAge time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if err := heartbeat.Check(path, maxAge); err != nil {
			http.Error(w, "unhealthy: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "healthy")
	})
	return mux
}
