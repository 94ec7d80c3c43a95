package command

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Build is the version of this program.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// NewBuild uses the values that the linker set. What is missing comes from the build information of Go.
func NewBuild(version, commit string) Build {
	b := Build{Version: version, Commit: commit, Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.fill(info)
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	return b
}

func (b *Build) fill(info *debug.BuildInfo) {
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if b.Commit == "" && setting.Key == "vcs.revision" {
			b.Commit = setting.Value[:min(12, len(setting.Value))]
		}
	}
}

func (b Build) String() string {
	return fmt.Sprintf("stoker %s (commit %s, %s)", b.Version, b.Commit, b.Go)
}

func newVersion(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return env.printJSON(env.Build)
			}
			return env.sayVersion()
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func (e Env) sayVersion() error {
	_, err := fmt.Fprintln(e.Stdout, e.Build)
	return written(err)
}

func addJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

func (e Env) printJSON(value any) error {
	out := json.NewEncoder(e.Stdout)
	out.SetIndent("", "  ")
	return written(out.Encode(value))
}

// written ends a command after its output: a full disk or a closed pipe is a failure.
func written(err error) error {
	if err != nil {
		return failed(fmt.Errorf("write the output: %w", err))
	}
	return nil
}
