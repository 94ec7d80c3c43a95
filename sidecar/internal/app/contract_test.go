package app_test

import (
	"testing"

	"stoker/sidecar/internal/enginetest"
)

func TestContractOnTheFakeEngine(t *testing.T) {
	t.Parallel()
	enginetest.Contract(t, enginetest.FakeHost, crew)
}

func TestContractOnARealEngine(t *testing.T) {
	t.Parallel()
	enginetest.Contract(t, enginetest.RealHost, crew)
}
