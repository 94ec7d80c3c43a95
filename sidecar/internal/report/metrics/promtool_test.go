package metrics

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// tool finds a program of Debian's package prometheus, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testenv.Missing(t, "no %s here: install Debian's package prometheus, or put Prometheus' own %s into PATH", name, name)
	}
	return path
}

func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestPromtoolAcceptsTheConfiguration(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "config", prometheusFile)
}

func TestPromtoolAcceptsTheAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", "--lint-fatal", alertsFile)
}

func TestTheAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool(t, "", "test", "rules", alertsTestFile)
}

// Prometheus' own linter, as it comes with the server.
func TestPromtoolAcceptsThePage(t *testing.T) {
	t.Parallel()
	promtool(t, busy().scrape(t), "check", "metrics")
}
