package dockertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/testenv"
)

// ComposeStory has the Compose of this machine, `docker compose` or docker-compose, do to a small stack what people do, with a
// Stoker beside it that must not undo or bring back anything, and looks after what is new. Without Compose it is skipped, in one line.
func ComposeStory(t *testing.T, h Host, launcher Launcher) {
	command, separator := composeCommand()
	if command == nil {
		testenv.Missing(t, "no Docker Compose here, neither docker compose nor docker-compose")
	}
	s := &fixture{t: t, Host: h, launcher: launcher, dir: t.TempDir()}
	t.Cleanup(s.explain)
	c := &project{
		fixture: s, command: command, separator: separator, file: filepath.Join(t.TempDir(), "compose.yaml"),
		name: "stoker" + h.Scope()[len(h.Scope())-8:],
	}
	c.play()
}

// composeCommand is what .ci/compose finds, and what it puts between the parts of a container's name.
func composeCommand() (command []string, separator string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}, "-"
	}
	if path, err := exec.LookPath("docker-compose"); err == nil {
		return []string{path}, "_"
	}
	return nil, ""
}

// project is a stack of two services.
type project struct {
	*fixture
	command   []string
	separator string
	file      string
	name      string
}

const composeFile = `services:
  one: &worker
    image: %[1]s
    network_mode: none
    cpus: 0.15
    stop_grace_period: 5s
    environment: &environment
      WORKER_STATE: "off"
      WORKER_THREADS: "1"
      WORKER_FAULT: hang@500ms
      GENERATION: "%[4]d"
    labels:
      stoker.enable: "true"
      stoker.scope: %[2]s
      %[3]s: %[2]s
  two:
    <<: *worker
    environment:
      <<: *environment
      GENERATION: "0"
`

// write makes the file; another generation is a change of service one.
func (p *project) write(generation int) {
	p.t.Helper()
	text := fmt.Sprintf(composeFile, workerTag, p.Scope(), markLabel, generation)
	require.NoError(p.t, os.WriteFile(p.file, []byte(text), 0o600))
}

// compose runs a command to its end.
func (p *project) compose(args ...string) {
	p.t.Helper()
	p.t.Logf("%s: compose %v", time.Now().Format("15:04:05.000"), args)
	printed, err := p.invoke(args)
	require.NoError(p.t, err, "compose %v: %s", args, printed)
}

func (p *project) invoke(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	all := append(append([]string{}, p.command[1:]...), "-p", p.name, "-f", p.file)
	cmd := exec.CommandContext(ctx, p.command[0], append(all, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+p.DockerHost())
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := cmd.Run()
	return printed.String(), err
}

// worker is the n-th container of a service, as it is now.
func (p *project) worker(service string, n int) Worker {
	p.t.Helper()
	w := Worker{Name: p.name + p.separator + service + p.separator + decimal(n)}
	w.ID = p.State(w.Name).ID
	require.NotEmpty(p.t, w.ID, "%s exists", w.Name)
	p.workers = append(p.workers, w)
	return w
}

// only makes sure that Stoker and the engine have these workers of the project and no others.
func (p *project) only(workers ...Worker) {
	p.t.Helper()
	want := len(workers) + 1 // the canary
	p.await(fmt.Sprintf("Stoker to show %d workers", want), func() bool { return len(p.stoker.View().Workers) == want })
	for _, w := range workers {
		_, known := p.seen(w.Name)
		require.True(p.t, known, w.Name)
	}
}

func (p *project) play() {
	p.t.Cleanup(func() {
		if printed, err := p.invoke([]string{"down", "--volumes", "--remove-orphans", "-t", "0"}); err != nil {
			p.t.Errorf("compose down: %v: %s", err, printed)
		}
	})
	p.startStoker()
	p.canary()
	one, two := p.up()
	one = p.change(one, two)
	p.stopAndStart(one, two)
	p.restart(one, two)
	one = p.scale(one, two)
	p.down(one, two)
}

func (p *project) up() (one, two Worker) {
	p.write(1)
	p.compose("up", "-d")
	one, two = p.worker("one", 1), p.worker("two", 1)
	p.running(two)
	require.Equal(p.t, 1, p.crashed(one).Attempts)
	p.only(one, two)
	return one, two
}

// change: the old container gives its name to the new one and goes; the new one begins with a clean slate.
func (p *project) change(old, two Worker) Worker {
	before := p.story(two)
	p.write(2)
	p.compose("up", "-d")
	one := p.worker("one", 1)
	require.NotEqual(p.t, old.ID, one.ID)
	require.Zero(p.t, p.running(one).Attempts)
	p.canary()
	p.only(one, two)
	require.Equal(p.t, 1, p.starts(one), "only compose started the new one")
	require.Equal(p.t, 2, p.starts(old), "only its crash had the old one started")
	story := p.story(old)
	require.Equal(p.t, "destroy", story[len(story)-1])
	require.Equal(p.t, before, p.story(two))
	p.crashed(one)
	return one
}

func (p *project) stopAndStart(one, two Worker) {
	p.compose("stop")
	p.held(one, worker.HeldOperator)
	p.leftAlone(two, worker.HeldOperator)
	require.Equal(p.t, worker.StatusExited, p.State(one.Name).Status)
	p.compose("start")
	p.running(one)
	p.running(two)
	p.crashed(two)
}

// restart: each of them was started twice before, and is started once by it.
func (p *project) restart(one, two Worker) {
	first, second := p.starts(one), p.starts(two)
	p.compose("restart")
	p.running(one)
	p.running(two)
	p.canary()
	require.Equal(p.t, first+1, p.starts(one))
	require.Equal(p.t, second+1, p.starts(two))
	p.crashed(one)
}

// scale returns the one that is left in the end.
func (p *project) scale(one, two Worker) Worker {
	p.compose("up", "-d", "--no-recreate", "--scale", "one=3")
	more := []Worker{p.worker("one", 2), p.worker("one", 3)}
	p.crashed(more[0])
	p.crashed(more[1])
	p.only(one, two, more[0], more[1])
	p.compose("up", "-d", "--no-recreate", "--scale", "one=1")
	left := []Worker{}
	for _, w := range append(more, one) { // which of them stays is up to Compose
		if p.State(w.Name).Status != worker.StatusGone {
			left = append(left, w)
		}
	}
	require.Len(p.t, left, 1)
	p.canary()
	p.only(left[0], two)
	p.crashed(left[0])
	return left[0]
}

func (p *project) down(all ...Worker) {
	p.compose("down", "--volumes")
	for _, w := range all {
		p.forgotten(w)
	}
	p.canary()
	p.only()
	for _, w := range all {
		require.Equal(p.t, worker.StatusGone, p.State(w.Name).Status)
		story := p.story(w)
		require.Equal(p.t, "destroy", story[len(story)-1])
	}
}
