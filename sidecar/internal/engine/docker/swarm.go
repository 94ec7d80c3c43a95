package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"stoker/sidecar/internal/core/service"
)

// Swarm reads the Swarm of an engine and updates its services. Its methods are for one goroutine.
type Swarm struct {
	client *Client
	node   string // the ID of this node while it is a manager
}

// NewSwarm returns the Swarm of a client's engine. It sends no request.
func NewSwarm(c *Client) *Swarm { return &Swarm{client: c} }

// replicatedService is the part of a service that determines its replicas.
type replicatedService struct {
	ID      string
	Version struct{ Index uint64 }
	Spec    json.RawMessage

	UpdateStatus  struct{ State string }
	ServiceStatus *struct{ RunningTasks int }
}

type replicatedSpec struct {
	Name   string
	Labels map[string]string
	Mode   struct {
		Replicated *struct{ Replicas *uint64 }
	}
	TaskTemplate struct{ RestartPolicy struct{ Condition string } }
}

// updateStates returns the states of an unfinished update. A paused one waits for an operator.
func updateStates() []string {
	return []string{"updating", "paused", "rollback_started", "rollback_paused"}
}

// Poll returns what this engine is in its Swarm and, if it is the leader, the services. That takes two calls of a manager (GET /nodes/<id>, GET /services), one of
// any other engine (GET /info).
func (s *Swarm) Poll(ctx context.Context) service.Poll {
	if s.node == "" {
		role, err := s.find(ctx)
		if err != nil || s.node == "" {
			return service.Poll{Role: role, Err: Explain(err)}
		}
	}
	leads, err := s.leads(ctx)
	switch {
	case err != nil:
		s.node = "" // it may have left
		return service.Poll{Err: Explain(err)}
	case !leads:
		return service.Poll{Role: service.RoleFollower}
	}
	services, err := s.services(ctx)
	if err != nil {
		return service.Poll{Err: Explain(err)}
	}
	return service.Poll{Role: service.RoleLeader, Services: services}
}

// find asks the engine whether it is a manager, and keeps its ID if it is.
func (s *Swarm) find(ctx context.Context) (service.Role, error) {
	var info struct {
		Swarm struct {
			NodeID           string
			LocalNodeState   string
			ControlAvailable bool
		}
	}
	if err := s.ask(ctx, "/info", nil, &info); err != nil {
		return service.RoleUnknown, err
	}
	switch w := info.Swarm; {
	case w.NodeID == "" || w.LocalNodeState == "inactive":
		return service.RoleNone, nil
	case !w.ControlAvailable:
		return service.RoleWorker, nil
	default:
		s.node = w.NodeID
	}
	return service.RoleFollower, nil
}

func (s *Swarm) leads(ctx context.Context) (bool, error) {
	var node struct{ ManagerStatus struct{ Leader bool } }
	err := s.ask(ctx, "/nodes/"+url.PathEscape(s.node), nil, &node)
	return node.ManagerStatus.Leader, err
}

func (s *Swarm) services(ctx context.Context) ([]service.Service, error) {
	var listed []replicatedService
	if err := s.ask(ctx, "/services", url.Values{"status": {"true"}}, &listed); err != nil {
		return nil, err
	}
	var all []service.Service
	for _, one := range listed {
		translated, err := one.translate()
		if err != nil {
			return nil, err
		}
		all = append(all, translated)
	}
	return all, nil
}

func (r replicatedService) translate() (service.Service, error) {
	var spec replicatedSpec
	if err := json.Unmarshal(r.Spec, &spec); err != nil {
		return service.Service{}, fmt.Errorf("read the spec of service %s: %w", r.ID, err)
	}
	out := service.Service{
		ID: r.ID, Name: spec.Name, Version: r.Version.Index, Spec: r.Spec, Labels: spec.Labels, Running: service.Unknown,
		Condition: spec.TaskTemplate.RestartPolicy.Condition, Updating: slices.Contains(updateStates(), r.UpdateStatus.State),
	}
	if mode := spec.Mode.Replicated; mode != nil && mode.Replicas != nil {
		out.Replicated, out.Replicas = true, int(min(*mode.Replicas, 1<<30))
	}
	if r.ServiceStatus != nil {
		out.Running = r.ServiceStatus.RunningTasks
	}
	if out.Condition == "" {
		out.Condition = "any"
	}
	return out, nil
}

// Tasks returns the tasks of a service that Swarm still has.
func (s *Swarm) Tasks(ctx context.Context, id string) ([]service.Task, error) {
	listed, err := s.client.tasks(ctx, id)
	var all []service.Task
	for _, one := range listed {
		all = append(all, service.Task{Container: one.Status.ContainerStatus.ContainerID, State: one.Status.State, Err: one.Status.Err})
	}
	return all, err
}

// Update updates a service to its own spec with the change applied. The text is the engine's message if it refuses.
func (s *Swarm) Update(ctx context.Context, c service.Change) (service.Result, string) {
	spec, err := changed(c)
	if err != nil {
		return service.Refused, err.Error()
	}
	asked, r := withResponse(ctx)
	path := "/v" + s.client.api.Load().ClientVersion() + "/services/" + url.PathEscape(c.ID) + "/update"
	err = s.client.post(asked, path, url.Values{"version": {strconv.FormatUint(c.Version, 10)}}, spec)
	err = s.client.fail("update the service", r, err)
	switch {
	case err == nil:
		return service.Done, ""
	case strings.Contains(err.Error(), "out of sequence"):
		return service.Conflict, err.Error()
	case r.mayHaveHappened():
		return service.Lost, Explain(err)
	}
	return service.Refused, Explain(err)
}

// ask reads an answer about the Swarm.
func (s *Swarm) ask(ctx context.Context, path string, query url.Values, into any) error {
	asked, r := withResponse(ctx)
	answer, err := s.client.get(asked, "/v"+s.client.api.Load().ClientVersion()+path, query)
	if err != nil {
		return s.client.fail("ask about the Swarm", r, err)
	}
	defer func() { _ = answer.Close() }()
	if err := json.NewDecoder(io.LimitReader(answer, mostServices)).Decode(into); err != nil {
		return fmt.Errorf("read the answer about the Swarm: %w", err)
	}
	return nil
}

// changed returns the spec of a service with the change applied. All other fields, unknown ones included, stay as the engine sent them.
func changed(c service.Change) ([]byte, error) {
	spec, err := with(c.Spec, []string{"Mode", "Replicated", "Replicas"}, func(json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(strconv.Itoa(c.To)), nil
	}, c.From != c.To)
	if err != nil {
		return nil, err
	}
	return with(spec, []string{"TaskTemplate", "ForceUpdate"}, func(old json.RawMessage) (json.RawMessage, error) {
		var n uint64
		if old != nil {
			if err := json.Unmarshal(old, &n); err != nil {
				return nil, fmt.Errorf("read ForceUpdate: %w", err)
			}
		}
		return json.RawMessage(strconv.FormatUint(n+1, 10)), nil
	}, c.Force)
}

// with returns an object with the field at path replaced; unless wanted, it returns the object unchanged.
func with(object json.RawMessage, path []string, by func(json.RawMessage) (json.RawMessage, error), wanted bool) (json.RawMessage, error) {
	if !wanted {
		return object, nil
	}
	if len(path) == 0 {
		return by(object)
	}
	fields := map[string]json.RawMessage{}
	if object != nil {
		if err := json.Unmarshal(object, &fields); err != nil {
			return nil, fmt.Errorf("read the spec of the service: %w", err)
		}
	}
	inner, err := with(fields[path[0]], path[1:], by, true)
	if err != nil {
		return nil, err
	}
	fields[path[0]] = inner
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write the spec of the service: %w", err)
	}
	return text, nil
}

// post sends a body that is JSON.
func (c *Client) post(ctx context.Context, path string, query url.Values, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(path, query.Encode()), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send %s: %w", path, err)
	}
	req.Header.Set("User-Agent", c.agent())
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.recorder.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("send %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < http.StatusMultipleChoices {
		return nil
	}
	return errors.New(errorMessage(resp))
}
