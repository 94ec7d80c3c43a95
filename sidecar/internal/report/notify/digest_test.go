package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func digestOf(b catalog, notes ...worker.Event) Digest {
	d := Digest{At: start(), Omitted: map[string]int{}}
	for _, n := range notes {
		d.Items = append(d.Items, Item{Kind: b.kind(n), Event: n})
	}
	return d
}

func TestMessages(t *testing.T) {
	t.Parallel()
	b := bookOf(t)
	out := gaveUp("web-1")
	out.Output = "connection\r\n  refused"
	exited := gaveUp("db")
	exited.Fault, exited.Reason, exited.ExitCode, exited.Detail = worker.FaultExited, worker.ReasonCrashed, 7, "no such image"
	recreated := worker.Event{Kind: worker.EventHealed, HealDetails: worker.HealDetails{Heal: worker.HealRecreate, Fault: worker.FaultIdle, Duration: 90 * time.Second}, Key: "x", Reason: "idle"}
	for _, c := range []struct {
		host  string
		notes []worker.Event
		whole string
	}{
		{"node-1", []worker.Event{out},
			"stoker on node-1: web-1 reached its retry limit\n- web-1: unhealthy, probe-failed, attempt 3; health output: connection refused"},
		{"", []worker.Event{exited, recreated},
			"stoker: db reached its retry limit; x was recreated\n" +
				"- db reached its retry limit: exited, exit code 7, crashed, attempt 3, no such image\n- x was recreated: idle, after 1m30s"},
		{"", []worker.Event{{Kind: worker.EventFault, HealDetails: worker.HealDetails{Heal: worker.HealRestart, Fault: worker.FaultOld}, Key: "x", Reason: worker.ReasonOld, Detail: "it has run for 24h0m0s"}},
			"stoker: x is restarted, and nothing is wrong with it\n- x: old, it has run for 24h0m0s"},
		{"", []worker.Event{{Kind: worker.EventEngineDisconnected}}, "stoker: Docker connection lost, reconnecting"},
		{"", []worker.Event{{Kind: worker.EventEngineDisconnected, Detail: "EOF"}}, "stoker: Docker connection lost, reconnecting\n- Docker connection lost, reconnecting: EOF"},
		{"", []worker.Event{{Kind: "new-kind", Key: "w"}}, "stoker: w reports new-kind\n- w"},
		{"", []worker.Event{out, out}, "stoker: web-1 reached its retry limit\n" + strings.TrimSuffix(strings.Repeat(
			"- web-1: unhealthy, probe-failed, attempt 3; health output: connection refused\n", 2), "\n")},
	} {
		require.Equal(t, c.whole, renderer{b, called(c.host)}.message(digestOf(b, c.notes...), 0).whole())
	}
}

func TestFiftyWorkersInOneMessage(t *testing.T) {
	t.Parallel()
	b := bookOf(t)
	var notes []worker.Event
	for n := range 50 {
		notes = append(notes, gaveUp(fmt.Sprintf("w%d", n)))
	}
	d := digestOf(b, notes...)
	m := renderer{b, called("")}.message(d, 0)
	require.Equal(t, "stoker: 50 workers reached their retry limit", m.Title)
	require.Equal(t, maxListed, strings.Count(m.Text, "- w"))
	require.True(t, strings.HasSuffix(m.Text, "\nand 40 more"))
	d.Omitted["exhausted"], d.Dropped = 5, 7
	m = renderer{b, called("")}.message(d, 2)
	require.Equal(t, "stoker: 55 workers reached their retry limit", m.Title)
	require.True(t, strings.HasSuffix(m.Text, "\nand 45 more\n(7 events were dropped: too many at once)\n(2 earlier messages could not be sent)"))
	var record digestJSON
	require.NoError(t, json.Unmarshal(m.JSON, &record))
	require.Len(t, record.Events, 50, "the record has them all")
	require.Equal(t, map[string]int{"gave-up": 55}, record.Counts)
}

func hostile() []string {
	return []string{
		"", " ", "\x00\x1b[31mred\x07", "\xff\xfe\xc3", "a\nb\r\nSubject: c\n\n.\n", "\u202eevil\u2066\u200f", "\u009b31m", "\ufeff\u200b",
		"@everyone @here @channel", "<!channel> <!here> <@U123> <script>alert(1)</script>", "[click](http://evil.invalid)",
		"```\n**x** __y__ ~~z~~ ||s||", "{{.}} ${x} %s %!d", strings.Repeat("x", 100_000), strings.Repeat("й\n", 100_000), strings.Repeat("😀", 5000),
		strings.Repeat("\xff", 100_000), strings.Repeat("@", 5000), strings.Repeat(" ", 100_000) + "end", "\"\\'", "a\u0301\u0301\u0301",
	}
}

func harmless(t *testing.T, m Message) {
	t.Helper()
	require.NotContains(t, m.Title, "\n")
	require.LessOrEqual(t, utf8.RuneCountInString(m.Title), maxTitle)
	require.LessOrEqual(t, utf8.RuneCountInString(m.whole()), maxText)
	require.LessOrEqual(t, len(m.whole()), maxBytes)
	require.True(t, utf8.ValidString(m.whole()))
	require.True(t, json.Valid(m.JSON))
	for _, r := range strings.ReplaceAll(m.whole(), zeroWidth, "") {
		require.True(t, r == '\n' || r == utf8.RuneError || unicode.IsPrint(r), "%U", r)
	}
	for _, bad := range []string{"@everyone", "@here", "@channel", "<", ">", "](", "```", "**", "||", "\nSubject"} {
		require.NotContains(t, m.whole(), bad)
	}
}

func TestHostileNamesAndOutputs(t *testing.T) {
	t.Parallel()
	b := bookOf(t, "all")
	for _, s := range hostile() {
		n := worker.Event{
			Kind: worker.EventExhausted, Key: worker.Key(s), ID: s, HealDetails: worker.HealDetails{Output: s, Fault: worker.Fault(s)}, Detail: s, Reason: worker.Reason(s),
		}
		var many []worker.Event
		for i := range 30 {
			n.Attempt = i
			many = append(many, n)
		}
		harmless(t, renderer{b, called(s)}.message(digestOf(b, n), 0))
		harmless(t, renderer{b, called(s)}.message(digestOf(b, many...), 3))
		n.Kind = worker.EventKind(s)
		renderer{b, called(s)}.message(digestOf(b, n), 0)
	}
}

func FuzzMessage(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s[:min(len(s), 1000)], "out")
	}
	f.Fuzz(func(t *testing.T, name, output string) {
		b := bookOf(t, "all")
		n := worker.Event{Kind: worker.EventExhausted, Key: worker.Key(name), HealDetails: worker.HealDetails{Output: output}, Detail: name}
		harmless(t, renderer{b, called(name)}.message(digestOf(b, n, n), 0))
	})
}

func TestFields(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\nb", field("a\r\nb"))
	require.Equal(t, maxField, utf8.RuneCountInString(field(strings.Repeat("é", 100_000))))
}

// called is what a host is called.
func called(name string) func() string { return func() string { return name } }
