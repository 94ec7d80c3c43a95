package policy_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/policy"
)

func TestRecycleLabels(t *testing.T) {
	d := policy.Defaults{Policy: policy.Default()}
	p, problems := d.Parse(map[string]string{
		"stoker.max-age": "24h", "stoker.restart-at": "TZ=Europe/Rome 30 3 * * *", "stoker.max-memory": "1.5GiB", "stoker.max-memory-for": "2m", "stoker.recycle-wait": "0s",
	})
	require.Empty(t, problems)
	require.Equal(t, 24*time.Hour, p.Recycle.MaxAge)
	require.Equal(t, "TZ=Europe/Rome 30 3 * * *", p.Recycle.RestartAt.String())
	require.Equal(t, policy.Memory{Bytes: 3 << 29}, p.Recycle.MaxMemory)
	require.Equal(t, 2*time.Minute, p.Recycle.MaxMemoryFor)
	require.Zero(t, p.Recycle.Wait)
	require.True(t, p.Recycle.Set())

	p, problems = d.Parse(nil)
	require.Empty(t, problems)
	require.False(t, p.Recycle.Set())
	require.Equal(t, 10*time.Minute, p.Recycle.Wait)
	require.Equal(t, time.Minute, p.Recycle.MaxMemoryFor)
}

// TestRecycleOff: a worker's own label overrides a default of the environment.
func TestRecycleOff(t *testing.T) {
	d, problems := policy.ParseDefaults(map[string]string{"stoker.max-age": "1h", "stoker.restart-at": "@daily", "stoker.max-memory": "90%"}, nil)
	require.Empty(t, problems)
	require.True(t, d.Policy.Recycle.RestartAt.Set())
	p, problems := d.Parse(map[string]string{"stoker.max-age": "off", "stoker.restart-at": "false", "stoker.max-memory": "0"})
	require.Empty(t, problems)
	require.False(t, p.Recycle.Set())
}

func TestRecycleProblems(t *testing.T) {
	for label, values := range map[string][]string{
		"stoker.max-age":        {"0s", "-1h", "24", "a day", ""},
		"stoker.restart-at":     {"3:30", "61 3 * * *", "30 3 * *", "TZ=Nowhere/Land 30 3 * * *", "TZ=Europe/Rome", "TZ= 0 0 * * *", "TZ=../etc/passwd 0 0 * * *", "30 3 31 2 *", "@every 5m", "@weekdays", "*/0 * * * *"},
		"stoker.max-memory":     {"100", "0%", "101%", "1.5", "much", "-5GiB", "5 %%", "1e400"},
		"stoker.max-memory-for": {"60"},
		"stoker.recycle-wait":   {"-1s"},
	} {
		for _, value := range values {
			p, problems := policy.Defaults{Policy: policy.Default()}.Parse(map[string]string{label: value})
			require.Len(t, problems, 1, "%s=%s", label, value)
			require.Equal(t, label, problems[0].Label)
			require.False(t, p.Recycle.Set(), value)
		}
	}
}

func TestMemory(t *testing.T) {
	for text, want := range map[string]int64{"1.5GiB": 3 << 29, "800m": 800 << 20, "1 GB": 1 << 30, "6291456": 6 << 20, "90%": 90, "100%": 100} {
		m, err := policy.ParseMemory(text)
		require.NoError(t, err, text)
		require.Equal(t, want, m.Of(100), text)
	}
	require.Zero(t, policy.Memory{Share: 0.9}.Of(0))
	require.Contains(t, policy.NoMemoryLimit(policy.Memory{Share: 0.9}).String(), "90%")
}

// TestAge: at most max-age, at least nine tenths of it, and spread over a pool.
func TestAge(t *testing.T) {
	r := policy.Recycle{MaxAge: 24 * time.Hour}
	ages := map[time.Duration]bool{}
	for n := range 100 {
		age := r.Age(policy.Seed("w", n))
		require.LessOrEqual(t, age, r.MaxAge)
		require.GreaterOrEqual(t, age, r.MaxAge*9/10)
		require.Equal(t, age, r.Age(policy.Seed("w", n)))
		ages[age.Truncate(time.Minute)] = true
	}
	require.Greater(t, len(ages), 50)
}

// TestScheduleAcrossClockChanges: each local time counts once, for any change of the clock.
func TestScheduleAcrossClockChanges(t *testing.T) {
	for _, c := range []struct {
		line, from string
		want       []string
	}{
		{"TZ=Europe/Rome 30 3 * * *", "2026-05-01T12:00:00Z", []string{"2026-05-02T01:30:00Z", "2026-05-03T01:30:00Z"}},
		{"TZ=Europe/Rome 30 2 * * *", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},           // 02:30 is skipped
		{"TZ=Europe/Rome 0,30 2,3 29 3 *", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},      // 02:00, 02:30 and 03:00 are one instant
		{"TZ=Europe/Rome 30 2 * * *", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},           // 02:30 comes twice
		{"TZ=Europe/Rome 30 2 * * *", "2026-10-25T00:30:00Z", []string{"2026-10-26T01:30:00Z"}},                                   // and has passed once
		{"TZ=Europe/Rome 30 2 * * *", "2026-10-25T01:10:00Z", []string{"2026-10-26T01:30:00Z"}},                                   // between 02:30 and 02:30
		{"CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T00:00:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}}, // 01:30 comes twice
		{"TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00Z", []string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},      // midnight is skipped
		{"TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-03T12:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},   // by half an hour
		{"TZ=Australia/Lord_Howe 45 1 * * *", "2026-04-04T12:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},   // and back
		{"30 3 * * 1-5", "2026-05-01T12:00:00Z", []string{"2026-05-04T03:30:00Z"}},                                                // after the weekend
		{"@hourly", "2026-05-01T12:00:00Z", []string{"2026-05-01T13:00:00Z"}},
	} {
		s, err := policy.ParseSchedule(c.line)
		require.NoError(t, err, c.line)
		at := moment(t, c.from)
		for _, want := range c.want {
			at = s.After(at, nil)
			require.Equal(t, want, at.UTC().Format(time.RFC3339), "%s from %s", c.line, c.from)
		}
	}
}

// TestScheduleInStokersZone: a schedule without a zone uses Stoker's.
func TestScheduleInStokersZone(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	s, err := policy.ParseSchedule("30 3 * * *")
	require.NoError(t, err)
	require.Equal(t, moment(t, "2026-05-02T01:30:00Z"), s.After(moment(t, "2026-05-01T12:00:00Z"), rome).UTC())
}

// TestScheduleOnceADay: a daily time occurs exactly once on each day of any zone.
func TestScheduleOnceADay(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom([]string{"Europe/Rome", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Gaza"}).Draw(r, "zone")
		zone, err := time.LoadLocation(name)
		require.NoError(r, err)
		minute, hour := rapid.IntRange(0, 59).Draw(r, "minute"), rapid.IntRange(0, 23).Draw(r, "hour")
		s, err := policy.ParseSchedule("TZ=" + name + " " + strconv.Itoa(minute) + " " + strconv.Itoa(hour) + " * * *")
		require.NoError(r, err)
		year := rapid.IntRange(2010, 2030).Draw(r, "year")
		days := map[string]int{}
		for at := s.After(time.Date(year, 1, 1, 0, 0, 0, -1, zone), nil); at.Year() == year; at = s.After(at, nil) {
			days[at.In(zone).Format(time.DateOnly)]++
		}
		for day, n := range days {
			require.Equal(r, 1, n, day)
		}
		require.GreaterOrEqual(r, len(days), 365)
	})
}

func FuzzSchedule(f *testing.F) {
	for _, line := range []string{"TZ=Europe/Rome 30 3 * * *", "TZ=UTC", "@every 1s", "*/5 1-3 * JAN,FEB mon", "TZ= ", "? ? ? ? ?"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, err := policy.ParseSchedule(line)
		if err != nil {
			return
		}
		from := moment(t, "2026-05-01T12:00:00Z")
		if at := s.After(from, nil); !at.IsZero() {
			require.True(t, at.After(from))
		}
	})
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}
