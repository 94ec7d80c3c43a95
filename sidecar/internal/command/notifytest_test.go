package command

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/report/notify"
)

type targets []notify.Result

func (t targets) Test(context.Context) []notify.Result { return t }

func TestNotifyTest(t *testing.T) {
	good := notify.Result{Target: "ntfy://ntfy.sh/***", OK: true, Took: 1200 * time.Millisecond}
	bad := notify.Result{Target: "discord://***", Problem: "404\x1b[31m", Advice: "make a new webhook"}
	for name, c := range map[string]struct {
		environ []string
		targets targets
		err     error
		code    int
		out     string
	}{
		"all took it":  {[]string{"STOKER_NOTIFY=ntfy://ntfy.sh/t"}, targets{good}, nil, 0, "ok      ntfy://ntfy.sh/*** (1.2 s)\n"},
		"one did not":  {[]string{"STOKER_NOTIFY=a://b"}, targets{good, bad}, nil, 1, "ok      ntfy://ntfy.sh/*** (1.2 s)\nfailed  discord://***: 404\\x1b[31m\n        make a new webhook\n"},
		"no target":    {nil, nil, nil, 1, ""},
		"not readable": {[]string{"STOKER_NOTIFY=a://b"}, nil, errors.Join(errors.New("one"), errors.New("two")), 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := Execute(t.Context(), Env{
				Process: Process{Args: []string{"notify-test"}, Environ: c.environ},
				Console: Console{Stdout: &out, Stderr: &errs},
				Outside: Outside{Notifier: func(config.Config, Build) (Notifier, error) { return c.targets, c.err }},
			})
			require.Equal(t, c.code, code)
			require.Equal(t, c.out, out.String())
			if c.err != nil {
				require.Equal(t, "stoker: one\nstoker: two\n", errs.String())
			}
		})
	}
}
