package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const internal = "stoker/sidecar/internal/"

// allowed lists the imports that each package may have: core imports only core; engine and report import core; app wires.
func allowed() map[string][]string {
	return map[string][]string{
		"core/demand":        nil,
		"unixsocket":         nil,
		"control":            {"core/fleet", "unixsocket"},
		"core/policy":        {"core/demand"},
		"core/candidates":    {"core/policy"},
		"core/worker":        {"core/policy", "core/demand"},
		"core/dependents":    {"core/worker", "core/policy"},
		"core/recreate":      {"core/worker"},
		"core/fleet":         {"core/worker", "core/policy", "core/demand", "core/dependents", "core/recreate", "core/candidates"},
		"engine/supervisor":  {"core/fleet", "core/worker"},
		"engine/watch":       {"core/worker"},
		"core/service":       {"core/demand", "core/fleet", "core/policy", "core/worker"},
		"engine/scaler":      {"core/demand", "core/service", "core/worker"},
		"engine/docker":      {"engine/docker/spec", "core/service", "core/worker", "core/policy"},
		"engine/docker/spec": {"core/worker"},
		"engine/journal":     {"core/worker"},
		"engine/queue":       {"core/demand"},
		"engine/probe":       {"core/worker", "core/policy"},
		"sanitize":           nil,
		"report/history":     {"core/worker", "sanitize"},
		"report/metrics":     {"core/fleet", "core/worker", "core/demand", "sanitize"},
		"report/notify":      {"core/worker", "sanitize"},
		"report/ping":        nil,
		"report/trend":       {"core/fleet"},
		"report/peers":       {"sanitize"},
		"report/peers/poll":  {"report/peers"},
		"report/page":        {"core/candidates", "report/trend", "report/peers", "core/demand", "core/fleet", "core/worker", "report/history", "sanitize"},
		"report/web":         {"core/candidates", "core/fleet", "report/history", "report/peers", "core/worker", "core/policy", "core/demand", "sanitize", "unixsocket"},
		"config":             {"core/policy", "core/demand"},
		"composefile":        {"core/worker"},
		"app": {
			"core/service", "engine/scaler",
			"core/candidates", "config", "engine/docker", "core/fleet", "report/history", "engine/journal", "core/worker", "report/metrics", "report/notify", "report/page",
			"core/policy", "report/web", "engine/supervisor", "engine/watch", "sanitize", "control", "core/demand", "engine/queue", "engine/probe", "report/ping", "report/trend", "report/peers", "report/peers/poll",
		},
		"command": {"app", "core/candidates", "composefile", "config", "control", "core/demand", "core/fleet", "engine/docker", "engine/queue", "report/history", "core/worker", "report/notify", "report/peers", "core/policy", "report/web", "sanitize"},
	}
}

func TestImportsPointDownwards(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...").Output()
	require.NoError(t, err)
	rules, seen := allowed(), 0
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(line)
		from := strings.TrimPrefix(paths[0], internal)
		may, ok := rules[from]
		if !ok { // test helpers and bench programs are not part of Stoker
			continue
		}
		seen++
		for _, path := range paths[1:] {
			if to, ours := strings.CutPrefix(path, internal); ours {
				require.True(t, slices.Contains(may, to), "%s must not import %s", from, to)
			}
			if strings.HasPrefix(path, "github.com/docker/docker") {
				require.Contains(t, []string{"engine/docker", "engine/docker/spec"}, from, "only package docker may import Docker's types")
			}
			if strings.HasPrefix(path, "github.com/compose-spec/") {
				require.Equal(t, "composefile", from, "only package composefile may import compose-go's types")
			}
		}
	}
	require.Equal(t, len(rules), seen, "the table names packages that do not exist")
}
