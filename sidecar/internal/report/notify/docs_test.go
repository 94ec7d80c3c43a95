package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

const docs = "../../../../docs/notifications.md"

// The tables and the record are written from the code, so that they cannot differ from it: with -update the test writes
// them, without it the test compares.
func TestTheDocumentationMatchesTheCode(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	want := string(text)
	for name, part := range map[string]string{"services": servicesTable(), "events": eventsTable(), "record": recordExample(t)} {
		want = replace(t, want, name, part)
	}
	if flag.Lookup("update").Value.String() == "true" {
		require.NoError(t, os.WriteFile(docs, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(text), "run: go test ./sidecar/internal/report/notify -update")
}

func replace(t *testing.T, text, name, part string) string {
	t.Helper()
	begin := "<!-- " + name + ": written by go test ./sidecar/internal/report/notify -update -->\n"
	end := "<!-- /" + name + " -->\n"
	before, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, "no place for %s", name)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s have no end", name)
	return before + begin + part + end + after
}

func servicesTable() string {
	var b strings.Builder
	b.WriteString("| service | URL | sent by |\n|---|---|---|\n")
	for _, s := range services() {
		by := "shoutrrr"
		if s.own() {
			by = "Stoker"
		}
		form := regexp.MustCompile(`\S+://[^\s,]+(,[^\s,]+)*`).ReplaceAllString(s.form, "`$0`")
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, form, by)
	}
	return b.String()
}

func eventsTable() string {
	var b strings.Builder
	b.WriteString("| event | default | meaning |\n|---|---|---|\n")
	for _, r := range rows() {
		if r.meaning == "" || r.kind == kindTest {
			continue
		}
		byDefault := ""
		if slices.Contains(Defaults(), r.event) {
			byDefault = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.event, byDefault, r.meaning)
	}
	return b.String()
}

func recordExample(t *testing.T) string {
	t.Helper()
	b := bookOf(t)
	n := gaveUp("web-1")
	n.ID, n.Intent, n.Heal = "4f2a", worker.IntentNone, worker.HealRestart
	n.Output = "connection refused"
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, renderer{b, called("node-1")}.message(digestOf(b, n), 0).JSON, "", "  "))
	return "```json\n" + out.String() + "\n```\n"
}

// Every URL that the page shows is one that Stoker takes.
func TestTheURLsOfTheDocumentationWork(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	example := regexp.MustCompile(`(?m)^    ([a-z+]+://\S+)$`).FindAllStringSubmatch(string(text), -1)
	require.GreaterOrEqual(t, len(example), 8)
	for _, e := range example {
		_, _, err := open(e[1], newClient("stoker"))
		require.NoError(t, err)
	}
}

// Each note that there is has a line of its own.
func TestEveryNoteCanBeTold(t *testing.T) {
	t.Parallel()
	b := bookOf(t)
	for _, kind := range worker.EventKinds() {
		if kind == worker.EventEvidence { // goes into the messages about its heal
			continue
		}
		require.Contains(t, b.rows, string(kind))
	}
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the tables of docs/notifications.md instead of comparing them")
	os.Exit(m.Run())
}
