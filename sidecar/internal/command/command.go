// Package command is the command line: run, check, status, history and so on. All its dependencies are in an Env, so that a test
// can run any command in-process.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// The exit codes.
const (
	exitFine   = 0
	exitFailed = 1 // problems were found, or the command failed
	exitUsage  = 2 // bad usage or bad configuration
)

// Env holds the dependencies of a command.
type Env struct {
	Build Build
	Process
	Console
	Outside

	// Run is the sidecar. It works until ctx ends.
	Run func(ctx context.Context, c config.Config, log *logrus.Logger, build Build) error
}

// Process is what the operating system tells a command.
type Process struct {
	Name    string   // of the program's file; PluginName makes it a plugin of the Docker CLI
	Args    []string // without the program's name
	Environ []string // as of os.Environ
	// Hostname is the host's name, the same for the sidecar and for its healthcheck.
	Hostname func() (string, error)
	// Self is the ID of the container that this process runs in, empty outside one.
	Self func() string
}

// Console is where a command writes.
type Console struct {
	Stdout io.Writer
	Stderr io.Writer
	Width  int // of the terminal behind Stdout, in characters; 0 when it is none
	// Terminal is the terminal of a person who can press keys; nil when there is none.
	Terminal Terminal
}

// Outside is what a command reaches: the engine, sources of work, workers, services for notifications, the docker command.
type Outside struct {
	// Connect prepares a connection to the engine for check; it need not reach it.
	Connect func(c config.Config, build Build) (Engine, error)
	// Explain returns in one line what an error of the engine means and what to do.
	Explain func(err error) string
	// Notifier reads the URLs of STOKER_NOTIFY. Its error has a line for each mistake.
	Notifier func(c config.Config, build Build) (Notifier, error)
	// AskSource asks a source of work how much there is.
	AskSource func(ctx context.Context, s demand.Source) (demand.Reading, error)
	// Probe probes a worker of an engine once, from outside. Nil probes none.
	Probe func(ctx context.Context, engine Engine, a worker.Action) worker.ProbeAnswer
	// CLI runs the docker command, for the plugin.
	CLI CLI
}

// Terminal is where a person reads and presses keys.
type Terminal interface {
	io.Reader
	// Raw has each key passed on at once, and not shown, until restore is called.
	Raw() (restore func(), err error)
	// Size is in characters.
	Size() (width, height int)
}

// Engine is what check asks.
type Engine interface {
	Engine(ctx context.Context) (worker.Engine, error)
	List(ctx context.Context) ([]worker.Observation, error)
	Do(ctx context.Context, a worker.Action) worker.Outcome
	// Services returns what can be checked of the services of a Swarm; none where the engine is no manager.
	Services(ctx context.Context) []policy.Service
	calls
}

// calls are what an engine, or something before it, lets through.
type calls interface {
	// TryCalls returns which calls of Stoker's something before the engine refuses, a line for each consequence.
	TryCalls(ctx context.Context) []string
	// Lacking is those of them without which Stoker cannot do its work, in one line; empty when there are none.
	Lacking() string
}

// BadConfiguration marks err as one that ends Stoker with exit code 2.
func BadConfiguration(err error) error {
	return &ending{code: exitUsage, err: err}
}

// ending is an error with an exit code. Without an error everything has been printed.
type ending struct {
	code int
	err  error
}

func (e *ending) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *ending) Unwrap() error { return e.err }

// Execute runs the command that env.Args ask for and returns the exit code of the program.
func Execute(ctx context.Context, env Env) int {
	if env.Name == PluginName {
		return executePlugin(ctx, env)
	}
	return env.execute(ctx, newRoot(env), "stoker help") //nolint:contextcheck // cobra passes the context to the commands
}

// execute runs a tree of commands with the arguments. Help is the command to see after a mistake.
func (e Env) execute(ctx context.Context, root *cobra.Command, help string) int {
	root.SetArgs(append([]string{}, e.Args...)) // nil would make cobra take the process's own
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	err := root.ExecuteContext(ctx)
	var end *ending
	switch {
	case err == nil:
		return exitFine
	case !errors.As(err, &end): // cobra's own: an unknown command or flag
		e.warn(err.Error() + "; see " + help)
		return exitUsage
	case end.err != nil && end.code != exitUsage:
		e.warn(err.Error())
	case end.err != nil: // each mistake has its line
		for line := range strings.Lines(err.Error()) {
			e.warn(strings.TrimSuffix(line, "\n"))
		}
	}
	return end.code
}

// warn writes one line to stderr.
func (c Console) warn(line string) {
	_, _ = fmt.Fprintln(c.Stderr, "stoker:", sanitize.Escape(line))
}

// Tree is the whole command line, for what describes it: manual pages and completions.
func Tree(env Env) *cobra.Command { return newRoot(env) }

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "stoker",
		Short: "Stoker watches labelled containers through the Docker API and heals those that fail",
		Long: "Stoker watches labelled containers through the Docker API and heals those that fail.\n" +
			"It is configured by its environment (STOKER_*, DOCKER_*) and by labels on the containers; without a command it runs.",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	run := newRun(env)
	// Not cobra's own flag: its output can only be changed by a template.
	version := root.Flags().BoolP("version", "v", false, "version for stoker")
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *version {
			return env.sayVersion()
		}
		return run.RunE(cmd, args)
	}
	root.AddCommand(run, newCheck(env), newStatus(env), newHistory(env), newPause(env), newResume(env), newWake(env), newNotifyTest(env), newHealthcheck(env), newVersion(env))
	return root
}

// load reads the environment; each of its problems is a line on stderr.
func (e Env) load() (config.Config, error) {
	c, problems := config.Load(e.Environ)
	for _, p := range problems {
		e.warn(p.String())
	}
	if len(problems) > 0 {
		return config.Config{}, &ending{code: exitUsage}
	}
	return c, nil
}

// failed ends a command with err.
func failed(err error) error {
	return &ending{code: exitFailed, err: err}
}
