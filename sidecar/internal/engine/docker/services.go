package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// mostServices bounds an answer about services, in bytes.
const mostServices = 64 << 20

// swarmService is the part of the API's service that is read. The client's own types of Swarm would enlarge the binary too much for their
// use.
type swarmService struct {
	ID   string
	Spec struct {
		Name         string
		Labels       map[string]string
		TaskTemplate struct {
			ContainerSpec struct {
				Labels      map[string]string
				Healthcheck struct{ Test []string }
			}
			Resources     struct{ Limits struct{ NanoCPUs int64 } }
			RestartPolicy struct {
				Condition   string
				MaxAttempts uint64
			}
		}
	}
	UpdateStatus struct{ State string }
}

// swarmTask is the part of the API's task that is read.
type swarmTask struct {
	Slot         int
	NodeID       string
	DesiredState string
	Status       struct {
		Timestamp       time.Time
		State           string
		Err             string
		ContainerStatus struct{ ContainerID string }
	}
}

// Services returns what can be checked of the services of a Swarm. It returns none if the engine is no manager or the call is refused.
func (c *Client) Services(ctx context.Context) []policy.Service {
	var listed []swarmService
	if c.askSwarm(ctx, "/services", &listed) != nil {
		return nil
	}
	var all []policy.Service
	for _, one := range listed {
		s := one.translate()
		if s.MaxAttempts > 0 && s.Concerned() {
			tasks, err := c.tasks(ctx, one.ID)
			if err == nil {
				s.UsedUp = usedUp(tasks)
			}
		}
		all = append(all, s)
	}
	return all
}

// tasks returns the tasks of a service that Swarm still has.
func (c *Client) tasks(ctx context.Context, service string) ([]swarmTask, error) {
	filter, err := json.Marshal(map[string][]string{"service": {service}})
	if err != nil {
		return nil, fmt.Errorf("write the filter of tasks: %w", err)
	}
	var listed []swarmTask
	err = NewSwarm(c).ask(ctx, "/tasks", url.Values{"filters": {string(filter)}}, &listed)
	return listed, err
}

// usedUp returns the places of a service, its slots or the nodes of a global one, that Swarm leaves empty because their tasks have failed
// as often as max_attempts allows: the last task has failed, and no task is desired to run there. Swarm keeps only the last five tasks of a
// slot, so the failures cannot be counted.
func usedUp(tasks []swarmTask) []string {
	last := map[string]swarmTask{}
	alive := map[string]bool{}
	for _, one := range tasks {
		place := strconv.Itoa(one.Slot)
		if one.Slot == 0 {
			place = one.NodeID
		}
		alive[place] = alive[place] || one.DesiredState == "running" || one.DesiredState == "ready"
		if before, ok := last[place]; !ok || one.Status.Timestamp.After(before.Status.Timestamp) {
			last[place] = one
		}
	}
	var places []string
	for place, one := range last {
		if !alive[place] && (one.Status.State == "failed" || one.Status.State == "rejected") {
			places = append(places, place)
		}
	}
	slices.Sort(places)
	return places
}

// updating reports whether a service is being updated or rolled back. It returns false if the engine is no manager or does not answer.
func (c *Client) updating(ctx context.Context, id string) bool {
	var service swarmService
	err := c.askSwarm(ctx, "/services/"+url.PathEscape(id), &service)
	return err == nil && slices.Contains([]string{"updating", "rollback_started"}, service.UpdateStatus.State)
}

// askSwarm reads an answer of a manager.
func (c *Client) askSwarm(ctx context.Context, path string, into any) error {
	answer, err := c.get(ctx, "/v"+c.api.Load().ClientVersion()+path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	if err := json.NewDecoder(io.LimitReader(answer, mostServices)).Decode(into); err != nil {
		return fmt.Errorf("read the answer about services: %w", err)
	}
	return nil
}

func (s swarmService) translate() policy.Service {
	template := s.Spec.TaskTemplate
	out := policy.Service{
		Name: s.Spec.Name, Labels: s.Spec.Labels, ContainerLabels: template.ContainerSpec.Labels, Condition: template.RestartPolicy.Condition,
		Unchecked: slices.Equal(template.ContainerSpec.Healthcheck.Test, []string{"NONE"}), CPUs: float64(template.Resources.Limits.NanoCPUs) / 1e9,
		MaxAttempts: template.RestartPolicy.MaxAttempts,
	}
	if out.Condition == "" {
		out.Condition = "any"
	}
	return out
}
