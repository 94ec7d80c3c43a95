package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
)

// stokerProcess is the Stoker under test, with all its restarts.
type stokerProcess struct {
	binary  string
	env     []string
	log     string
	settled time.Duration // from the last fault until every worker was in its intended state

	mu      sync.Mutex // guards the following fields
	proc    *exec.Cmd
	address string
	runs    []*processRun
}

// processRun is one process of Stoker: its usage over time, and its metrics as last read.
type processRun struct {
	began   time.Time
	samples []sample
	page    map[string]float64
}

type sample struct {
	at         time.Time
	use        usage
	goroutines float64
}

func (p *stokerProcess) start(context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	proc := exec.Command(p.binary, "run")
	proc.Env = append([]string{"STOKER_LISTEN=" + address}, p.env...)
	proc.Stderr, proc.Stdout = file, file
	proc.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := proc.Start(); err != nil {
		return fmt.Errorf("start Stoker: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proc, p.address = proc, address
	p.runs = append(p.runs, &processRun{began: time.Now()})
	return nil
}

func (p *stokerProcess) ready(ctx context.Context) error {
	if err := until(ctx, func() bool { return returnsOK(ctx, "http://"+p.address+"/readyz") }); err != nil {
		return fmt.Errorf("wait until Stoker is ready: %w", err)
	}
	return nil
}

func (p *stokerProcess) kill() {
	p.measure()
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.proc.Process.Kill()
	_ = p.proc.Wait()
}

// measure takes a sample of the running process, if there is one.
func (p *stokerProcess) measure() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc.ProcessState != nil {
		return
	}
	use, err := usageOf(p.proc.Process.Pid)
	if err != nil {
		return
	}
	page, err := readPage("http://" + p.address + "/metrics")
	if err != nil {
		return
	}
	now := p.runs[len(p.runs)-1]
	now.page = page
	now.samples = append(now.samples, sample{time.Now(), use, page["go_goroutines"]})
}

// readPage reads a page of metrics: name with labels to value.
func readPage(url string) (map[string]float64, error) {
	asking := http.Client{Timeout: 5 * time.Second}
	response, err := asking.Get(url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	page := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		cut := strings.LastIndexByte(lines.Text(), ' ')
		if cut < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if value, err := strconv.ParseFloat(lines.Text()[cut+1:], 64); err == nil {
			page[lines.Text()[:cut]] = value
		}
	}
	return page, lines.Err()
}

// observe measures Stoker every two seconds, and checks that no operator's stop was undone.
func (s *soak) observe(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.stoker.measure()
			s.checkIntents(ctx)
		}
	}
}

// checkIntents checks that no worker runs that an operator stopped or removed before the list was requested. An engine answers a stop before its
// lists show it, so each worker that seems to run is inspected.
func (s *soak) checkIntents(ctx context.Context) {
	asked := time.Now()
	listed, err := s.mine(ctx)
	if err != nil {
		return // the engine is down
	}
	for _, c := range s.unexpected(asked, listed) {
		in, err := s.api.ContainerInspect(ctx, c.name)
		if err != nil || !in.State.Running {
			continue
		}
		if slices.Contains(s.unexpected(asked, listed), c) { // the intent has not changed since
			s.violate("%s runs since %s, and was %s %s before the list", c.name, in.State.StartedAt, c.intent, asked.Sub(c.since).Round(time.Millisecond))
		}
	}
}

// unexpected returns the workers that run in the list although an operator stopped or removed them before it was requested.
func (s *soak) unexpected(asked time.Time, listed map[string]container.Summary) []*soakWorker {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*soakWorker
	for _, c := range s.managed {
		now, exists := listed[c.name]
		if exists && c.intent != up && c.since.Before(asked) && now.State == container.StateRunning {
			all = append(all, c)
		}
	}
	return all
}
