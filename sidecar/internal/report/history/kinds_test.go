package history

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// A kind that lifecycle gets is one that people can ask for.
func TestKindsAreAll(t *testing.T) {
	source, err := os.ReadFile("../../core/worker/event.go")
	require.NoError(t, err)
	var declared []worker.EventKind
	for _, m := range regexp.MustCompile(`(?m)^\tEvent\w+\s+EventKind = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		declared = append(declared, worker.EventKind(m[1]))
	}
	require.NotEmpty(t, declared)
	require.ElementsMatch(t, declared, Kinds())
}
