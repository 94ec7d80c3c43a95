package demand_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
)

func TestHours(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	for _, c := range []struct {
		hours string
		at    time.Time
		open  bool
	}{
		{"Mon-Fri 08:00-19:00 Europe/Rome", time.Date(2026, 6, 3, 6, 0, 0, 0, time.UTC), true}, // 08:00 in Rome
		{"Mon-Fri 08:00-19:00 Europe/Rome", time.Date(2026, 6, 3, 5, 59, 59, 0, time.UTC), false},
		{"Mon-Fri 08:00-19:00 Europe/Rome", time.Date(2026, 6, 3, 17, 0, 0, 0, time.UTC), false},
		{"Mon-Fri 08:00-19:00 Europe/Rome", time.Date(2026, 6, 6, 10, 0, 0, 0, time.UTC), false}, // a Saturday
		{"Mon-Fri 08:00-19:00 Europe/Rome", time.Date(2026, 12, 2, 7, 0, 0, 0, time.UTC), true},  // in winter
		{"mon-fri 08:00-12:00; SAT 9:00-10:00", time.Date(2026, 6, 6, 9, 30, 0, 0, time.UTC), true},
		{"Fri 22:00-06:00", time.Date(2026, 6, 6, 5, 59, 0, 0, time.UTC), true}, // begun on Friday
		{"Fri 22:00-06:00", time.Date(2026, 6, 5, 22, 0, 0, 0, time.UTC), true},
		{"Fri 22:00-06:00", time.Date(2026, 6, 5, 21, 59, 0, 0, time.UTC), false},
		{"Fri 22:00-06:00", time.Date(2026, 6, 6, 6, 0, 0, 0, time.UTC), false},
		{"08:00-09:59", time.Date(2026, 6, 7, 9, 58, 0, 0, time.UTC), true},
		{"08:00-09:59", time.Date(2026, 6, 7, 9, 59, 0, 0, time.UTC), false},
		{"Fri 22:00-06:00", time.Date(2026, 6, 5, 5, 59, 0, 0, time.UTC), false},
		{"Sat-Mon 00:00-24:00", time.Date(2026, 6, 7, 23, 59, 0, 0, time.UTC), true},
		{"Sat-Mon 00:00-24:00", time.Date(2026, 6, 9, 0, 0, 0, 0, time.UTC), false},
		{"08:00-09:00", time.Date(2026, 6, 7, 8, 0, 0, 0, time.UTC), true},
		// In Rome the clock goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
		{"02:30-04:00 Europe/Rome", time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC), false},
		{"02:30-04:00 Europe/Rome", time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), true},
		{"01:00-02:30 Europe/Rome", time.Date(2026, 10, 25, 0, 10, 0, 0, time.UTC), true},  // 02:10 for the first time
		{"01:00-02:30 Europe/Rome", time.Date(2026, 10, 25, 0, 40, 0, 0, time.UTC), false}, // 02:40
		{"01:00-02:30 Europe/Rome", time.Date(2026, 10, 25, 1, 10, 0, 0, time.UTC), true},  // 02:10 for the second time
	} {
		h, err := demand.ParseHours(c.hours, time.UTC)
		require.NoError(t, err, c.hours)
		require.Equal(t, c.open, h.Open(c.at), "%s at %s", c.hours, c.at.In(rome))
	}
	require.True(t, demand.Hours{}.Open(noon))
}

func TestHoursChange(t *testing.T) {
	h, err := demand.ParseHours("Mon-Fri 08:00-19:00 Europe/Rome", time.UTC)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 6, 3, 17, 0, 0, 0, time.UTC), h.Changes(noon))
	require.Equal(t, time.Date(2026, 6, 8, 6, 0, 0, 0, time.UTC), h.Changes(time.Date(2026, 6, 5, 17, 0, 30, 0, time.UTC)))
	always, err := demand.ParseHours("00:00-24:00", time.UTC)
	require.NoError(t, err)
	require.Zero(t, always.Changes(noon))
	require.Zero(t, demand.Hours{}.Changes(noon))
}

func TestBadHours(t *testing.T) {
	for text, message := range map[string]string{
		"":                             "no hours",
		" ; ":                          "no hours",
		"Mon-Fri":                      "not hours",
		"Mon-Fry 08:00-09:00":          "is no day",
		"08:00":                        "an end is missing",
		"08:00-25:00":                  "is no time of day",
		"24:00-24:00":                  "begins when it ends",
		"08:00-08:00":                  "begins when it ends",
		"8-9":                          "is no day",
		"08:00-09:00 Mars/Olympus":     "no time zone is called",
		"Mon 08:00-09:00 UTC tomorrow": "not hours",
		"08:00-24:01":                  "is no time of day",
		"08:60-09:00":                  "is no time of day",
	} {
		_, err := demand.ParseHours(text, time.UTC)
		require.ErrorContains(t, err, message, text)
	}
}
