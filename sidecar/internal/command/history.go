package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// past are the flags of history.
type past struct {
	watchFlags
	worker string
	limit  int
	since  string
	kinds  []string

	evidence bool
}

const mostPast = 500 // what the API gives in one page

func newHistory(env Env) *cobra.Command {
	var ask past
	cmd := &cobra.Command{
		Use:   "history [WORKER]",
		Short: "Show what the Stoker that runs here did, to one worker or to all",
		Long: "Asks the Stoker that runs here, at STOKER_LISTEN or --url, what it did and saw, and shows it with the newest last.\n" +
			"Exit code 0: it answered, also when there is nothing to show. 1: no Stoker answers. With --watch: 0 when it is stopped.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				ask.worker = args[0]
			}
			if ask.evidence {
				return env.evidence(cmd.Context(), ask)
			}
			return env.history(cmd.Context(), ask)
		},
	}
	ask.flags(cmd, "go on, and show what happens; with --json a line for each event")
	cmd.Flags().IntVarP(&ask.limit, "limit", "n", 50, "how many events, 500 at most")
	cmd.Flags().StringVar(&ask.since, "since", "", "only what is newer: a time (2026-03-01T12:00:00Z) or how long ago (24h)")
	cmd.Flags().BoolVar(&ask.evidence, "evidence", false, "what was kept of the last heals of WORKER: health outputs, memory, processes, the output of stoker.before-stop, log lines")
	cmd.Flags().StringSliceVar(&ask.kinds, "kind", nil, "only these kinds, such as fault,healed")
	return cmd
}

// query returns an error for what the API would refuse: that is bad usage.
func (p past) query() (url.Values, error) {
	if p.limit < 1 || p.limit > mostPast {
		return nil, BadConfiguration(fmt.Errorf("--limit: a number from 1 to %d", mostPast))
	}
	q := url.Values{"limit": {strconv.Itoa(p.limit)}}
	if p.worker != "" {
		q.Set("worker", p.worker)
	}
	if p.since != "" {
		ago, err := time.ParseDuration(p.since)
		_, notTime := time.Parse(time.RFC3339, p.since)
		if (err != nil || ago < 0) && notTime != nil {
			return nil, BadConfiguration(errors.New("--since: a time such as 2026-03-01T12:00:00Z, or how long ago, such as 24h"))
		}
		q.Set("since", p.since)
	}
	for _, kind := range p.kinds {
		if !slices.Contains(worker.EventKinds(), worker.EventKind(kind)) {
			return nil, BadConfiguration(fmt.Errorf("--kind: %s is none of %s", kind, kinds()))
		}
		q.Add("kind", kind)
	}
	return q, nil
}

func kinds() string {
	var all []string
	for _, kind := range worker.EventKinds() {
		all = append(all, string(kind))
	}
	return strings.Join(all, ", ")
}

func (e Env) history(ctx context.Context, ask past) error {
	query, err := ask.query()
	if err != nil {
		return err
	}
	s, err := e.sidecar(ask.url)
	if err != nil {
		return err
	}
	var last uint64
	if ask.watch {
		if last, err = s.lastEvent(ctx); err != nil {
			return failed(err)
		}
	}
	text, err := s.get(ctx, "/api/v1/history?"+query.Encode())
	if err != nil {
		return failed(err)
	}
	if ask.json && !ask.watch {
		return e.relay(text)
	}
	events, err := eventsOf(text)
	if err != nil {
		return failed(err)
	}
	slices.Reverse(events)
	if err := e.printEvents(events, ask); err != nil || !ask.watch {
		return err
	}
	shown := last
	if n := len(events); n > 0 {
		shown = max(shown, events[n-1].ID)
	}
	return e.watchHistory(ctx, s, ask, shown)
}

func eventsOf(text []byte) ([]history.Entry, error) {
	var page struct{ Events []history.Entry }
	if err := json.Unmarshal(text, &page); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return page.Events, nil
}

// lastEvent returns the ID of the newest event, 0 when there is none.
func (s *sidecar) lastEvent(ctx context.Context) (uint64, error) {
	text, err := s.get(ctx, "/api/v1/history?limit=1")
	if err != nil {
		return 0, err
	}
	events, err := eventsOf(text)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return events[0].ID, nil
}

// printEvents prints past events.
func (e Env) printEvents(events []history.Entry, ask past) error {
	if ask.json {
		return e.printLines(events)
	}
	if len(events) == 0 && !ask.watch {
		return e.output("nothing has happened\n")
	}
	return e.output(e.eventTable(events, time.Now()).text())
}

func (e Env) printLines(events []history.Entry) error {
	for _, event := range events {
		line, err := json.Marshal(event)
		if err != nil {
			return failed(fmt.Errorf("encode an event: %w", err))
		}
		if err := e.output(harmless(string(line)) + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// watchHistory prints the events after an ID.
func (e Env) watchHistory(ctx context.Context, s *sidecar, ask past, after uint64) error {
	err := e.keepFollowing(ctx, s, strconv.FormatUint(after, 10), func(s streamEvent) error {
		switch s.name {
		case "view":
			return nil
		case "gap":
			e.warn("some events were missed: the history no longer has them")
			return nil
		}
		var event history.Entry
		if err := json.Unmarshal(s.data, &event); err != nil {
			return failed(fmt.Errorf("read an event: %w", err))
		}
		if !ask.wants(event) {
			return nil
		}
		if ask.json {
			return e.printLines([]history.Entry{event})
		}
		t := e.eventTable([]history.Entry{event}, time.Now())
		t.headless = true
		return e.output(t.text())
	})
	var end *ending
	if err == nil || errors.As(err, &end) {
		return err
	}
	return failed(err)
}

func (p past) wants(event history.Entry) bool {
	return (p.worker == "" || string(event.Key) == p.worker) && (len(p.kinds) == 0 || slices.Contains(p.kinds, string(event.Kind)))
}
