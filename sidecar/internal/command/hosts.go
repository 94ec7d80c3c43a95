package command

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/sanitize"
)

// hostsView is the part of the API's answer that status --all shows.
type hostsView struct {
	At    time.Time `json:"at"`
	Hosts []hostView
}

// hostView is one host.
type hostView struct {
	Name       string      `json:"name"`
	Address    string      `json:"address"`
	State      peers.State `json:"state"`
	Error      string      `json:"error"`
	Answered   time.Time   `json:"answered_at"`
	At         time.Time   `json:"at"`
	Version    string      `json:"version"`
	Connected  bool        `json:"engine_connected"`
	Engine     string      `json:"engine_version"`
	Overloaded bool        `json:"host_overloaded"`
	Workers    []workerRow `json:"workers"`
	More       int         `json:"workers_more"`
}

func (e Env) statusAll(ctx context.Context, ask watchFlags) error {
	s, err := e.sidecar(ask.url)
	if err != nil {
		return err
	}
	text, err := s.get(ctx, "/api/v1/hosts")
	if err != nil {
		return failed(err)
	}
	var shown hostsView
	if err := json.Unmarshal(text, &shown); err != nil {
		return failed(fmt.Errorf("read the answer: %w", err))
	}
	if ask.json {
		err = e.relay(text)
	} else {
		err = e.output(e.hostsText(shown))
	}
	if err == nil && shown.wrong() {
		return &ending{code: exitFailed}
	}
	return err
}

// wrong reports whether a person has to do something on any host.
func (v hostsView) wrong() bool {
	for _, h := range v.Hosts {
		f := fleetView{HostOverloaded: h.Overloaded, Workers: h.Workers}
		f.Engine.Connected = h.Connected
		if h.wrong() || f.wrong() {
			return true
		}
	}
	return false
}

// wrong reports whether the host does not answer.
func (h hostView) wrong() bool { return h.State != peers.Own && h.State != peers.Answered }

func (e Env) hostsText(v hostsView) string {
	var b strings.Builder
	workers, more := 0, 0
	for _, h := range v.Hosts {
		workers, more = workers+len(h.Workers)+h.More, more+h.More
	}
	head := count(workers, "worker") + " on " + count(len(v.Hosts), "host")
	b.WriteString(paint(head, bold, e.coloured()) + "\n")
	for _, h := range v.Hosts {
		tone := plain
		if h.wrong() || !h.Connected || h.Overloaded {
			tone = red
		}
		line := text.Snip(sanitize.Escape(h.words(v.At)), e.width(), ellipsis)
		b.WriteString(paint(line, tone, e.coloured()) + "\n")
	}
	if workers == more {
		return b.String()
	}
	t := e.table(column{"HOST", 6}, column{"WORKER", 10}, column{"STATE", 7}, column{"HEALTH", 4}, column{"UP", 3}, column{"CPUS", 4},
		column{"THROTTLED", 4}, column{"TRIES", 2}, column{"NEXT", 4}, column{"WHY", 8})
	var problems strings.Builder
	for _, h := range v.Hosts {
		for _, w := range h.Workers {
			w.NextAt = h.next(w)
			t.rows = append(t.rows, row{cells: append([]cell{{h.Name, plain}}, w.cells(h.At)...)})
			for _, p := range w.Problems {
				problems.WriteString(e.lines(red, h.Name+": "+w.Key+": "+problemText(p)))
			}
		}
	}
	b.WriteString("\n" + t.text() + problems.String())
	if more > 0 {
		fmt.Fprintf(&b, "%d more workers are not listed; ask their hosts\n", more)
	}
	return b.String()
}

// next is the time of the next heal by the clock of the host; zero when there is none, or the answer is old.
func (h hostView) next(w workerRow) time.Time {
	if h.wrong() || w.NextIn <= 0 {
		return time.Time{}
	}
	return h.At.Add(time.Duration(w.NextIn * float64(time.Second)))
}

// words is a host in a line.
func (h hostView) words(now time.Time) string {
	line := h.Name
	if h.Address != "" && h.Address != h.Name {
		line += " (" + h.Address + ")"
	}
	switch {
	case h.State == peers.Own || h.State == peers.Answered:
		line += ": " + count(len(h.Workers)+h.More, "worker") + ", engine " + orDash(h.Engine)
		if !h.Connected {
			line += ", disconnected"
		}
		if h.Overloaded {
			line += ", overloaded: restarts of running workers wait"
		}
		return line
	case h.Error != "":
		line += ": " + string(h.State) + ": " + h.Error
	default:
		line += ": " + string(h.State)
	}
	if h.Answered.IsZero() {
		return line + "; it never answered"
	}
	return line + "; it answered last " + short(now.Sub(h.Answered)) + " ago, with " + count(len(h.Workers)+h.More, "worker")
}
