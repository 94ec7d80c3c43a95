package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each value is the last one that is taken before others are refused.
func TestBoundsOfValues(t *testing.T) {
	with := func(more ...string) map[string]string {
		labels := map[string]string{}
		for n := 0; n < len(more); n += 2 {
			labels[more[n]] = more[n+1]
		}
		return labels
	}
	pad := func(text string, length int) string { return text + strings.Repeat("0", length-len(text)) }
	for _, c := range []struct {
		label, taken, refused, message string
	}{
		{"stoker.stop-timeout", "876000h", "876000h1ns", "too long; the longest is 876000h"},
		{"stoker.cpus", "0.01", "0.0099", "less than 0.01 CPUs"},
		{"stoker.cpus", "1000000", "1000000.1", "more CPUs than a host can have"},
		{"stoker.cpus", pad("0.5", 40), pad("0.5", 41), "not a number of CPUs"},
		{"stoker.idle-below", "100%", "100.1%", "more than 100%"},
		{"stoker.final-codes", "0-255", "0-256", "no exit code"},
		{"stoker.final-codes", "7-7", "7-6", "ends below its start"},
		{"stoker.before-stop", strings.Repeat("x", maxCommand), strings.Repeat("x", maxCommand+1), "longer than 8 kB"},
		{"stoker.before-stop-timeout", "1h", "1h1ns", "the longest is 1h"},
		{"stoker.probe-timeout", "100ms", "99ms", "not between 100ms and 10m"},
		{"stoker.probe-timeout", "10m", "10m1ns", "not between 100ms and 10m"},
		{"stoker.probe-interval", "100ms", "99ms", "less than 100ms"},
		{"stoker.probe-retries", "1", "0", "must be more than 0"},
		{"stoker.probe", pad("http://:80/", longestProbe), pad("http://:80/", longestProbe+1), "longer than 4096 characters"},
		{"stoker.max-memory", "6m", "6291455", "less than 6 MiB"},
		{"stoker.max-memory", "100%", "101%", "more than 100%"},
	} {
		t.Run(c.label+" "+c.message, func(t *testing.T) {
			labels := with("stoker.before-stop", "true", "stoker.probe", "tcp://:1")
			labels[c.label] = c.taken
			_, problems := Defaults{Policy: Default()}.Parse(labels)
			require.Empty(t, problems)
			labels[c.label] = c.refused
			_, problems = Defaults{Policy: Default()}.Parse(labels)
			require.Len(t, problems, 1)
			require.Equal(t, c.label, problems[0].Label)
			require.Contains(t, problems[0].Message, c.message)
		})
	}
}

// A number that is none is said to be none, not to be too large or without a unit.
func TestNumbersThatAreNone(t *testing.T) {
	for _, text := range []string{"", ".", "..", "1.2.3", "1..2", "١"} {
		_, err := ParseCPUs(text)
		require.ErrorContains(t, err, "not a number of CPUs", text)
		_, err = ParseShare(text + "%")
		require.ErrorContains(t, err, "not a percentage", text)
		_, err = ParseDuration(text)
		require.ErrorContains(t, err, "not a duration", text)
		_, err = ParseMemory(text)
		require.ErrorContains(t, err, "not an amount of memory", text)
	}
}

func TestExplainQuotes(t *testing.T) {
	for value, hint := range map[string]bool{`"on"`: true, `'on'`: true, `""`: true, ` "on" `: true, `"`: false, "": false, `"on'`: false, `"on`: false, "on": false} {
		message := Explain(value, errors.New("wrong"))
		require.Equal(t, hint, strings.HasSuffix(message, "the quotes are part of the value, leave them out"), value)
		require.True(t, strings.HasPrefix(message, "wrong"), value)
	}
}

func TestExitCodes(t *testing.T) {
	p, problems := Defaults{Policy: Default()}.Parse(map[string]string{"stoker.final-codes": "2, 64-78"})
	require.Empty(t, problems)
	for code, has := range map[int]bool{0: false, 1: false, 2: true, 3: false, 63: false, 64: true, 70: true, 78: true, 79: false} {
		require.Equal(t, has, p.FinalCodes.Has(code), code)
	}
	require.False(t, ExitCodes{}.Has(0))
}

// A wait or an age that is too short to be shortened is used as it is.
func TestShortestWaits(t *testing.T) {
	for _, nanoseconds := range []time.Duration{0, 1, 4} {
		p := Policy{RetryRules: RetryRules{BackoffInitial: nanoseconds, BackoffMax: time.Minute}}
		for seed := range uint64(20) {
			require.Equal(t, nanoseconds, p.Delay(2, seed))
			require.Equal(t, nanoseconds, Recycle{MaxAge: nanoseconds}.Age(seed))
		}
	}
}
