package testenv_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// recorder records calls of Fatalf and Skipf.
type recorder struct {
	testing.TB
	calls string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Fatalf(f string, args ...any) { r.calls += "fatal: " + fmt.Sprintf(f, args...) }
func (r *recorder) Skipf(f string, args ...any)  { r.calls += "skip: " + fmt.Sprintf(f, args...) }

func TestMissing(t *testing.T) {
	t.Run("outside CI it skips", func(t *testing.T) {
		t.Setenv("CI", "")
		r := &recorder{TB: t}
		testenv.Missing(r, "no %s here", "engine")
		require.Equal(t, "skip: no engine here", r.calls)
	})
	t.Run("in CI it fails", func(t *testing.T) {
		t.Setenv("CI", "true")
		r := &recorder{TB: t}
		testenv.Missing(r, "no %s here", "engine")
		require.Contains(t, r.calls, "fatal: CI=true")
		require.Contains(t, r.calls, "no engine here")
	})
}
