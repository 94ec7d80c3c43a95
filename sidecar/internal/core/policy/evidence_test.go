package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEvidenceLabels(t *testing.T) {
	t.Parallel()
	read := func(labels map[string]string) (Evidence, []Problem) {
		p, problems := Defaults{Policy: Default()}.Parse(labels)
		return p.Evidence, problems
	}
	e, problems := read(nil)
	require.Empty(t, problems)
	require.Equal(t, Evidence{Level: EvidenceBasic, BeforeStopTimeout: 10 * time.Second}, e)
	e, problems = read(map[string]string{"stoker.evidence": "Logs", "stoker.before-stop": ` ["kill","-QUIT","1"] `, "stoker.before-stop-timeout": "90s"})
	require.Empty(t, problems)
	require.Equal(t, Evidence{Level: EvidenceLogs, BeforeStop: []string{"kill", "-QUIT", "1"}, BeforeStopTimeout: 90 * time.Second}, e)
	e, problems = read(map[string]string{"stoker.evidence": "false", "stoker.before-stop": `kill -QUIT 1 && sleep 1`})
	require.Empty(t, problems)
	require.Equal(t, []string{"/bin/sh", "-c", "kill -QUIT 1 && sleep 1"}, e.BeforeStop)
	require.Equal(t, EvidenceOff, e.Level, "YAML turns a bare off into false")
}

func TestBadEvidenceLabels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ label, value, message string }{
		{"stoker.evidence", "all", "not one of basic, logs, off"},
		{"stoker.before-stop", "", "no value"},
		{"stoker.before-stop", "[]", "no command"},
		{"stoker.before-stop", `[""]`, "no command"},
		{"stoker.before-stop", `["kill"`, "not a JSON array of texts"},
		{"stoker.before-stop", `["kill", 1]`, "not a JSON array of texts"},
		{"stoker.before-stop", `["kill", null]`, ""},
		{"stoker.before-stop", "[kill, -QUIT]", "not a JSON array of texts"},
		{"stoker.before-stop", "a\x00b", "NUL"},
		{"stoker.before-stop", `["a\u0000b"]`, "NUL"},
		{"stoker.before-stop", strings.Repeat("x", maxCommand+1), "longer than 8 kB"},
		{"stoker.before-stop-timeout", "0s", "must be more than 0"},
		{"stoker.before-stop-timeout", "10", "missing unit; write 10s"},
		{"stoker.before-stop-timeout", "2h", "the longest is 1h"},
		{"stoker.before-stop-timeout", "5s", "has no effect without stoker.before-stop"},
	} {
		labels := map[string]string{c.label: c.value}
		if c.label == labelBeforeStopTimeout && !strings.Contains(c.message, "no effect") {
			labels[labelBeforeStop] = "true"
		}
		_, problems := Defaults{Policy: Default()}.Parse(labels)
		if c.message == "" {
			require.Empty(t, problems)
			continue
		}
		require.Len(t, problems, 1, c.value)
		require.Contains(t, problems[0].Message, c.message)
	}
	p, problems := Defaults{Policy: Default()}.Parse(map[string]string{"stoker.before-stop": "[]", "stoker.before-stop-timeout": "5s"})
	require.Len(t, problems, 1, "the wrong command alone")
	require.Empty(t, p.Evidence.BeforeStop)
}

func FuzzParseCommand(f *testing.F) {
	f.Add(`["kill","-QUIT","1"]`)
	f.Add("kill -QUIT 1")
	f.Fuzz(func(t *testing.T, value string) {
		command, err := ParseCommand(value)
		if (err == nil) != (len(command) > 0 && command[0] != "") {
			t.Fatalf("%q, %v", command, err)
		}
	})
}
