package dockertest

import (
	"fmt"
	"strings"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"

	"stoker/sidecar/internal/core/worker"
)

// The shapes of the engine's answers, in the engine's own types.

func inspection(d Details) api.InspectResponse {
	in := api.InspectResponse{
		ContainerJSONBase: &api.ContainerJSONBase{
			ID: d.ID, Created: clock(d.Created), Path: "/worker", Args: []string{"run"}, State: state(d),
			Image: imageID(d.Spec.Image), Name: "/" + d.Name, RestartCount: d.RestartCount, Driver: "overlay2",
			Platform: "linux", HostConfig: hostConfig(d),
		},
		Mounts:          []api.MountPoint{},
		Config:          config(d),
		NetworkSettings: &api.NetworkSettings{Networks: attached(d)},
	}
	if d.Spec.Body != nil {
		d.Spec.Body.show(&in, d)
	}
	return in
}

// attached are the networks of a container without a body.
func attached(d Details) map[string]*network.EndpointSettings {
	all := map[string]*network.EndpointSettings{}
	for _, name := range d.Connected {
		all[name] = &network.EndpointSettings{NetworkID: longID(fingerprint(name))}
	}
	return all
}

func state(d Details) *api.State {
	s := &api.State{
		Status: string(d.Status()), Running: d.Running, Paused: d.Paused, Restarting: d.Restarting,
		OOMKilled: d.OOMKilled, Dead: d.Dead, Pid: d.Pid, ExitCode: d.ExitCode, Error: d.Error,
		StartedAt: clock(d.StartedAt), FinishedAt: clock(d.FinishedAt),
	}
	if d.Health == worker.HealthNone {
		return s
	}
	s.Health = &api.Health{Status: string(d.Health), FailingStreak: d.Streak, Log: []*api.HealthcheckResult{}}
	for _, p := range d.Probes {
		s.Health.Log = append(s.Health.Log, &api.HealthcheckResult{
			Start: p.At, End: p.At, ExitCode: p.ExitCode, Output: p.Output,
		})
	}
	return s
}

// clock writes a time as the engine does: never is the year 1.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func hostConfig(d Details) *api.HostConfig {
	h := &api.HostConfig{
		NetworkMode: "default", AutoRemove: d.Spec.AutoRemove, Runtime: "runc", IpcMode: "private",
		RestartPolicy: api.RestartPolicy{
			Name: api.RestartPolicyMode(d.Spec.RestartPolicy.Name), MaximumRetryCount: d.Spec.RestartPolicy.MaxRetries,
		},
		Resources: api.Resources{NanoCPUs: nanoCPUs(d.Spec.CPUs)},
	}
	overwrite(&h.NetworkMode, d.Spec.NetworkMode)
	overwrite(&h.PidMode, d.Spec.PidMode)
	overwrite(&h.IpcMode, d.Spec.IpcMode)
	if d.Spec.HostPort != 0 {
		h.PortBindings = nat.PortMap{"80/tcp": {{HostPort: decimal(d.Spec.HostPort)}}}
	}
	return h
}

func config(d Details) *api.Config {
	c := &api.Config{
		Hostname: d.ID[:12], Image: d.Spec.Image, Labels: d.Spec.Labels, Cmd: []string{"run"}, Entrypoint: []string{"/worker"},
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	if d.Spec.StopSignal != 0 {
		c.StopSignal = decimal(int(d.Spec.StopSignal))
	}
	if d.Spec.StopTimeout != 0 {
		seconds := int(d.Spec.StopTimeout / time.Second)
		c.StopTimeout = &seconds
	}
	if h := d.Spec.Health; h != nil {
		c.Healthcheck = &api.HealthConfig{
			Test:     []string{"CMD", "/worker", "healthcheck"},
			Interval: h.Interval, Timeout: h.Timeout, Retries: h.Retries, StartPeriod: h.StartPeriod,
		}
	}
	return c
}

func summary(d Details, now time.Time) api.Summary {
	s := api.Summary{
		ID: d.ID, Names: []string{"/" + d.Name}, Image: d.Spec.Image, ImageID: imageID(d.Spec.Image), Command: "/worker run",
		Created: d.Created.Unix(), Ports: []api.Port{}, Labels: d.Spec.Labels, State: string(d.Status()),
		Status: statusText(d, now), Mounts: []api.MountPoint{},
		NetworkSettings: &api.NetworkSettingsSummary{Networks: attached(d)},
	}
	s.HostConfig.NetworkMode = networkMode(d)
	return s
}

// networkMode as a list has it.
func networkMode(d Details) string {
	switch b := d.Spec.Body; {
	case d.Spec.NetworkMode != "":
		return d.Spec.NetworkMode
	case b != nil && b.Host.NetworkMode != "":
		return string(b.Host.NetworkMode)
	}
	return "default"
}

// statusText is the status in words, as in docker ps. A client reads the health in it.
func statusText(d Details, now time.Time) string {
	up := "Up " + units.HumanDuration(now.Sub(d.StartedAt))
	ago := units.HumanDuration(now.Sub(d.FinishedAt)) + " ago"
	switch d.Status() {
	case worker.StatusPaused:
		return up + " (Paused)"
	case worker.StatusRestarting:
		return fmt.Sprintf("Restarting (%d) %s", d.ExitCode, ago)
	case worker.StatusRunning:
		return up + healthText(d.Health)
	case worker.StatusRemoving:
		return "Removal In Progress"
	case worker.StatusDead:
		return "Dead"
	case worker.StatusCreated:
		return "Created"
	case worker.StatusExited, worker.StatusUnknown, worker.StatusGone:
	}
	return fmt.Sprintf("Exited (%d) %s", d.ExitCode, ago)
}

func healthText(h worker.Health) string {
	switch h {
	case worker.HealthStarting:
		return " (health: starting)"
	case worker.HealthHealthy, worker.HealthUnhealthy:
		return " (" + string(h) + ")"
	case worker.HealthNone:
	}
	return ""
}

// message is an event as the engine sends it, with the fields that are there for old clients.
func message(e Event) events.Message {
	attributes := map[string]string{}
	for key, value := range e.Labels {
		attributes[key] = value
	}
	attributes["image"], attributes["name"] = e.Image, e.Name
	switch {
	case e.Action == "die":
		attributes["exitCode"] = decimal(e.ExitCode)
	case e.Action == "kill":
		attributes["signal"] = decimal(e.Signal)
	case e.Action == "rename":
		attributes["oldName"] = e.OldName
	case strings.HasPrefix(e.Action, "exec_"):
		attributes["execID"] = longID(e.Seq)
	}
	return events.Message{
		Status: e.Action, ID: e.ID, From: e.Image, //nolint:staticcheck // engines still send them
		Type: events.ContainerEventType, Action: events.Action(e.Action), Scope: "local",
		Actor: events.Actor{ID: e.ID, Attributes: attributes}, Time: e.At.Unix(), TimeNano: e.At.UnixNano(),
	}
}
