package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a set of local times of a zone. The zero value is empty.
//
// Each local time counts once. A time repeated when the clock goes back in autumn counts the first time; one skipped in spring counts at the
// instant of the skip. The cron library would drop the latter and count the former twice.
type Schedule struct {
	text string
	spec *cron.SpecSchedule // treats local times as UTC
	zone *time.Location     // nil is the zone passed to After
}

// ParseSchedule parses five cron fields (minute, hour, day of month, month, day of week), or a word such as @daily. An optional prefix "TZ=zone "
// overrides Stoker's zone.
func ParseSchedule(text string) (Schedule, error) {
	s := Schedule{text: strings.Join(strings.Fields(text), " ")}
	fields, err := s.cutZone()
	if err != nil {
		return Schedule{}, err
	}
	parsed, err := cron.ParseStandard("TZ=UTC " + fields)
	if err != nil {
		return Schedule{}, fmt.Errorf("%s; write five fields: minute, hour, day of month, month, day of week, such as 30 3 * * *",
			strings.Trim(fmt.Sprintf("%.80q", err.Error()), `"`)) // the error repeats the value
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, errors.New("@every is no time of day; stoker.max-age restarts a worker after so long")
	}
	s.spec = spec
	if spec.Next(time.Unix(0, 0).UTC()).IsZero() {
		return Schedule{}, errors.New("no such day ever comes")
	}
	return s, nil
}

// cutZone removes the zone from the fields.
func (s *Schedule) cutZone() (fields string, err error) {
	first, rest, _ := strings.Cut(s.text, " ")
	name, ok := strings.CutPrefix(strings.TrimPrefix(first, "CRON_"), "TZ=")
	if !ok {
		return s.text, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return "", fmt.Errorf("no time zone is called %.40q; write such as TZ=Europe/Rome 30 3 * * *", name)
	}
	s.zone = zone
	return rest, nil
}

// Set reports whether there are any times.
func (s Schedule) Set() bool { return s.spec != nil }

func (s Schedule) String() string { return s.text }

// After returns the first of the times after t; zero if there is none within five years. The zone applies if the schedule has none; nil is UTC.
func (s Schedule) After(t time.Time, local *time.Location) time.Time {
	zone := s.zone
	if zone == nil {
		zone = local
	}
	if zone == nil {
		zone = time.UTC
	}
	for wall := onWall(t.In(zone)); ; {
		if wall = s.spec.Next(wall); wall.IsZero() {
			return wall
		}
		if at := firstAt(wall, zone); at.After(t) {
			return at
		}
	}
}

// onWall returns the local time as a time in UTC.
func onWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// firstAt returns the first instant at which the zone shows this local time, or the instant at which it skips it.
func firstAt(wall time.Time, zone *time.Location) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	begin, end := at.ZoneBounds()
	if !onWall(at).Equal(wall) { // skipped: the offset of one side of the skip was used
		if onWall(at).After(wall) {
			return begin
		}
		return end
	}
	if begin.IsZero() {
		return at
	}
	_, offset := at.Zone()
	_, before := begin.Add(-time.Second).Zone()
	if earlier := at.Add(time.Duration(offset-before) * time.Second); earlier.Before(begin) {
		return earlier
	}
	return at
}
