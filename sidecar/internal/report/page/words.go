package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"stoker/sidecar/internal/sanitize"
)

// cut keeps at most that many bytes of text, and adds the number of the others.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s (%d more bytes)", sanitize.Clip(text, most), len(text)-most)
}

// brief returns text as a single line of at most that many bytes.
func brief(text string, most int) string { return sanitize.Clip(sanitize.Line(text), most) }

// firstLine returns the first line of text that is not empty, short enough for a table.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return sanitize.Clip(line, 100)
		}
	}
	return ""
}

// lasting returns a duration in its two greatest units. The script uses the same words.
func lasting(d time.Duration) string {
	switch {
	case d < 0:
		return lasting(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return pair(d, time.Minute, "min", time.Second, "s")
	case d < day:
		return pair(d, time.Hour, "h", time.Minute, "min")
	}
	return pair(d, day, "d", time.Hour, "h")
}

func pair(d, unit time.Duration, name string, part time.Duration, small string) string {
	if rest := d % unit / part; rest > 0 {
		return fmt.Sprintf("%d %s %d %s", d/unit, name, rest, small)
	}
	return fmt.Sprintf("%d %s", d/unit, name)
}

// instant is a time as the page shows it: in UTC, and relative to now. The script converts it to the viewer's zone.
type instant struct {
	UTC string // RFC 3339; empty when the time is not known
	Abs string
	Ago string // since then
	In  string // until then; "now" when it has passed
}

func instantOf(t, now time.Time) instant {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 { // an engine with a broken clock
		return instant{}
	}
	shown := instant{UTC: t.Format("2006-01-02T15:04:05.000Z"), Abs: t.Format("2006-01-02 15:04:05 UTC"), Ago: coarse(now.Sub(t)), In: "now"}
	if wait := t.Sub(now); wait > 0 {
		shown.In = "in " + coarse(wait)
	}
	return shown
}

// Clock returns the hour and the minute.
func (i instant) Clock() string {
	if i.Abs == "" {
		return ""
	}
	return i.Abs[11:16]
}

// coarse returns a duration in one unit.
func coarse(d time.Duration) string {
	switch {
	case d < time.Second:
		return "1 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d/day)
}

// cpus returns a number of CPUs, with as many digits as matter.
func cpus(n float64) string {
	return strconv.FormatFloat(n, 'f', 2, 64)
}

func percent(share float64) string {
	return fmt.Sprintf("%.0f %%", 100*share)
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
