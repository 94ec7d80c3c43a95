package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of a task's policy only what is about faults, attempts and evidence applies.
func TestForTask(t *testing.T) {
	p, problems := Defaults{Policy: Default()}.Parse(map[string]string{
		"stoker.swarm": "kill", "stoker.on-exit": "always", "stoker.final-codes": "2", "stoker.on-missing": "recreate", "stoker.on-starved": "restart",
		"stoker.cpus": "2", "stoker.recreate-after": "1", "stoker.max-attempts": "4", "stoker.attempts-window": "1h", "stoker.idle-after": "10m",
		"stoker.demand": someQueue, "stoker.max-age": "24h", "stoker.before-stop": "true", "stoker.evidence": "logs",
	})
	require.Empty(t, problems)
	task := p.ForTask()

	want := Default()
	want.OnExit, want.OnExitExplicit, want.FinalCodes, want.Dependents = OnExitNever, true, ExitCodes{}, DependentsNone
	want.RecreateAfter, want.MaxAttempts, want.AttemptsWindow = 0, 4, time.Hour
	want.IdleAfter, want.UnhealthyFor = 10*time.Minute, 15*time.Second
	want.Swarm, want.Evidence.Level = SwarmKill, EvidenceLogs
	require.Equal(t, want, task)
}

func TestUnhealthyTask(t *testing.T) {
	for _, c := range []struct {
		name           string
		set, want      OnUnhealthy
		after, applied time.Duration
	}{
		{"a restart, when Swarm has left it for a while", OnUnhealthyRestart, OnUnhealthyRestart, 0, 15 * time.Second},
		{"its own time is longer", OnUnhealthyRestart, OnUnhealthyRestart, time.Minute, time.Minute},
		{"Swarm makes a new one in any case", OnUnhealthyRecreate, OnUnhealthyRestart, 0, 15 * time.Second},
		{"Swarm lets none stay down", OnUnhealthyStop, OnUnhealthyRestart, 0, 15 * time.Second},
		{"only notify", OnUnhealthyNotify, OnUnhealthyNotify, 0, 15 * time.Second},
		{"nothing", OnUnhealthyIgnore, OnUnhealthyIgnore, 0, 15 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Default()
			p.OnUnhealthy, p.UnhealthyFor = c.set, c.after
			task := p.ForTask()
			require.Equal(t, c.want, task.OnUnhealthy)
			require.Equal(t, c.applied, task.UnhealthyFor)
		})
	}
}

func TestTaskOf(t *testing.T) {
	const service, name, id = "com.docker.swarm.service.name", "com.docker.swarm.task.name", "com.docker.swarm.task.id"
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   Task
	}{
		{"a slot", map[string]string{service: "web", name: "web.2.xyz", id: "xyz"}, Task{"web", "2"}},
		{"the node of a global service", map[string]string{service: "web", name: "web.node7.xyz", id: "xyz"}, Task{"web", "node7"}},
		{"no task", map[string]string{service: "web", name: "web.2.xyz"}, Task{}},
		{"no service", map[string]string{name: "web.2.xyz", id: "xyz"}, Task{}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, TaskOf(c.labels)) })
	}
}
