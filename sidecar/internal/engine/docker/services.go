package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"

	"stoker/sidecar/internal/core/policy"
)

// mostServices bounds an answer about services, in bytes.
const mostServices = 64 << 20

// swarmService is the part of the API's service that is read. The client's own types of Swarm would make the program larger by far more than
// they are used.
type swarmService struct {
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

// Services returns what can be checked of the services of a Swarm. An engine that is no manager, or does not let the question through, has none.
func (c *Client) Services(ctx context.Context) []policy.Service {
	var listed []swarmService
	if c.askSwarm(ctx, "/services", &listed) != nil {
		return nil
	}
	var all []policy.Service
	for _, one := range listed {
		all = append(all, one.translate())
	}
	return all
}

// updating reports whether a service is being updated or rolled back. An engine that is no manager, or does not answer, is taken for no.
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
