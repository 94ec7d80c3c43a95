package demand

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours are the times of a week at which a group runs. The zero value means at any time.
//
// Times are local times of the zone. A span that begins in the hour skipped in spring begins right after it. One that ends in the hour repeated
// in autumn is open in both.
type Hours struct{ spans []span }

// span is one span on some days. If end is not after begin, it ends on the next day.
type span struct {
	days       [7]bool // days on which it begins, by time.Weekday
	begin, end int     // minutes since midnight; end is up to 24:00
	zone       *time.Location
}

const dayMinutes = 24 * 60

// ParseHours reads spans such as "Mon-Fri 08:00-19:00 Europe/Rome", separated by semicolons. The days default to every day, and the zone to
// local.
func ParseHours(text string, local *time.Location) (Hours, error) {
	var h Hours
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		s, err := parseSpan(strings.Fields(part), local)
		if err != nil {
			return Hours{}, fmt.Errorf("%q: %w", strings.TrimSpace(part), err)
		}
		h.spans = append(h.spans, s)
	}
	if len(h.spans) == 0 {
		return Hours{}, errors.New("no hours; write such as Mon-Fri 08:00-19:00 Europe/Rome")
	}
	return h, nil
}

// Set reports whether there are any hours.
func (h Hours) Set() bool { return len(h.spans) > 0 }

// Open reports whether the group runs at that time.
func (h Hours) Open(at time.Time) bool {
	return !h.Set() || slices.ContainsFunc(h.spans, func(s span) bool { return s.open(at) })
}

// Changes returns the first minute after a time at which Open differs, at most eight days later; zero if there is none.
func (h Hours) Changes(after time.Time) time.Time {
	if !h.Set() {
		return time.Time{}
	}
	now, at := h.Open(after), after.Truncate(time.Minute)
	for range 8 * dayMinutes {
		at = at.Add(time.Minute)
		if h.Open(at) != now {
			return at
		}
	}
	return time.Time{}
}

func (s span) open(at time.Time) bool {
	at = at.In(s.zone)
	minute, day := at.Hour()*60+at.Minute(), at.Weekday()
	if s.begin < s.end {
		return s.days[day] && minute >= s.begin && minute < s.end
	}
	yesterday := (day + 6) % 7
	return s.days[day] && minute >= s.begin || s.days[yesterday] && minute < s.end
}

func parseSpan(words []string, local *time.Location) (span, error) {
	s := span{zone: local, days: [7]bool{true, true, true, true, true, true, true}}
	if len(words) > 0 && !strings.Contains(words[0], ":") {
		days, err := parseDays(words[0])
		if err != nil {
			return span{}, err
		}
		s.days, words = days, words[1:]
	}
	if len(words) == 0 || len(words) > 2 {
		return span{}, errors.New("not hours; write such as Mon-Fri 08:00-19:00 Europe/Rome")
	}
	if len(words) == 2 {
		zone, err := time.LoadLocation(words[1])
		if err != nil {
			return span{}, fmt.Errorf("no time zone is called %.40q; write such as Europe/Rome or UTC", words[1])
		}
		s.zone = zone
	}
	begin, end, ok := strings.Cut(words[0], "-")
	var err error
	if !ok {
		return span{}, errors.New("an end is missing; write such as 08:00-19:00")
	}
	if s.begin, err = parseMinute(begin); err != nil {
		return span{}, err
	}
	if s.end, err = parseMinute(end); err != nil {
		return span{}, err
	}
	if s.begin == dayMinutes || s.begin == s.end {
		return span{}, errors.New("begins when it ends; write 00:00-24:00 for all day")
	}
	return s, nil
}

// parseMinute reads a time of day as minutes since midnight.
func parseMinute(text string) (int, error) {
	var hour, minute int
	_, err := fmt.Sscanf(text, "%d:%d", &hour, &minute)
	if err != nil || len(text) > len("00:00") || len(text) < len("0:00") || hour < 0 || minute < 0 || minute > 59 || hour*60+minute > dayMinutes {
		return 0, fmt.Errorf("%.20q is no time of day; write such as 08:00", text)
	}
	return hour*60 + minute, nil
}

// parseDays reads days such as Mon-Fri, Sat,Sun or Fri-Mon.
func parseDays(text string) ([7]bool, error) {
	var days [7]bool
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, ok := parseDay(first)
		to := from
		if ok && isRange {
			to, ok = parseDay(last)
		}
		if !ok {
			return days, fmt.Errorf("%.20q is no day; write Mon, Tue, Wed, Thu, Fri, Sat or Sun, or a range such as Mon-Fri", part)
		}
		for day := from; ; day = (day + 1) % 7 {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, nil
}

// parseDay accepts the first three letters of an English name, or all of it.
func parseDay(text string) (time.Weekday, bool) {
	text = strings.ToLower(text)
	for day := time.Sunday; day <= time.Saturday; day++ {
		name := strings.ToLower(day.String())
		if text == name || text == name[:3] {
			return day, true
		}
	}
	return 0, false
}
