package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// plain is what a container is called or prints, without what a browser might act on or a reader be fooled by: invalid
// UTF-8, control characters other than line ends and tabs, and marks that turn the direction of writing. Markup is the
// business of fill.
func plain(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// cut keeps at most so many bytes of text, and says how many are left out.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s (%d more bytes)", brief(text, most), len(text)-most)
}

// brief keeps at most so many bytes of text.
func brief(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}

// firstLine is the first line of text that says something, short enough for a table.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return brief(line, 100)
		}
	}
	return ""
}

// lasting is a duration in the two greatest units that it has. The script says it in the same words.
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

// instant is a time as the page shows it: in UTC, and from now. The script puts it into the viewer's zone.
type instant struct {
	UTC string // RFC 3339; empty when the time is not known
	Abs string
	Ago string // since then
	In  string // until then; "now" when it is over
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

// clock is the hour and the minute.
func (i instant) clock() string {
	if i.Abs == "" {
		return ""
	}
	return i.Abs[11:16]
}

// coarse is a duration as people say it of something that goes on: in one unit.
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

// cpus is a number of CPUs, with as many digits as matter.
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
