package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/sanitize"
)

func newWake(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "wake GROUP...",
		Short: "Wake all workers of groups that sleep for want of work, for a cooldown at least",
		Long: "Asks the Stoker that runs in this container, over a socket in STOKER_STATE_DIR, to start all workers of a group, whatever\n" +
			"its demand, hours and stoker.max-replicas are; STOKER_CPU_BUDGET still holds. After stoker.cooldown, and a minute at least,\n" +
			"the demand decides again. The name of a group is its stoker.group, or PROJECT/SERVICE of Compose; stoker status lists them.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, groups []string) error {
			c, err := env.load()
			if err != nil {
				return err
			}
			client := control.NewClient(control.Socket(c.StateDir, c.Rules.Scope))
			for _, group := range groups {
				if err := client.Wake(cmd.Context(), group); err != nil {
					return failed(err)
				}
				if _, err := fmt.Fprintln(env.Stdout, sanitize.Escape(group)+": all workers are being woken"); err != nil {
					return written(err)
				}
			}
			return nil
		},
	}
}
