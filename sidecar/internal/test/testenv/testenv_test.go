package testenv_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// recorder keeps what Missing asks of a test.
type recorder struct {
	testing.TB
	did string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Fatalf(f string, args ...any) { r.did += "fatal: " + fmt.Sprintf(f, args...) }
func (r *recorder) Skipf(f string, args ...any)  { r.did += "skip: " + fmt.Sprintf(f, args...) }

func TestMissing(t *testing.T) {
	t.Run("at home it skips", func(t *testing.T) {
		t.Setenv("CI", "")
		r := &recorder{TB: t}
		testenv.Missing(r, "no %s here", "engine")
		require.Equal(t, "skip: no engine here", r.did)
	})
	t.Run("in CI it fails", func(t *testing.T) {
		t.Setenv("CI", "true")
		r := &recorder{TB: t}
		testenv.Missing(r, "no %s here", "engine")
		require.Contains(t, r.did, "fatal: CI=true")
		require.Contains(t, r.did, "no engine here")
	})
}
