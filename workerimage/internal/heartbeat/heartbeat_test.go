package heartbeat

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFreshBeatIsHealthy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beat")
	require.Error(t, Check(path, time.Minute))
	New(path, fail(t)).Start()
	require.NoError(t, Check(path, time.Minute))
}

func TestJudge(t *testing.T) {
	require.NoError(t, judge(0, 10*time.Second))
	require.NoError(t, judge(10*time.Second, 10*time.Second))
	require.NoError(t, judge(-20*time.Millisecond, 10*time.Second)) // /proc/uptime counts in hundredths
	require.Error(t, judge(10*time.Second+1, 10*time.Second))
	require.Error(t, judge(-time.Hour, 10*time.Second))
}

func TestCheckRefusesWhatIsNoBeat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beat")
	for _, text := range []string{"", "soon", "1.5"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.Error(t, Check(path, time.Hour), text)
	}
	require.Error(t, Check(t.TempDir(), time.Hour))
}

func TestTheFileHasTheAgeOfTheSlowestThread(t *testing.T) {
	steps := []struct {
		name string
		do   func(*Heartbeat)
		age  time.Duration // of the beat in the file
	}{
		{"both beat", func(h *Heartbeat) { h.Beat(1); h.Beat(2) }, 0},
		{"one is silent", func(h *Heartbeat) { time.Sleep(8 * time.Second); h.Beat(1) }, 8 * time.Second},
		{"it beats again", func(h *Heartbeat) { time.Sleep(2 * time.Second); h.Beat(2) }, 2 * time.Second},
		{"one rests", func(h *Heartbeat) { h.Rest(1); time.Sleep(5 * time.Second); h.Beat(2) }, 0},
	}
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "beat")
		heart := New(path, fail(t))
		heart.Start()
		time.Sleep(2 * every)
		for _, step := range steps {
			step.do(heart)
			// The boot clock is real and stands still here, while the bubble's clock jumps.
			require.NoError(t, Check(path, step.age+time.Second), step.name)
			if step.age > time.Second {
				require.Error(t, Check(path, step.age-time.Second), step.name)
			}
		}
	})
}

func TestBeatsAreWrittenAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "beat")
		heart := New(path, fail(t))
		heart.Beat(1)
		require.NoError(t, os.Remove(path))
		time.Sleep(every - 1)
		heart.Beat(1)
		require.NoFileExists(t, path)
		time.Sleep(time.Nanosecond)
		heart.Beat(1)
		require.FileExists(t, path)
	})
}

func TestMutedWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "beat")
		heart := New(path, fail(t))
		heart.Mute(true)
		heart.Beat(1)
		require.NoFileExists(t, path)
		heart.Mute(false)
		heart.Beat(1)
		require.FileExists(t, path)
	})
}

func TestAFailureIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := 0
		heart := New(filepath.Join(t.TempDir(), "no", "beat"), func(error) { reports++ })
		for range 5 {
			heart.Beat(1)
			time.Sleep(every)
		}
		require.Equal(t, 1, reports)
	})
}

func fail(t *testing.T) func(error) {
	return func(err error) { require.NoError(t, err) }
}

func TestBurnCPUUsesCPUTime(t *testing.T) {
	before := used()
	BurnCPU(before + 30*time.Millisecond)
	require.GreaterOrEqual(t, used()-before, 30*time.Millisecond)
	BurnCPU(0) // used up already
}
