package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// gate is a log that blocks until it is opened.
type gate struct {
	open chan struct{}
	out  io.Writer
}

func (g gate) Write(p []byte) (int, error) {
	<-g.open
	return g.out.Write(p)
}

// loggerTo returns a logger in one of Stoker's formats.
func loggerTo(out io.Writer, format logrus.Formatter) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(out)
	log.SetFormatter(format)
	return log
}

func textFormat() logrus.Formatter {
	return &logrus.TextFormatter{FullTimestamp: true, DisableColors: true}
}

// entries returns the lines of a log in JSON.
func entries(t *testing.T, text string) []map[string]any {
	t.Helper()
	all := []map[string]any{}
	for decoder := json.NewDecoder(strings.NewReader(text)); ; {
		var one map[string]any
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, one)
	}
}

// While the log blocks no caller waits for it; the queued lines are written later, and the rest is counted once.
func TestRecordNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		g := gate{open: make(chan struct{}), out: &out}
		sink := newLogSink(loggerTo(g, &logrus.JSONFormatter{}), func() {})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { sink.run(ctx); close(ended) }()

		const recorded = 3 * logQueue
		sink.Record([]worker.Event{{Kind: worker.EventManaged, HealDetails: worker.HealDetails{Attempt: 1}}})
		synctest.Wait() // that one is being written
		for n := range recorded - 1 {
			sink.Record([]worker.Event{{Kind: worker.EventManaged, HealDetails: worker.HealDetails{Attempt: n + 2}}})
		}
		close(g.open)
		cancel()
		<-ended

		written, dropped := 0, 0
		for _, e := range entries(t, out.String()) {
			written++
			require.InDelta(t, written, e[fieldAttempt], 0, "in order")
			if n, ok := e[fieldDropped]; ok {
				dropped += int(n.(float64))
			}
		}
		require.Equal(t, logQueue+1, written)
		require.Equal(t, recorded-written, dropped)
	})
}

// Texts of a container stay in one line and within bounds, and do not affect a terminal.
func TestHostileStrings(t *testing.T) {
	hostile := []string{
		"\x1b[2J\x1b]0;owned\a", "line\nlevel=error msg=forged", "\r\x08\x7f", "\u009b31m", "\u202egnp.exe", "\xff\xfe\xc3", `" msg="forged`,
		strings.Repeat("\u00fc", 100_000), "a\u2028b", "\x00",
	}
	for name, format := range map[string]logrus.Formatter{"text": textFormat(), "json": &logrus.JSONFormatter{}} {
		t.Run(name, func(t *testing.T) {
			for _, text := range hostile {
				var out bytes.Buffer
				sink := newLogSink(loggerTo(&out, format), func() {})
				sink.Record([]worker.Event{{
					Kind: worker.EventFault, Key: worker.Key(text), ID: text, HealDetails: worker.HealDetails{Output: text}, Detail: text, Reason: worker.Reason(text),
				}})
				sink.message(logrus.WarnLevel, text, text)
				sink.drain()
				lines := strings.Split(out.String(), "\n")
				require.Len(t, lines, 3, "two lines, each with its end")
				for _, line := range lines {
					require.True(t, utf8.ValidString(line))
					require.NotContains(t, line, "\x1b")
					require.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool {
						return r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0x202e || r == 0x2028
					}), "%q", line)
				}
				// The worker's name is bounded by the engine, the ID by its length; each other text has its bound.
				if len(text) > 1000 {
					require.Less(t, len(lines[0]), len(text)*2+3*maxOutput)
				}
			}
		})
	}
}

// Each kind of event has its own sentence and fields.
func TestEventsAsLines(t *testing.T) {
	kinds := worker.EventKinds()
	sentences := map[string]bool{}
	for _, kind := range kinds {
		_, text := newLogSink(nil, nil).sentence(worker.Event{Kind: kind})
		require.NotEqual(t, string(kind), text, "a sentence, not the kind's name")
		sentences[text] = true
	}
	require.Len(t, sentences, len(kinds))

	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	sink := newLogSink(loggerTo(&out, &logrus.JSONFormatter{}), func() {})
	sink.Record([]worker.Event{{
		At: at, Kind: worker.EventFault, Key: "w", ID: strings.Repeat("a", 64), HealDetails: worker.HealDetails{Fault: worker.FaultExited, Intent: worker.IntentNone,
			Heal: worker.HealStart, Attempt: 2, Delay: 1500 * time.Millisecond, Duration: time.Second,
			ExitCode: 0, Output: "o"}, Reason: worker.ReasonCrashed, Detail: "d",
	}})
	sink.drain()
	got := entries(t, out.String())[0]
	delete(got, "msg")
	require.Equal(t, map[string]any{
		"time": at.Format(time.RFC3339), "level": "warning", "worker": "w", "id": strings.Repeat("a", 12), "fault": "exited", "intent": "none",
		"heal": "start", "reason": "crashed", "attempt": 2.0, "wait": "1.5s", "took": "1s", "exit_code": 0.0, "output": "o", "detail": "d",
	}, got)
}

// TestRecycleIsNoWarning: a worker that is restarted because of its age has no problem.
func TestRecycleIsNoWarning(t *testing.T) {
	level, text := newLogSink(nil, nil).sentence(worker.Event{Kind: worker.EventFault, HealDetails: worker.HealDetails{Fault: worker.FaultOld}})
	require.Equal(t, logrus.InfoLevel, level)
	require.Contains(t, text, "nothing is wrong")
}
