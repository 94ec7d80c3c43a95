package app_test

import (
	"testing"

	"stoker/sidecar/internal/test/dockertest"
)

func TestContractOnTheFakeEngine(t *testing.T) {
	t.Parallel()
	dockertest.Contract(t, dockertest.FakeHost, launcher)
}

func TestContractOnARealEngine(t *testing.T) {
	t.Parallel()
	dockertest.Contract(t, dockertest.RealHost, launcher)
}
