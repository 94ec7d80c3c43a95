package app_test

import (
	"testing"

	"stoker/sidecar/internal/enginetest"
)

func TestComposeOnARealEngine(t *testing.T) {
	t.Parallel()
	enginetest.ComposeStory(t, enginetest.RealHost(t), crew)
}
