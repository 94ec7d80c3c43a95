package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// watchFlags are the flags of status and history.
type watchFlags struct {
	json, watch bool
	url         string
}

func (w *watchFlags) flags(cmd *cobra.Command, watch string) {
	addJSON(cmd, &w.json)
	addURL(cmd, &w.url)
	cmd.Flags().BoolVarP(&w.watch, "watch", "w", false, watch)
}

func newStatus(env Env) *cobra.Command {
	var ask watchFlags
	all := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the workers of the Stoker that runs here, and how they are",
		Long: "Asks the Stoker that runs here, at STOKER_LISTEN or --url, for its workers and shows how they are.\n" +
			"Exit code 0: nothing is wrong. 1: a worker is exhausted or has bad labels, the engine is disconnected, or no\n" +
			"Stoker answers. With --watch: 0 when it is stopped.\n" +
			"With --all it shows the workers of the peers (STOKER_PEERS), too; a host that does not answer is wrong as well.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				return env.statusAll(cmd.Context(), ask)
			}
			return env.status(cmd.Context(), ask)
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "the workers of all hosts")
	ask.flags(cmd, "go on, and show every change; with --json a line for each. On a terminal s and r sort, q ends")
	cmd.MarkFlagsMutuallyExclusive("all", "watch")
	return cmd
}

func (e Env) status(ctx context.Context, ask watchFlags) error {
	s, err := e.sidecar(ask.url)
	if err != nil {
		return err
	}
	if ask.watch {
		return e.watchStatus(ctx, s, ask)
	}
	text, err := s.get(ctx, "/api/v1/workers")
	if err != nil {
		return failed(err)
	}
	var shown fleetView
	if err := json.Unmarshal(text, &shown); err != nil {
		return failed(fmt.Errorf("read the answer: %w", err))
	}
	if ask.json {
		err = e.relay(text)
	} else {
		err = e.output(e.statusText(shown, shown.now(time.Now())))
	}
	if err == nil && shown.wrong() {
		return &ending{code: exitFailed}
	}
	return err
}

func (e Env) output(text string) error {
	_, err := io.WriteString(e.Stdout, text)
	return written(err)
}

// relay prints the sidecar's JSON with indents.
func (e Env) relay(text []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(text), "", "  "); err != nil {
		return failed(errors.New("the answer is no JSON"))
	}
	return e.output(harmless(b.String()) + "\n")
}

// harmless escapes what JSON allows unescaped in a string, but a terminal could take for a command or show as something else. It
// stays the same JSON.
func harmless(text string) string {
	var b bytes.Buffer
	for _, r := range text {
		switch {
		case r == '\n', strconv.IsPrint(r) && r != utf8.RuneError:
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
