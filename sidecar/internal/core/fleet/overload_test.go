package fleet_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/test/dockertest"
)

var update = flag.Bool("update", false, "write the figures of the overload into docs/quota.md")

const (
	overloaded   = 50
	overloadTime = 15 * time.Minute
	diesEvery    = time.Minute // one of them
)

// overload is the record of a Stoker's actions on a host short of CPU for a quarter of an hour.
type overload struct {
	restarts []int // total at the end of each minute
	deaths   int
	started  int           // of those that died
	longest  time.Duration // from an exit to the start request
}

// playOverload: the probes of all workers time out, also after a restart, and one worker a minute exits. A share above 1 turns the guard off.
func playOverload(share float64) overload {
	h := newSimHost(dockertest.Config{Seed: 4}, fleet.Settings{Parallel: 8, OverloadShare: share})
	for _, name := range names(overloaded) {
		s := newWorker(name, "backoff-max", "1m", "recreate-after", "0")
		s.Health = &dockertest.Healthcheck{Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 1}
		h.w.Operator().Run(s)
	}
	h.live(30 * time.Second)
	h.startStoker()
	h.live(30 * time.Second)
	var o overload
	for at := time.Duration(0); at < overloadTime; at += time.Second {
		h.setAllProbes(dockertest.Hanging)
		if at%diesEvery == diesEvery/2 {
			if h.w.Exit(names(overloaded)[o.deaths], 1) {
				o.deaths++
			}
		}
		h.live(time.Second)
		if at%time.Minute == 0 {
			o.restarts = append(o.restarts, h.stops())
		}
	}
	o.restarts = append(o.restarts, h.stops())
	o.starts(h)
	return o
}

// starts checks the starts after the exits.
func (o *overload) starts(h *simHost) {
	died := map[string]time.Time{}
	for _, e := range h.w.Events() {
		switch {
		case e.Action == "die" && e.By == dockertest.ByItself:
			died[e.ID] = e.At
		case e.Action == "start" && !died[e.ID].IsZero():
			o.started++
			o.longest = max(o.longest, e.At.Sub(died[e.ID]))
			delete(died, e.ID)
		}
	}
}

func TestOverload(t *testing.T) {
	with, without := playOverload(0), playOverload(2)
	last := len(with.restarts) - 1
	require.LessOrEqual(t, with.restarts[last], 25, "restarts trickle after five minutes, one every thirty seconds")
	require.LessOrEqual(t, with.restarts[5], 3)
	require.Greater(t, without.restarts[last], 200)
	require.Equal(t, with.deaths, with.started)
	require.Less(t, with.longest, 2*time.Second)
	figures := overloadFigures(with, without)
	const path = "../../../../docs/quota.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	const begin, end = "<!-- overload: written by go test ./sidecar/internal/core/fleet -run Overload -update -->\n", "<!-- /overload -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+figures+end+after), 0o600))
		require.NoError(t, os.WriteFile("../../../../docs/quota.svg", []byte(overloadPlot(with, without)), 0o600))
		return
	}
	require.Equal(t, before+begin+figures+end+after, string(text), "run: go test ./sidecar/internal/core/fleet -run Overload -update")
}

func overloadFigures(with, without overload) string {
	last := len(with.restarts) - 1
	row := func(what string, o overload) string {
		return fmt.Sprintf("| %s | %d | %d | %d of %d | %s |\n", what, o.restarts[5], o.restarts[last], o.started, o.deaths, o.longest.Round(time.Millisecond))
	}
	return "| | restarts in 5 minutes | in 15 minutes | dead ones started | longest from death to start |\n|---|---|---|---|---|\n" +
		row("with the overload guard", with) + row("without (`STOKER_OVERLOAD_SHARE=0%`)", without)
}

// overloadPlot plots restarts over time.
func overloadPlot(with, without overload) string {
	const width, height, left, top = 640, 260, 50, 20
	last := len(without.restarts) - 1
	most := max(without.restarts[last], 1)
	x := func(i int) int { return left + i*(width-left-20)/last }
	y := func(n int) int { return height - 40 - n*(height-40-top)/most }
	line := func(o overload, colour string) string {
		var points []string
		for i, n := range o.restarts {
			points = append(points, fmt.Sprintf("%d,%d", x(i), y(n)))
		}
		return fmt.Sprintf("<polyline fill=\"none\" stroke=%q stroke-width=\"2.5\" points=%q/>\n", colour, strings.Join(points, " "))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n", width, height)
	b.WriteString("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n")
	for i := 0; i <= last; i += 5 {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%d min</text>\n", x(i), height-20, i)
	}
	for _, n := range []int{0, most / 2, most} {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text>\n<path d=\"M%d %dH%d\" stroke=\"#ddd\"/>\n", left-8, y(n)+4, n, left, y(n), width-20)
	}
	b.WriteString(line(without, "#b3261e") + line(with, "#1f6f43"))
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" fill=\"#b3261e\">restarts without the overload guard</text>\n", left+20, top+14)
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" fill=\"#1f6f43\">with it</text>\n</svg>\n", width-80, y(with.restarts[last])-8)
	return b.String()
}
