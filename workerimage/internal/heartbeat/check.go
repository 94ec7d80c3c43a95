package heartbeat

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Check is the health check: it returns nil while the last beat is at most maxAge old. It costs two small reads, because it runs on the
// worker's own throttled quota.
func Check(path string, maxAge time.Duration) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no heartbeat yet at %s", path)
	}
	if err != nil {
		return fmt.Errorf("no heartbeat: %w", err)
	}
	beat, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return fmt.Errorf("no heartbeat: %s holds %q", path, text)
	}
	now, err := sinceBoot()
	if err != nil {
		return fmt.Errorf("cannot determine the age of the heartbeat: %w", err)
	}
	return judge(now-time.Duration(beat), maxAge)
}

func judge(age, maxAge time.Duration) error {
	switch {
	case age > maxAge:
		return fmt.Errorf("last heartbeat %s ago, at most %s allowed", age.Round(100*time.Millisecond), maxAge)
	case age < -every:
		return fmt.Errorf("the heartbeat is from before the host was booted")
	default:
		return nil
	}
}

// sinceBoot returns the clock that worker and health check share. The wall clock would make every worker of a host unhealthy, or a dead one
// healthy, whenever it is set.
func sinceBoot() (time.Duration, error) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	seconds, _, _ := strings.Cut(string(text), " ")
	up, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/uptime: %w", err)
	}
	return time.Duration(up * float64(time.Second)), nil
}
