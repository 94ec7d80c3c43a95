package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/sanitize"
)

var errNobody = errors.New("name workers, or give --project NAME or --all")

func newPause(env Env) *cobra.Command {
	var p control.Pause
	cmd := &cobra.Command{
		Use:   "pause [WORKER...] [--project NAME] [--all]",
		Short: "Leave workers alone for a while",
		Long: "Asks the Stoker that runs in this container, over a socket in STOKER_STATE_DIR, to start, stop and recreate none of these\n" +
			"workers for a while, whatever happens to them. When the time is over, or after stoker resume, they are judged as they are\n" +
			"then. A restart or a recreate that is under way is finished first. A pause survives a restart of Stoker.",
		Example: "  docker exec stoker /stoker pause --project shop --for 10m --reason upgrade",
		RunE: func(cmd *cobra.Command, workers []string) error {
			p.Workers = workers
			if p.For <= 0 || p.For > fleet.LongestPause {
				return BadConfiguration(fmt.Errorf("--for %v: write a duration from 1s to %gh", p.For, fleet.LongestPause.Hours()))
			}
			until := time.Now().Add(p.For).Format(time.RFC3339)
			return env.operate(p.Selection, "paused until "+until, func(c control.Client) error { return c.Pause(cmd.Context(), p) })
		},
	}
	addSelection(cmd, &p.Selection)
	cmd.Flags().DurationVar(&p.For, "for", time.Hour, "how long, a week at most")
	cmd.Flags().StringVar(&p.Reason, "reason", "", "why, for those who look")
	return cmd
}

func newResume(env Env) *cobra.Command {
	var of control.Selection
	cmd := &cobra.Command{
		Use:   "resume [WORKER...] [--project NAME] [--all]",
		Short: "End a pause, or give a worker that has used up its attempts new ones",
		Long: "Asks the Stoker that runs in this container, over a socket in STOKER_STATE_DIR, to end the pause of these workers, of a\n" +
			"project, or the one of all; each ends as it was begun. A worker that is exhausted is healed again.",
		RunE: func(cmd *cobra.Command, workers []string) error {
			of.Workers = workers
			return env.operate(of, "resumed", func(c control.Client) error { return c.Resume(cmd.Context(), of) })
		},
	}
	addSelection(cmd, &of)
	return cmd
}

func addSelection(cmd *cobra.Command, s *control.Selection) {
	cmd.Flags().StringVar(&s.Project, "project", "", "all workers of this project of Compose, also those that it will have")
	cmd.Flags().BoolVar(&s.All, "all", false, "all workers")
}

// operate asks the running Stoker, and prints what was done.
func (e Env) operate(of control.Selection, done string, ask func(control.Client) error) error {
	names := of.Workers
	if of.Project != "" {
		names = append(names, "project "+of.Project)
	}
	if of.All {
		names = append(names, "all workers")
	}
	if len(names) == 0 {
		return BadConfiguration(errNobody)
	}
	c, err := e.load()
	if err != nil {
		return err
	}
	if err := ask(control.NewClient(control.Socket(c.StateDir, c.Rules.Scope))); err != nil {
		return failed(err)
	}
	return e.output(sanitize.Escape(strings.Join(names, ", ")) + ": " + done + "\n")
}
