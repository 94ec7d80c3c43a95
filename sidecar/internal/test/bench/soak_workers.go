package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// intent is the state that an operator last requested.
type intent string

const (
	up      intent = "up"
	stopped intent = "stopped"
	removed intent = "removed"
)

// soakWorker is a worker with its intended state.
type soakWorker struct {
	name     string
	fault    string // that SIGUSR1 causes
	intent   intent
	since    time.Time // of the intent
	cpus     int64     // quota in billionths
	checked  bool      // has a health check
	recreate bool      // is recreated when unhealthy
}

// newSoakWorker returns a worker. One in ten has a health check and real work, which costs CPU time. The others hang from the start.
func (s *soak) newSoakWorker(i int) *soakWorker {
	faults := []string{"exit:0", "exit:7", "crash", "leak"}
	c := &soakWorker{name: fmt.Sprintf("%s-%03d", s.tag, i), fault: faults[i%len(faults)], intent: up, since: time.Now(), cpus: 1e8}
	if i%10 == 0 {
		c.fault, c.checked, c.recreate, c.cpus = "unhealthy", true, i%20 == 0, 5e7
	}
	return c
}

// create creates and starts a worker, as an operator does.
func (s *soak) create(ctx context.Context, c *soakWorker) error {
	config := &container.Config{
		Image: s.image, Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		Env: []string{"WORKER_STATE=off", "WORKER_THREADS=1", "WORKER_FAULT=hang", "WORKER_SIGNAL_FAULT=" + c.fault},
		Labels: map[string]string{
			"stoker.enable": "true", labelScope: s.tag, labelBench: s.tag, "stoker.backoff-max": soakBackoff.String(),
			"stoker.stable-after": "5s", "stoker.stop-timeout": "2s",
		},
	}
	if c.checked {
		config.Env[2] = "WORKER_FAULT="
		config.Healthcheck = &container.HealthConfig{
			Test: []string{"CMD", "/worker", "healthcheck"}, Interval: 5 * time.Second, Timeout: 30 * time.Second, Retries: 1,
		}
	}
	if c.recreate {
		config.Labels["stoker.on-unhealthy"] = "recreate"
	}
	host := &container.HostConfig{NetworkMode: "none", Resources: container.Resources{NanoCPUs: c.cpus}}
	if c.fault == "leak" {
		host.Memory, host.MemorySwap = 48<<20, 48<<20
	}
	if _, err := s.api.ContainerCreate(ctx, config, host, nil, nil, c.name); err != nil {
		return err
	}
	return s.api.ContainerStart(ctx, c.name, container.StartOptions{})
}

// mine returns the containers of this soak by name. A name that no worker has is from an unfinished recreate.
func (s *soak) mine(ctx context.Context) (map[string]container.Summary, error) {
	list, err := s.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelBench+"="+s.tag))})
	if err != nil {
		return nil, err
	}
	all := map[string]container.Summary{}
	for _, one := range list {
		all[strings.TrimPrefix(one.Names[0], "/")] = one
	}
	return all, nil
}

// deviations returns every difference from the intended state.
func (s *soak) deviations(ctx context.Context) ([]string, error) {
	listed, err := s.mine(ctx)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, c := range s.managed {
		now, exists := listed[c.name]
		delete(listed, c.name)
		if what := c.differs(now, exists); what != "" {
			wrong = append(wrong, c.name+" "+what)
		}
		if !exists {
			continue
		}
		in, err := s.api.ContainerInspect(ctx, now.ID)
		switch {
		case cerrdefs.IsNotFound(err):
			wrong = append(wrong, c.name+" is being replaced")
		case err != nil:
			return nil, err
		case in.HostConfig.NanoCPUs != c.cpus:
			wrong = append(wrong, fmt.Sprintf("%s has a quota of %d, and should have %d", c.name, in.HostConfig.NanoCPUs, c.cpus))
		}
	}
	for name := range listed {
		wrong = append(wrong, name+" is left behind")
	}
	return wrong, nil
}

// differs returns how a container differs from the intended state, or "".
func (c *soakWorker) differs(now container.Summary, exists bool) string {
	running := now.State == container.StateRunning
	switch {
	case exists == (c.intent == removed):
		return fmt.Sprintf("exists: %t, and was %s", exists, c.intent)
	case running != (c.intent == up):
		return fmt.Sprintf("is %s (%s), and was to be %s", now.State, now.Status, c.intent)
	case running && c.checked && !strings.HasSuffix(now.Status, "(healthy)"):
		return "is not healthy: " + now.Status
	}
	return ""
}

func (s *soak) removeAll(ctx context.Context) error {
	listed, err := s.mine(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, one := range listed {
		ids = append(ids, one.ID)
	}
	return inParallel(ids, func(id string) error {
		return s.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
}
