package app_test

import (
	"testing"

	"stoker/sidecar/internal/enginetest"
)

func TestTroubleBetweenOnTheFakeEngine(t *testing.T) {
	t.Parallel()
	enginetest.TroubleBetween(t, enginetest.FakeHost, crew)
}

func TestTroubleBetweenOnARealEngine(t *testing.T) {
	t.Parallel()
	enginetest.TroubleBetween(t, enginetest.RealHost, crew)
}
