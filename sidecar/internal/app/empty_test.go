package app

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// A Stoker that finds nobody to look after says so once, with what it looks for. One that has workers, or no list yet, says nothing.
func TestNobodyToLookAfter(t *testing.T) {
	cases := map[string]struct {
		selector policy.Selector
		view     fleet.View
		lists    int
		says     string
	}{
		"by label":    {policy.Selector{Mode: policy.ModeLabel}, fleet.View{}, 3, "no container has stoker.enable=true and no stoker.scope"},
		"of a scope":  {policy.Selector{Mode: policy.ModeLabel, Scope: "prod"}, fleet.View{}, 1, "no container has stoker.enable=true and stoker.scope=prod"},
		"by quota":    {policy.Selector{Mode: policy.ModeQuota}, fleet.View{}, 1, "no container has a CPU quota and no stoker.scope"},
		"all":         {policy.Selector{Mode: policy.ModeAll}, fleet.View{}, 1, "there is no container but Stoker's own"},
		"has one":     {policy.Selector{Mode: policy.ModeLabel}, fleet.View{Workers: []fleet.WorkerView{{}}}, 1, ""},
		"no list yet": {policy.Selector{Mode: policy.ModeLabel}, fleet.View{}, 0, ""},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				sink := newLogSink(loggerTo(&out, textFormat()), func() {})
				n := newEmptyNotice(tt.selector, func() fleet.View { return tt.view }, sink)
				ctx, cancel := context.WithCancel(t.Context())
				n.observe(ctx, worker.Observation{Kind: worker.Connecting})
				for range tt.lists {
					n.observe(ctx, worker.Observation{Kind: worker.ListEnd})
					time.Sleep(time.Minute)
				}
				cancel()
				n.wait()
				sink.drain()
				if tt.says == "" {
					require.Empty(t, out.String())
					return
				}
				require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line, once:\n%s", &out)
				require.Contains(t, out.String(), "level="+logrus.WarnLevel.String())
				require.Contains(t, out.String(), tt.says)
				require.Contains(t, out.String(), "stoker check")
			})
		})
	}
}
