package docker

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/swarm"

	"stoker/sidecar/internal/core/policy"
)

// Services returns what can be checked of the services of a Swarm. An engine that is no manager, or does not let the question through, has none.
func (c *Client) Services(ctx context.Context) []policy.Service {
	asked, s := withResponse(ctx)
	listed, err := c.api.load().ServiceList(asked, swarm.ServiceListOptions{})
	if err != nil {
		_ = c.fail("list the services", s, err) // notes a refusal by a proxy
		return nil
	}
	var all []policy.Service
	for _, one := range listed {
		all = append(all, translateService(one.Spec))
	}
	return all
}

func translateService(spec swarm.ServiceSpec) policy.Service {
	out := policy.Service{Name: spec.Name, Labels: spec.Labels, Condition: string(swarm.RestartPolicyConditionAny)}
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		out.ContainerLabels = c.Labels
		out.Unchecked = c.Healthcheck != nil && slices.Equal(c.Healthcheck.Test, []string{"NONE"})
	}
	if r := spec.TaskTemplate.RestartPolicy; r != nil {
		if r.Condition != "" {
			out.Condition = string(r.Condition)
		}
		if r.MaxAttempts != nil {
			out.MaxAttempts = *r.MaxAttempts
		}
	}
	if r := spec.TaskTemplate.Resources; r != nil && r.Limits != nil {
		out.CPUs = float64(r.Limits.NanoCPUs) / 1e9
	}
	return out
}
