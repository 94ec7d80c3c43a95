package app_test

import (
	"os"
	"testing"

	"stoker/sidecar/internal/test/dockertest"
)

func TestProxyFaultsOnTheFakeEngine(t *testing.T) {
	t.Parallel()
	dockertest.ProxyFaults(t, dockertest.FakeHost, launcher)
}

// It takes minutes, with about fifty containers at a time: make test-trouble.
func TestProxyFaultsOnARealEngine(t *testing.T) {
	if os.Getenv("STOKER_TEST_TROUBLE") == "" {
		t.Skip("only with STOKER_TEST_TROUBLE")
	}
	t.Parallel()
	dockertest.ProxyFaults(t, dockertest.RealHost, launcher)
}
