package history

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/lifecycle"
)

// A kind that lifecycle gets is one that people can ask for.
func TestKindsAreAll(t *testing.T) {
	source, err := os.ReadFile("../lifecycle/note.go")
	require.NoError(t, err)
	var declared []lifecycle.NoteKind
	for _, m := range regexp.MustCompile(`(?m)^\tNote\w+\s+NoteKind = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		declared = append(declared, lifecycle.NoteKind(m[1]))
	}
	require.NotEmpty(t, declared)
	require.ElementsMatch(t, declared, Kinds())
}
