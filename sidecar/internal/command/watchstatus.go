package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// watchStatus shows each view that differs from the last. On a terminal it also redraws every second, because ages grow, and obeys keys.
func (e Env) watchStatus(ctx context.Context, s *sidecar, ask watchFlags) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	screen, keys, err := e.newScreen(ctx, ask.json)
	if err != nil {
		return failed(err)
	}
	defer screen.restore()
	shown, ended := make(chan []byte), make(chan error, 1)
	go func() {
		ended <- e.keepFollowing(ctx, s, "", func(t streamEvent) error {
			if t.name != "view" {
				return nil
			}
			select {
			case shown <- t.data:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var err error
		select {
		case text := <-shown:
			err = screen.show(text)
		case <-tick.C:
			err = screen.age()
		case key := <-keys:
			err = screen.press(key)
		case err := <-ended:
			if err != nil {
				return failed(err)
			}
			return nil
		}
		if err != nil {
			cancel()
			following := <-ended
			if errors.Is(err, errQuit) {
				return nil
			}
			return errors.Join(err, following)
		}
	}
}

// errQuit ends a watch without an error.
var errQuit = errors.New("quit")

// screen shows views.
type screen struct {
	env     Env
	json    bool
	last    *fleetView
	since   time.Time // when last was received
	order   int       // of orders
	reverse bool
	restore func()
}

// newScreen is a screen, and the keys that are pressed. On a terminal it takes the whole of it, until restore.
func (e Env) newScreen(ctx context.Context, lines bool) (*screen, <-chan byte, error) {
	s := &screen{env: e, json: lines, restore: func() {}}
	if e.Terminal == nil || lines {
		return s, nil, nil
	}
	restore, err := e.Terminal.Raw()
	if err != nil {
		return nil, nil, fmt.Errorf("take keys from the terminal: %w", err)
	}
	keys := make(chan byte)
	go func() { // ends with the process at the latest: a read from a terminal cannot be cut short
		var key [1]byte
		for {
			if n, err := e.Terminal.Read(key[:]); err != nil || n == 0 {
				return
			}
			select {
			case keys <- key[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	s.restore = func() {
		_ = e.output(showCursor + leaveScreen)
		restore()
	}
	return s, keys, e.output(enterScreen + hideCursor)
}

// What a terminal understands.
const (
	enterScreen = "\x1b[?1049h"
	leaveScreen = "\x1b[?1049l"
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	interrupt   = 3 // control-C, which raises no signal while keys are taken
)

// order is one way to sort workers.
type order struct {
	name    string
	compare func(a, b workerRow) int
}

func orders() []order {
	used := func(n *float64) float64 {
		if n == nil {
			return -1
		}
		return *n
	}
	return []order{
		{"name", func(a, b workerRow) int { return cmp.Compare(a.Key, b.Key) }},
		{"state", func(a, b workerRow) int { return cmp.Compare(urgency(a.State), urgency(b.State)) }},
		{"CPU", func(a, b workerRow) int { return cmp.Compare(used(b.Used), used(a.Used)) }},
		{"throttling", func(a, b workerRow) int { return cmp.Compare(used(b.Throttled), used(a.Throttled)) }},
		{"tries", func(a, b workerRow) int { return cmp.Compare(b.Attempts, a.Attempts) }},
		{"start", func(a, b workerRow) int { return b.StartedAt.Compare(a.StartedAt) }},
	}
}

// urgency is how much a state asks for a person, the most first.
func urgency(state string) int {
	return slices.Index([]string{"exhausted", "unhealthy", "unknown", "healing", "waiting", "held", "starting", "waking", "retiring", "asleep", "running"}, state)
}

// press obeys a key.
func (s *screen) press(key byte) error {
	switch key {
	case 'q', 'Q', interrupt:
		return errQuit
	case 's':
		s.order = (s.order + 1) % len(orders())
	case 'r':
		s.reverse = !s.reverse
	}
	if s.last == nil {
		return nil
	}
	return s.draw()
}

func (s *screen) show(text []byte) error {
	if s.json {
		return s.env.output(harmless(string(text)) + "\n")
	}
	var shown fleetView
	if err := json.Unmarshal(text, &shown); err != nil {
		return failed(fmt.Errorf("read a view: %w", err))
	}
	s.last, s.since = &shown, time.Now()
	return s.draw()
}

// age redraws on a terminal; elsewhere nothing has changed.
func (s *screen) age() error {
	if s.last == nil || s.env.Width == 0 {
		return nil
	}
	return s.draw()
}

func (s *screen) draw() error {
	now := time.Now()
	shown := s.sorted()
	if s.env.Terminal == nil {
		content := s.env.statusText(shown, shown.now(now).Add(now.Sub(s.since)))
		if s.env.Width > 0 {
			return s.env.output("\x1b[H" + strings.ReplaceAll(content, "\n", "\x1b[K\n") + "\x1b[J") // over the last one: clearing the screen would flicker
		}
		return s.env.output(content + "\n")
	}
	var height int
	s.env.Width, height = s.env.Terminal.Size()
	lines := strings.Split(strings.TrimSuffix(s.env.statusText(shown, shown.now(now).Add(now.Sub(s.since))), "\n"), "\n")
	if room := max(height-1, 1); len(lines) > room {
		hidden := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("… %d more lines", hidden))
	}
	lines = append(lines, paint(text.Snip(s.hint(), s.env.width(), ellipsis), faint, s.env.coloured()))
	return s.env.output("\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J")
}

// sorted is the last view with its workers in the order that was asked for.
func (s *screen) sorted() fleetView {
	shown := *s.last
	shown.Workers = slices.Clone(shown.Workers)
	slices.SortStableFunc(shown.Workers, orders()[s.order].compare)
	if s.reverse {
		slices.Reverse(shown.Workers)
	}
	return shown
}

func (s *screen) hint() string {
	direction := ""
	if s.reverse {
		direction = ", reversed"
	}
	return fmt.Sprintf("by %s%s · s: sort by another column · r: reverse · q: quit", orders()[s.order].name, direction)
}
