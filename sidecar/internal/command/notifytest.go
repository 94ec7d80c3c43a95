package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stoker/sidecar/internal/report/notify"
	"stoker/sidecar/internal/sanitize"
)

// testTimeout bounds the whole command; every target is tried at once.
const testTimeout = time.Minute

// Notifier sends a test message to each target and returns what happened.
type Notifier interface {
	Test(ctx context.Context) []notify.Result
}

// testResult is the outcome for one target. It contains no secret.
type testResult struct {
	Target  string  `json:"target"`
	OK      bool    `json:"ok"`
	Problem string  `json:"problem,omitempty"`
	Advice  string  `json:"advice,omitempty"`
	Seconds float64 `json:"seconds"`
}

func newNotifyTest(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "notify-test",
		Short: "Send a test message to each URL of STOKER_NOTIFY and print what happened",
		Long: "Sends a test message to each URL of STOKER_NOTIFY at once and prints for each what happened, and what to do if it failed.\n" +
			"URLs are shown without their secrets. Exit code 0: all took it. 1: one did not, or there is none.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return env.notifyTest(cmd.Context(), asJSON) },
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func (e Env) notifyTest(ctx context.Context, asJSON bool) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	if len(c.Notify.URLs) == 0 {
		e.warn("STOKER_NOTIFY is not set: there is no target to notify; docs/notifications.md has the URLs")
		return &ending{code: exitFailed}
	}
	n, err := e.Notifier(c, e.Build)
	if err != nil {
		return BadConfiguration(err)
	}
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	all, bad := []testResult{}, 0
	for _, r := range n.Test(ctx) {
		all = append(all, testResult{r.Target, r.OK, r.Problem, r.Advice, r.Took.Seconds()})
		if !r.OK {
			bad++
		}
	}
	if asJSON {
		err = e.printJSON(all)
	} else {
		err = e.printTried(all)
	}
	if err == nil && bad > 0 {
		return &ending{code: exitFailed}
	}
	return err
}

func (e Env) printTried(all []testResult) error {
	for _, t := range all {
		line := fmt.Sprintf("ok      %s (%.1f s)", sanitize.Escape(t.Target), t.Seconds)
		if !t.OK {
			line = fmt.Sprintf("failed  %s: %s\n        %s", sanitize.Escape(t.Target), sanitize.Escape(t.Problem), sanitize.Escape(t.Advice))
		}
		if _, err := fmt.Fprintln(e.Stdout, line); err != nil {
			return written(err)
		}
	}
	return nil
}
