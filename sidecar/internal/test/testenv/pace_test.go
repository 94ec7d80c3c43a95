package testenv

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeTB records calls of Fatalf and Skipf.
type fakeTB struct {
	testing.TB
	calls string
}

func (f *fakeTB) Helper() {}
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.calls += "fatal: " + fmt.Sprintf(format, args...)
}
func (f *fakeTB) Skipf(format string, args ...any) {
	f.calls += "skip: " + fmt.Sprintf(format, args...)
}

// A missed bound fails the test on an idle machine. On a busy machine it skips the test, and fails it in CI.
func TestPace(t *testing.T) {
	for name, tc := range map[string]struct {
		ci        string
		took      time.Duration
		late      time.Duration
		lateTicks int // of a hundred
		want      string
	}{
		"within the bound":              {"", time.Second, time.Second, 100, ""},
		"too long, machine idle":        {"", 3 * time.Second, 0, 0, "fatal: it took 3s, want less than 2s, and the machine was not busy"},
		"too long, few ticks late":      {"", 3 * time.Second, time.Second, 5, "fatal: it took 3s"},
		"too long, many ticks late":     {"", 3 * time.Second, 70 * time.Millisecond, 6, "skip: it took 3s, want less than 2s. But this machine was busy: its timers fired up to 70ms late"},
		"too long, many ticks late, CI": {"true", 3 * time.Second, 70 * time.Millisecond, 6, "fatal: CI=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CI", tc.ci)
			p, fake := &Pace{}, &fakeTB{TB: t}
			for n := range 100 {
				if n < tc.lateTicks {
					p.add(tc.late)
				} else {
					p.add(time.Millisecond)
				}
			}
			p.Within(fake, tc.took, 2*time.Second, "it")
			if tc.want == "" {
				require.Empty(t, fake.calls)
				return
			}
			require.Contains(t, fake.calls, tc.want)
		})
	}
}

// The measurement runs during the test.
func TestPaceMeasures(t *testing.T) {
	p := NewPace(t)
	require.Eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.late) > 3 }, 10*time.Second, tick)
}
