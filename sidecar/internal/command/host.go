package command

import (
	"context"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"stoker/sidecar/internal/app"
	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/engine/queue"
)

// Host is the Env of this process: its arguments and streams, the real sidecar, the real engine.
func Host(build Build) Env {
	return Env{
		Build: build,
		Process: Process{
			Name: filepath.Base(os.Args[0]), Args: os.Args[1:], Environ: os.Environ(), Hostname: os.Hostname, Self: docker.SelfID,
		},
		Console: Console{Stdout: os.Stdout, Stderr: os.Stderr, Width: terminalWidth(os.Stdout), Terminal: terminalOf(os.Stdin, os.Stdout)},
		Outside: Outside{
			Connect: connect, Explain: docker.Explain, Notifier: notifierOf, AskSource: askSource, Probe: probeOnce, CLI: runCLI,
		},
		Run: runApp,
	}
}

// askSource asks once, and keeps no connection.
func askSource(ctx context.Context, s demand.Source) (demand.Reading, error) {
	pool := queue.New(queue.Options{})
	defer func() { _ = pool.Close(ctx) }()
	return pool.Ask(ctx, s)
}

// probeOnce probes from where this process is, which is where Stoker is when check runs in its container.
func probeOnce(ctx context.Context, engine Engine, a worker.Action) worker.ProbeAnswer {
	client, ok := engine.(*docker.Client) // as connect returns it
	if !ok {
		return worker.ProbeAnswer{Verdict: worker.VerdictNotMade, Detail: "not an engine that reports where its containers are"}
	}
	return app.NewProber(client).Do(ctx, a)
}

func runApp(ctx context.Context, c config.Config, log *logrus.Logger, build Build) error {
	//nolint:contextcheck // New does not wait; what it closes after a failure must be closed even if ctx has ended
	a, err := app.New(app.Options{Config: c, Log: log, Version: build.Version, Commit: build.Commit})
	if err != nil {
		return BadConfiguration(err)
	}
	return a.Run(ctx)
}

func notifierOf(c config.Config, build Build) (Notifier, error) {
	n, err := app.NewNotifier(app.Options{Config: c, Version: build.Version}, nil, func() string { return app.HostName(c) })
	if err != nil {
		return nil, err
	}
	return n, nil
}

func connect(c config.Config, build Build) (Engine, error) {
	client, err := docker.New(docker.Options{
		Host:       c.Docker.Host,
		TLSVerify:  c.Docker.TLSVerify,
		CertPath:   c.Docker.CertPath,
		APIVersion: c.Docker.APIVersion,
		UserAgent:  "stoker/" + build.Version,
	})
	if err != nil {
		return nil, err // not client: a nil pointer in an interface is not nil
	}
	return client, nil
}

// terminalWidth is in columns, 0 when file is no terminal.
func terminalWidth(file *os.File) int {
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// terminal is the one of this process.
type terminal struct{ in, out *os.File }

// terminalOf returns nil unless both are a terminal.
func terminalOf(in, out *os.File) Terminal {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return nil
	}
	return terminal{in, out}
}

func (t terminal) Read(p []byte) (int, error) { return t.in.Read(p) }

func (t terminal) Raw() (func(), error) {
	before, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(int(t.in.Fd()), before) }, nil
}

func (t terminal) Size() (width, height int) {
	width, height, err := term.GetSize(int(t.out.Fd()))
	if err != nil {
		return 80, 24
	}
	return width, height
}
