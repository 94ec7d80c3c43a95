package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
)

// stokerProcess is the Stoker under test, restarts included.
type stokerProcess struct {
	binary  string
	env     []string
	log     string
	settled time.Duration // from the last fault to everything being as it should

	mu      sync.Mutex // over what follows
	proc    *exec.Cmd
	address string
	lives   []*life
}

// life is one process of Stoker: its cost over time, and its counters as last read.
type life struct {
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
	p.lives = append(p.lives, &life{began: time.Now()})
	return nil
}

func (p *stokerProcess) ready(ctx context.Context) error {
	if err := until(ctx, func() bool { return answersWell(ctx, "http://"+p.address+"/readyz") }); err != nil {
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
	now := p.lives[len(p.lives)-1]
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

// checkIntents reports workers that run although an operator stopped or removed them before the list was requested. The list
// alone does not count: an engine answers a stop before its lists show it. So each suspect is inspected.
func (s *soak) checkIntents(ctx context.Context) {
	asked := time.Now()
	there, err := s.mine(ctx)
	if err != nil {
		return // the engine is down
	}
	for _, suspect := range s.disobeyed(asked, there) {
		in, err := s.api.ContainerInspect(ctx, suspect.name)
		if err != nil || !in.State.Running {
			continue
		}
		for _, c := range s.disobeyed(asked, there) { // unless the intent has changed since
			if c == suspect {
				s.violate("%s runs since %s, and was %s %s before the list", c.name, in.State.StartedAt, c.intent, asked.Sub(c.since).Round(time.Millisecond))
			}
		}
	}
}

// disobeyed returns workers that run in the list, and should not since before it was requested.
func (s *soak) disobeyed(asked time.Time, there map[string]container.Summary) []*soakWorker {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*soakWorker
	for _, c := range s.managed {
		now, exists := there[c.name]
		if exists && c.intent != up && c.since.Before(asked) && now.State == container.StateRunning {
			all = append(all, c)
		}
	}
	return all
}
