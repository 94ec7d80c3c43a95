package queue

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/queuetest"
)

// BenchmarkAsk measures one request over a kept connection. It reports the CPU time of this process beside the elapsed time: the servers
// are other processes, except for JSON, whose server is part of this process and of its figures.
func BenchmarkAsk(b *testing.B) {
	r := queuetest.RabbitMQ(b)
	r.Declare(b, "/", "tasks")
	r.Publish(b, "/", "tasks", "1")
	redis := queuetest.Redis(b, nil)
	redis.Do(b, 0, "XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
	prometheus := queuetest.Prometheus(b)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"queued": {"total": 1}}`) }))
	defer web.Close()
	p := newPool(b, Options{})
	management := r.Source("rabbitmq+http", queuetest.RabbitUser, queuetest.RabbitPassword, "/", "tasks")
	require.Eventually(b, func() bool { _, err := ask(b, p, management); return err == nil }, 20*time.Second, 100*time.Millisecond, "the API has figures")
	for _, bench := range []struct{ name, text string }{
		{"amqp", r.Source("amqp", queuetest.RabbitUser, queuetest.RabbitPassword, "/", "tasks")},
		{"rabbitmq+http", management},
		{"redis-list", redis.Source("redis", "", "", 0, "list=l")},
		{"redis-stream", redis.Source("redis", "", "", 0, "stream=s&group=g")},
		{"prometheus", "prometheus+http://" + prometheus.Address + "?query=vector(1)"},
		{"json", strings.Replace(web.URL, "http", "http+json", 1) + "?value=queued.total"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := source(b, bench.text)
			b.ReportAllocs()
			begin := cpu(b)
			for b.Loop() {
				if _, err := p.Ask(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkKept measures the memory of 100 sources that are polled, each with another queue or list.
func BenchmarkKept(b *testing.B) {
	r := queuetest.RabbitMQ(b)
	redis := queuetest.Redis(b, nil)
	const n = 100
	for i := range n {
		r.Declare(b, "/", fmt.Sprint("queue", i))
		r.User(b, fmt.Sprint("user", i), "p", "")
		r.Permit(b, "/", fmt.Sprint("user", i), "^$")
	}
	for name, text := range map[string]func(int) string{
		"amqp": func(i int) string { return r.Source("amqp", "guest", "guest", "/", fmt.Sprint("queue", i)) },
		// Each user has a connection of its own.
		"amqp-100-users": func(i int) string { return r.Source("amqp", fmt.Sprint("user", i), "p", "/", fmt.Sprint("queue", i)) },
		"redis-list":     func(i int) string { return redis.Source("redis", "", "", 0, fmt.Sprint("list=", i)) },
		// Each list is in another database, so that no connection is shared.
		"redis-16-databases": func(i int) string { return redis.Source("redis", "", "", i%16, fmt.Sprint("list=", i)) },
	} {
		b.Run(name, func(b *testing.B) {
			before := inUse()
			p := newPool(b, Options{})
			for b.Loop() {
				for i := range n {
					if _, err := p.Ask(b.Context(), source(b, text(i))); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(inUse()-before), "B/100-sources")
			runtime.KeepAlive(p)
		})
	}
}

// inUse returns the memory of heap and stacks after a collection.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse) //nolint:gosec // far below the maximum
}

// cpu returns the CPU time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
