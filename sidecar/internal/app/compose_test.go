package app_test

import (
	"testing"

	"stoker/sidecar/internal/test/dockertest"
)

func TestComposeOnARealEngine(t *testing.T) {
	t.Parallel()
	dockertest.ComposeStory(t, dockertest.RealHost(t), launcher)
}
