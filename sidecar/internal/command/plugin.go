package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stoker/sidecar/internal/sanitize"
)

const (
	// PluginName is the name under which this program is a plugin of the Docker CLI.
	PluginName = "docker-stoker"
	// pluginMetadata is the command by which the CLI asks a plugin for what it is.
	pluginMetadata = "docker-cli-plugin-metadata"
	// pluginSchema is the version of the answer, the only one there is.
	pluginSchema = "0.1.0"
	// pluginShort is the plugin's line in docker help.
	pluginShort = "Ask the Stoker that runs on this engine for its workers, check, pause and wake them"
)

// CLI runs the docker command with arguments and streams, and returns its exit code. Its error is that it could not be run.
type CLI func(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) (code int, err error)

// metadata is what the CLI reads of a plugin.
type metadata struct {
	SchemaVersion    string
	Vendor           string
	Version          string
	ShortDescription string
}

// executePlugin runs the command that the Docker CLI passes on: its own global flags, the plugin's name, and the plugin's arguments.
func executePlugin(ctx context.Context, env Env) int {
	root := newPlugin(env) //nolint:contextcheck // cobra passes the context to the commands
	return env.execute(ctx, root, "docker stoker --help")
}

// plugin is the command line of one call.
type plugin struct {
	env     Env
	sidecar string         // the container that was asked for; empty looks for one
	globals *pflag.FlagSet // of the CLI
}

// newPlugin is the tree of commands as the CLI names them. Their flags are those of the commands that the sidecar runs.
func newPlugin(env Env) *cobra.Command {
	docker := &cobra.Command{Use: "docker", SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs}
	p := &plugin{env: env, globals: docker.PersistentFlags()}
	addGlobals(p.globals)
	docker.CompletionOptions.HiddenDefaultCmd = true
	docker.AddCommand(newMetadata(env))

	stoker := &cobra.Command{Use: "stoker", Short: pluginShort, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	stoker.PersistentFlags().StringVar(&p.sidecar, "sidecar", "", "Name of Stoker's container, where several run on the engine")
	stoker.SetUsageTemplate(pluginUsage)
	stoker.SetHelpTemplate(pluginHelp)
	stoker.AddCommand(newVersion(env), p.check())
	for _, cmd := range []*cobra.Command{newStatus(env), newHistory(env), newPause(env), newResume(env), newWake(env), newNotifyTest(env)} {
		cmd.RunE = p.forward
		stoker.AddCommand(cmd)
	}
	for _, cmd := range stoker.Commands() {
		cmd.Long, cmd.Example = "", inPlugin(cmd.Example) // they describe the command within the sidecar
		cmd.Use, cmd.DisableFlagsInUseLine = cmd.Use+" [OPTIONS]", true
		hideFlag(cmd, "url")
	}
	docker.AddCommand(stoker)
	return docker
}

// hideFlag hides a flag that is of no use in the plugin.
func hideFlag(cmd *cobra.Command, name string) {
	if flag := cmd.Flags().Lookup(name); flag != nil {
		flag.Hidden = true
	}
}

func newMetadata(env Env) *cobra.Command {
	return &cobra.Command{Use: pluginMetadata, Hidden: true, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return env.printJSON(metadata{pluginSchema, "Stoker", env.Build.Version, pluginShort})
	}}
}

// addGlobals adds the global flags of the Docker CLI, which it passes on as they were given.
func addGlobals(flags *pflag.FlagSet) {
	flags.String("config", "", "")
	flags.StringP("context", "c", "", "")
	flags.BoolP("debug", "D", false, "")
	flags.StringArrayP("host", "H", nil, "")
	flags.StringP("log-level", "l", "", "")
	flags.Bool("tls", false, "")
	flags.String("tlscacert", "", "")
	flags.String("tlscert", "", "")
	flags.String("tlskey", "", "")
	flags.Bool("tlsverify", false, "")
	flags.VisitAll(func(f *pflag.Flag) { f.Hidden = true })
}

// check reads compose files here, where they are; containers are checked in the sidecar, whose environment decides.
func (p *plugin) check() *cobra.Command {
	cmd := newCheck(p.env)
	here := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("compose") {
			return here(cmd, args)
		}
		return p.forward(cmd, args)
	}
	return cmd
}

// forward has the sidecar run a command, with the flags and arguments that were given.
func (p *plugin) forward(cmd *cobra.Command, args []string) error {
	name, err := p.find(cmd.Context())
	if err != nil {
		return err
	}
	call := append(given(p.globals), "exec")
	var in io.Reader
	if p.env.Terminal != nil {
		call, in = append(call, "--interactive", "--tty"), p.env.Terminal
	}
	if p.env.variable("NO_COLOR") != "" {
		call = append(call, "--env", "NO_COLOR=1")
	}
	call = append(call, name, "/stoker", cmd.Name())
	call = append(call, given(cmd.LocalNonPersistentFlags())...)
	if len(args) > 0 {
		call = append(append(call, "--"), args...)
	}
	code, err := p.env.CLI(cmd.Context(), call, in, p.env.Stdout, p.env.Stderr)
	if err != nil {
		return failed(err)
	}
	if code != exitFine {
		return &ending{code: code}
	}
	return nil
}

// given are the flags that were set, each as one argument.
func given(flags *pflag.FlagSet) []string {
	words := []string{}
	flags.VisitAll(func(f *pflag.Flag) { // a set that was merged from others does not record which were set
		if !f.Changed {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			for _, value := range list.GetSlice() {
				words = append(words, "--"+f.Name+"="+value)
			}
			return
		}
		words = append(words, "--"+f.Name+"="+f.Value.String())
	})
	return words
}

// find returns the container of the Stoker to ask.
func (p *plugin) find(ctx context.Context) (string, error) {
	if p.sidecar != "" {
		return p.sidecar, nil
	}
	call := append(given(p.globals), "ps", "--all", "--no-trunc", "--filter", "label="+sidecarLabel, "--format", sidecarFormat)
	var out bytes.Buffer
	code, err := p.env.CLI(ctx, call, nil, &out, p.env.Stderr)
	switch {
	case err != nil:
		return "", failed(err)
	case code != exitFine: // the CLI has printed why
		return "", &ending{code: exitFailed}
	}
	return chooseSidecar(out.String())
}

// What finds a sidecar among the containers: the title of its image, which a container label may give to another image, and the columns
// that show whether it runs as a sidecar.
const (
	sidecarLabel  = "org.opencontainers.image.title=Stoker"
	sidecarFormat = "{{.Names}}\t{{.Status}}\t{{.Command}}"
)

// chooseSidecar picks the one that runs, from lines in sidecarFormat.
func chooseSidecar(listed string) (string, error) {
	var running, stopped []string
	for line := range strings.Lines(listed) {
		columns := strings.Split(strings.TrimSpace(line), "\t")
		if len(columns) != 3 || !runsSidecar(columns[2]) {
			continue
		}
		if strings.HasPrefix(columns[1], "Up") {
			running = append(running, columns[0])
		} else {
			stopped = append(stopped, columns[0])
		}
	}
	slices.Sort(running)
	slices.Sort(stopped)
	switch {
	case len(running) == 1:
		return running[0], nil
	case len(running) > 1:
		return "", BadConfiguration(fmt.Errorf("several Stokers run on this engine: %s; choose one with --sidecar NAME", sanitize.Escape(strings.Join(running, ", "))))
	case len(stopped) > 0:
		return "", failed(fmt.Errorf("no Stoker runs on this engine, but there is a stopped one: docker start %s", sanitize.Escape(stopped[0])))
	}
	return "", failed(errors.New("no Stoker runs on this engine: start one (docker stoker --help shows how), or name its container with --sidecar NAME"))
}

// runsSidecar reports whether the command of a container of Stoker's image is the sidecar, and not a check or another command that ends.
func runsSidecar(command string) bool {
	words := strings.Fields(strings.Trim(command, `"`))
	return len(words) < 2 || words[1] == "run"
}
