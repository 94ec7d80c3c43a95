package testenv

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// verdict keeps what is asked of a test.
type verdict struct {
	testing.TB
	did string
}

func (v *verdict) Helper()                      {}
func (v *verdict) Fatalf(f string, args ...any) { v.did += "fatal: " + fmt.Sprintf(f, args...) }
func (v *verdict) Skipf(f string, args ...any)  { v.did += "skip: " + fmt.Sprintf(f, args...) }

// A bound that was missed is the program's fault on a machine with room, and nobody's on another one: that is said, and in CI it fails.
func TestPace(t *testing.T) {
	for name, tc := range map[string]struct {
		ci        string
		took      time.Duration
		late      time.Duration
		lateTicks int // of a hundred
		begins    string
	}{
		"in time":                        {"", time.Second, time.Second, 100, ""},
		"too long, with room":            {"", 3 * time.Second, 0, 0, "fatal: it took 3s, and should take less than 2s, on a machine that had room"},
		"too long, hardly ever late":     {"", 3 * time.Second, time.Second, 5, "fatal: it took 3s"},
		"too long, often late":           {"", 3 * time.Second, 70 * time.Millisecond, 6, "skip: it took 3s, and should take less than 2s. But this machine had no room meanwhile: it woke those who wait up to 70ms late"},
		"too long, often late, where CI": {"true", 3 * time.Second, 70 * time.Millisecond, 6, "fatal: CI=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CI", tc.ci)
			p, v := &Pace{}, &verdict{TB: t}
			for n := range 100 {
				if n < tc.lateTicks {
					p.add(tc.late)
				} else {
					p.add(time.Millisecond)
				}
			}
			p.Within(v, tc.took, 2*time.Second, "it")
			if tc.begins == "" {
				require.Empty(t, v.did)
				return
			}
			require.Contains(t, v.did, tc.begins)
		})
	}
}

// It measures while the test lasts.
func TestPaceIsTaken(t *testing.T) {
	p := NewPace(t)
	require.Eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.late) > 3 }, 10*time.Second, tick)
}
