package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const internal = "stoker/sidecar/internal/"

// allowed is who may import whom. What decides is below, what touches the world is above, and nothing points upwards.
func allowed() map[string][]string {
	return map[string][]string{
		"policy":          nil,
		"lifecycle":       {"policy"},
		"fleet":           {"lifecycle", "policy"},
		"supervisor":      {"fleet", "lifecycle"},
		"watch":           {"lifecycle"},
		"docker":          {"docker/recreate", "docker/spec", "lifecycle"},
		"docker/recreate": {"docker/spec", "lifecycle"},
		"docker/spec":     {"lifecycle"},
		"journal":         {"lifecycle"},
		"config":          {"policy"},
		"compose":         {"lifecycle"},
		"history":         {"lifecycle"},
		"metrics":         {"fleet", "lifecycle"},
		"notify":          {"lifecycle"},
		"page":            {"fleet", "lifecycle"},
		"thrift":          nil,
		"status":          {"fleet", "history", "lifecycle", "policy"},
		"app": {
			"config", "docker", "fleet", "history", "journal", "lifecycle", "metrics", "notify", "page", "policy", "status", "supervisor", "watch",
		},
		"command": {"app", "compose", "config", "docker", "history", "lifecycle", "notify", "policy", "status", "thrift"},
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
		if !ok { // test help and programs of the bench are not part of Stoker
			continue
		}
		seen++
		for _, path := range paths[1:] {
			if to, ours := strings.CutPrefix(path, internal); ours {
				require.True(t, slices.Contains(may, to), "%s must not import %s", from, to)
			}
			if strings.HasPrefix(path, "github.com/docker/docker") {
				require.Contains(t, []string{"docker", "docker/recreate", "docker/spec"}, from, "only package docker may know Docker's types")
			}
			if strings.HasPrefix(path, "github.com/compose-spec/") {
				require.Equal(t, "compose", from, "only package compose may know compose-go's types")
			}
		}
	}
	require.Equal(t, len(rules), seen, "the table names packages that do not exist")
}
