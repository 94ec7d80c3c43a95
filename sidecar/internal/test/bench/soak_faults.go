package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// fault is a frequent fault of one worker or a few.
type fault struct {
	name   string
	weight int
	do     func(context.Context) error
}

func (s *soak) smallFaults() []fault {
	return []fault{
		{"killed from the host", 34, s.crash}, {"ten killed at once", 3, s.storm}, {"failed by itself (exit, crash, out of memory, unhealthy)", 30, s.fail},
		{"`docker stop`", 9, s.stopOne}, {"`docker start` or `run`", 11, s.startOne}, {"`docker rm -f`", 3, s.remove},
		{"`docker restart`", 4, s.restart}, {"`docker update --cpus`", 6, s.update},
	}
}

// smallFault causes one small fault. It counts faults that fail because a container is in another state or is being replaced.
func (s *soak) smallFault(ctx context.Context) error {
	all := s.smallFaults()
	sum := 0
	for _, d := range all {
		sum += d.weight
	}
	drawn := s.random.IntN(sum)
	for _, d := range all {
		if drawn -= d.weight; drawn >= 0 {
			continue
		}
		err := d.do(ctx)
		switch {
		case err == nil:
			s.count(d.name)
		case errors.Is(err, errNoCandidate) || cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err):
			s.count("not possible in the state of the worker")
		case ctx.Err() != nil:
			return ctx.Err()
		default: // such as a process that ended during the call
			fmt.Fprintf(os.Stderr, "%s: %v\n", d.name, err)
			s.count("refused by the engine")
		}
		return nil
	}
	return nil
}

func (s *soak) count(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[name]++
}

// pick returns a random worker with one of these intents.
func (s *soak) pick(intents ...intent) (*soakWorker, error) {
	var all []*soakWorker
	for _, c := range s.managed {
		for _, w := range intents {
			if c.intent == w {
				all = append(all, c)
			}
		}
	}
	if len(all) == 0 {
		return nil, errNoCandidate
	}
	return all[s.random.IntN(len(all))], nil
}

func (s *soak) setIntent(c *soakWorker, w intent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.intent, c.since = w, time.Now()
}

func (s *soak) crash(ctx context.Context) error {
	c, err := s.pick(up)
	if err != nil {
		return err
	}
	return s.kill(ctx, c)
}

func (s *soak) storm(ctx context.Context) error {
	var victims []*soakWorker
	for range 10 {
		c, err := s.pick(up)
		if err != nil {
			return err
		}
		victims = append(victims, c)
	}
	return s.kill(ctx, victims...)
}

// kill ends the processes of those that have one.
func (s *soak) kill(ctx context.Context, victims ...*soakWorker) error {
	var pids []string
	for _, c := range victims {
		in, err := s.api.ContainerInspect(ctx, c.name)
		if err == nil && in.State.Pid > 0 {
			pids = append(pids, strconv.Itoa(in.State.Pid))
		}
	}
	if len(pids) == 0 {
		return errNoCandidate
	}
	if s.engine == "" {
		for _, pid := range pids {
			n, _ := strconv.Atoi(pid)
			_ = syscall.Kill(n, syscall.SIGKILL) // may have ended already
		}
		return nil
	}
	_, err := command(ctx, "nsenter", append([]string{"-t", s.enginePID(), "-p", "kill", "-9"}, pids...)...)
	if err != nil && strings.Contains(err.Error(), "No such process") {
		return errNoCandidate
	}
	return err
}

// enginePID returns the PID in the socket's path.
func (s *soak) enginePID() string { return strings.Split(s.host, "/")[4] }

func (s *soak) fail(ctx context.Context) error {
	c, err := s.pick(up)
	if err != nil {
		return err
	}
	return s.api.ContainerKill(ctx, c.name, "USR1")
}

// stopOne changes the intent only if the engine stopped a running container: for one that is down it answers 304 and sends no event (README,
// Limits).
func (s *soak) stopOne(ctx context.Context) error {
	c, err := s.pick(up)
	if err != nil {
		return err
	}
	target, err := url.Parse(s.host)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine/containers/"+c.name+"/stop?t=2", http.NoBody)
	if err != nil {
		return err
	}
	raw := http.Client{Transport: engineTransport(target)}
	defer raw.CloseIdleConnections()
	response, err := raw.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return errNoCandidate
	}
	s.setIntent(c, stopped)
	return nil
}

func (s *soak) startOne(ctx context.Context) error {
	c, err := s.pick(stopped, removed)
	if err != nil {
		return err
	}
	was := c.intent
	s.setIntent(c, up) // before the call, for the container runs before the answer
	if was == stopped {
		return s.retryStart(ctx, c)
	}
	if err = s.create(ctx, c); err != nil && !cerrdefs.IsConflict(err) {
		return s.retryStart(ctx, c)
	}
	return err
}

// retryStart starts a worker, and retries if the engine refuses.
func (s *soak) retryStart(ctx context.Context, c *soakWorker) error {
	var err error
	for range 5 {
		if err = s.api.ContainerStart(ctx, c.name, container.StartOptions{}); err == nil {
			return nil
		}
		pause(ctx, time.Second)
	}
	return err
}

func (s *soak) remove(ctx context.Context) error {
	c, err := s.pick(up, stopped)
	if err != nil {
		return err
	}
	err = s.api.ContainerRemove(ctx, c.name, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if _, now := s.api.ContainerInspect(ctx, c.name); err == nil || cerrdefs.IsNotFound(now) {
		s.setIntent(c, removed)
	}
	return err
}

func (s *soak) restart(ctx context.Context) error {
	c, err := s.pick(up, stopped)
	if err != nil {
		return err
	}
	seconds := 2
	s.setIntent(c, up)
	if s.api.ContainerRestart(ctx, c.name, container.StopOptions{Timeout: &seconds}) == nil {
		return nil
	}
	return s.retryStart(ctx, c)
}

func (s *soak) update(ctx context.Context) error {
	c, err := s.pick(up, stopped)
	if err != nil {
		return err
	}
	quota := int64(5+s.random.IntN(10)) * 1e7
	_, err = s.api.ContainerUpdate(ctx, c.name, container.UpdateConfig{Resources: container.Resources{NanoCPUs: quota}})
	if err == nil {
		c.cpus = quota
	}
	return err
}

// killStoker kills Stoker, causes one more fault, and starts Stoker again.
func (s *soak) killStoker(ctx context.Context) error {
	s.count("Stoker killed")
	s.stoker.kill()
	if err := s.smallFault(ctx); err != nil {
		return err
	}
	return s.stoker.start(ctx)
}

func (s *soak) stopEngine(ctx context.Context) error {
	return s.endEngine(ctx, "TERM", "the engine stopped and started")
}
func (s *soak) killEngine(ctx context.Context) error {
	return s.endEngine(ctx, "KILL", "the engine killed and started")
}

// endEngine first waits until Stoker is ready. Of a stop while Stoker is down only the engine's replay has the event, and the engine loses its
// replay when it ends (README, Limits).
func (s *soak) endEngine(ctx context.Context, signal, name string) error {
	if err := s.stoker.ready(ctx); err != nil {
		return err
	}
	s.count(name)
	if _, err := command(ctx, "docker", "exec", s.engine, "pkill", "-"+signal, "-x", "dockerd"); err != nil {
		return err
	}
	gone := func() bool {
		_, err := command(ctx, "docker", "exec", s.engine, "pgrep", "-x", "dockerd")
		return err != nil
	}
	if err := until(ctx, gone); err != nil {
		return fmt.Errorf("wait for the engine's end: %w", err)
	}
	_, err := command(ctx, ".ci/e2e/engine", "daemon", s.engine)
	return err
}

// command returns the standard output of a program. The error contains its standard error.
func command(ctx context.Context, name string, args ...string) (string, error) {
	run := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
