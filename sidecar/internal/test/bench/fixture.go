package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// side is one of the two programs that are compared.
type side struct {
	name    string
	scope   string
	proc    *exec.Cmd
	address string // of Stoker's status
}

// bench is one run: its engine, its proxy, and the containers and processes that it created.
type bench struct {
	api    *client.Client
	host   string
	binary string
	image  string
	tag    string
	dir    string
	proxy  *proxy
	log    *eventLog
	made   []string // container IDs
	procs  []*exec.Cmd
}

func newBench(ctx context.Context, binary, image string) (*bench, error) {
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	if _, err := api.Ping(ctx); err != nil {
		return nil, fmt.Errorf("no engine at %s: %w", api.DaemonHost(), err)
	}
	if _, err := api.ImageInspect(ctx, image); err != nil {
		return nil, fmt.Errorf("no image %s, run make images: %w", image, err)
	}
	dir, err := os.MkdirTemp("", "stoker-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{api: api, host: api.DaemonHost(), binary: binary, image: image, dir: dir, tag: "stoker-bench-" + rand.Text()[:6]}
	if b.proxy, err = newProxy(b.host, filepath.Join(dir, "engine.sock")); err != nil {
		return nil, err
	}
	b.log = follow(ctx, api, b.tag)
	return b, nil
}

// close ends all processes and removes all containers.
func (b *bench) close() {
	for _, p := range b.procs {
		stop(p)
	}
	b.remove()
	b.proxy.close()
	_ = os.RemoveAll(b.dir)
}

func (b *bench) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	_ = inParallel(b.made, func(id string) error {
		return b.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
	})
	b.made = nil
}

// raw starts the raw client.
func (b *bench) raw(host string) (*side, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &side{name: "raw client", scope: b.tag + "-raw"}
	s.proc = exec.Command(self)
	s.proc.Env = append(os.Environ(), rawScope+"="+s.scope, "DOCKER_HOST="+host)
	out, err := s.proc.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.launch(s); err != nil {
		return nil, err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	return s, err
}

// stoker starts the Stoker under test, and waits until it is ready.
func (b *bench) stoker(ctx context.Context, host string) (*side, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &side{name: "Stoker", scope: b.tag + "-stoker", address: address}
	s.proc = exec.Command(b.binary, "run")
	s.proc.Env = []string{
		"DOCKER_HOST=" + host, "STOKER_SCOPE=" + s.scope, "STOKER_LISTEN=" + address, "STOKER_LOG_LEVEL=error",
		"STOKER_STATE_DIR=" + filepath.Join(b.dir, rand.Text()[:6]), "PATH=" + os.Getenv("PATH"),
	}
	s.proc.Stderr = os.Stderr
	if err := b.launch(s); err != nil {
		return nil, err
	}
	return s, until(ctx, func() bool { return returnsOK(ctx, "http://"+address+"/readyz") })
}

func (b *bench) launch(s *side) error {
	s.proc.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.proc.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	b.procs = append(b.procs, s.proc)
	return nil
}

func stop(p *exec.Cmd) {
	if p.ProcessState == nil {
		_ = p.Process.Signal(syscall.SIGTERM)
		_ = p.Wait()
	}
}

// workerSpec is what is special about the workers of a case.
type workerSpec struct {
	env    []string
	health *container.HealthConfig
	labels map[string]string
}

// workers creates and starts n workers for a side.
func (b *bench) workers(ctx context.Context, s *side, n int, w workerSpec) ([]string, error) {
	labels := map[string]string{"stoker.enable": "true", labelScope: s.scope, labelBench: b.tag}
	for k, v := range w.labels {
		labels[k] = v
	}
	var ids []string
	for i := range n {
		c, err := b.api.ContainerCreate(ctx,
			&container.Config{Image: b.image, Env: w.env, Labels: labels, Healthcheck: w.health},
			&container.HostConfig{NetworkMode: "none", Resources: container.Resources{NanoCPUs: 2e8}}, nil, nil,
			fmt.Sprintf("%s-%s-%d", s.scope, rand.Text()[:4], i))
		if err != nil {
			return nil, err
		}
		ids = append(ids, c.ID)
		b.made = append(b.made, c.ID)
	}
	err := inParallel(ids, func(id string) error { return b.api.ContainerStart(ctx, id, container.StartOptions{}) })
	return ids, err
}

// kill kills a container's process from the host, so that it ends as in a crash.
func (b *bench) kill(ctx context.Context, id string) error {
	c, err := b.api.ContainerInspect(ctx, id)
	if err != nil {
		return err
	}
	if c.State.Pid == 0 {
		return fmt.Errorf("%s has no process to kill", id[:12])
	}
	return syscall.Kill(c.State.Pid, syscall.SIGKILL)
}

// inParallel calls do for all values, eight at a time.
func inParallel[T any](all []T, do func(T) error) error {
	var group sync.WaitGroup
	slots := make(chan struct{}, 8)
	errs := make([]error, len(all))
	for i, one := range all {
		group.Go(func() {
			slots <- struct{}{}
			errs[i] = do(one)
			<-slots
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// until polls for a condition of another process, of which there is no event.
func until(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// proxy counts the requests that pass through it.
type proxy struct {
	server *http.Server
	host   string
	mu     sync.Mutex
	counts map[string]int
	starts []startRequest
}

// startRequest is a start request that passed the proxy.
type startRequest struct {
	path string
	at   time.Time
}

func newProxy(host, socket string) (*proxy, error) {
	target, err := url.Parse(host)
	if err != nil {
		return nil, err
	}
	p := &proxy{host: "unix://" + socket, counts: map[string]int{}}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" },
		FlushInterval: -1,
		Transport:     engineTransport(target),
		ErrorHandler:  passFailure,
	}
	p.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.count(r)
		forward.ServeHTTP(w, r)
	})}
	return p, serveUnix(p.server, socket)
}

// passFailure answers 502. It does not log that the client closed the connection, for each case ends with that.
func passFailure(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return
	}
	fmt.Fprintln(os.Stderr, "ask the engine:", err)
	w.WriteHeader(http.StatusBadGateway)
}

func (p *proxy) count(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[r.Method+" "+kindOf(r.URL.Path)]++
	if strings.HasSuffix(r.URL.Path, "/start") {
		p.starts = append(p.starts, startRequest{r.URL.Path, time.Now()})
	}
}

// reset returns the counts so far and sets them to zero.
func (p *proxy) reset() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.counts
	p.counts, p.starts = map[string]int{}, nil
	return old
}

func (p *proxy) close() { _ = p.server.Close() }
