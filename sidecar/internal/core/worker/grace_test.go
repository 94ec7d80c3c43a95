package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// If neither a label nor the container sets a grace, the request has none: the engine's default applies.
func TestGraceOfTheEngine(t *testing.T) {
	for name, tc := range map[string]struct {
		given   string
		unknown bool
		grace   time.Duration
		atLeast time.Duration
		kill    string // when the engine sends SIGKILL
		held    bool   // because the SIGKILL counts as another client's
	}{
		"Docker's ten seconds":            {"given health", false, -1, 40 * time.Second, "+10s", false},
		"a kill before them":              {"given health", false, -1, 40 * time.Second, "+3s", true},
		"a default that is short":         {"given health", true, -1, 5 * time.Minute, "+3s", false},
		"a default that is long":          {"given health", true, -1, 5 * time.Minute, "+2m", false},
		"a label":                         {"given health stop-timeout=20s", true, 20 * time.Second, 50 * time.Second, "+20s", false},
		"a label, and an operator's kill": {"given health stop-timeout=20s", true, 20 * time.Second, 50 * time.Second, "+3s", true},
		"the container's":                 {"given health grace=5s", true, 5 * time.Second, 35 * time.Second, "+5s", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, tc.given+"\nup")
			s.m.EngineGrace(tc.unknown)
			s.goOn("unhealthy\n> stop 1")
			require.Equal(t, tc.grace, s.flight.Grace)
			require.GreaterOrEqual(t, s.flight.Deadline, tc.atLeast)
			s.goOn("kill TERM\n" + tc.kill + "\nkill KILL\ndie 137\nstop")
			if tc.held {
				s.goOn("= held stopped-by-operator")
				return
			}
			s.goOn("answer down 137\n> start 1")
		})
	}
}
