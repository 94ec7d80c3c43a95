package app_test

import (
	"os"
	"testing"

	"stoker/sidecar/internal/test/dockertest"
)

func TestTroubleBetweenOnTheFakeEngine(t *testing.T) {
	t.Parallel()
	dockertest.TroubleBetween(t, dockertest.FakeHost, crew)
}

// It takes minutes, with some fifty containers at a time: make test-trouble.
func TestTroubleBetweenOnARealEngine(t *testing.T) {
	if os.Getenv("STOKER_TEST_TROUBLE") == "" {
		t.Skip("only with STOKER_TEST_TROUBLE")
	}
	t.Parallel()
	dockertest.TroubleBetween(t, dockertest.RealHost, crew)
}
