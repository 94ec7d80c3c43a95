package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is times by the clock on the wall of a zone. Its zero value has none.
//
// Each time that the clock shows counts once. One that comes twice, when the clock is put back in autumn, counts the first time; one
// that the clock skips in spring counts at the moment of the skip. The library that reads the fields would leave out the latter and
// count the former twice.
type Schedule struct {
	text string
	spec *cron.SpecSchedule // reads the clock as if it were UTC's
	zone *time.Location     // nil is the zone that After is given
}

// ParseSchedule reads five cron fields (minute, hour, day of month, month, day of week), or a word such as @daily, after "TZ=zone " where
// they are not in Stoker's own zone.
func ParseSchedule(text string) (Schedule, error) {
	s := Schedule{text: strings.Join(strings.Fields(text), " ")}
	fields, err := s.cutZone()
	if err != nil {
		return Schedule{}, err
	}
	parsed, err := cron.ParseStandard("TZ=UTC " + fields)
	if err != nil {
		return Schedule{}, fmt.Errorf("%s; write five fields: minute, hour, day of month, month, day of week, such as 30 3 * * *",
			strings.Trim(fmt.Sprintf("%.80q", err.Error()), `"`)) // it repeats what was written
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

// cutZone takes the zone off the fields.
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

// Set reports whether there are times at all.
func (s Schedule) Set() bool { return s.spec != nil }

func (s Schedule) String() string { return s.text }

// After is the first of the times after t; zero when there is none within five years. The zone counts where the schedule names none; nil
// is UTC.
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

// onWall is what the clock shows at that time, as a time of UTC.
func onWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// firstAt is when the clock of a zone first shows this or, where it skips it, when it does so.
func firstAt(wall time.Time, zone *time.Location) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	begin, end := at.ZoneBounds()
	if !onWall(at).Equal(wall) { // skipped: one of the offsets on both sides of the skip was taken
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
