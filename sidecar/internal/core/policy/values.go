package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Docker refuses a quota of less than a hundredth of a CPU, and NanoCPUs must fit its integer.
const (
	leastCPUs = 0.01
	mostCPUs  = 1_000_000
)

// Longest is the maximum duration of a label, a century: sums with it do not overflow.
const Longest = 100 * 365 * 24 * time.Hour

var errTooLong = errors.New("too long; the longest is 876000h, a hundred years")

// ParseBool parses the YAML words for yes and no, case-insensitively.
func ParseBool(value string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "yes", "y", "on", "1":
		return true, nil
	case "false", "no", "n", "off", "0":
		return false, nil
	}
	return false, errors.New("neither true nor false; write true or false")
}

// ParseDuration parses a Go duration of 0 or more. If only the unit is missing, its error shows how to write the value.
func ParseDuration(value string) (time.Duration, error) {
	value = strings.TrimSpace(value)
	d, err := time.ParseDuration(value)
	switch {
	case err == nil && d < 0:
		return 0, errors.New("less than 0")
	case err == nil && d > Longest:
		return 0, errTooLong
	case err == nil:
		return d, nil
	case decimal(value):
		if _, err := time.ParseDuration(value + "s"); err != nil {
			return 0, errTooLong
		}
		return 0, fmt.Errorf("missing unit; write %ss", value)
	case strings.ContainsAny(value, " \t"):
		return 0, errors.New("not a duration; write it without spaces, such as 90s or 1m30s")
	}
	return 0, errors.New("not a duration; write it such as 90s, 5m or 1h30m")
}

// ParseCount parses a whole number of 0 or more.
func ParseCount(value string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("too large a number")
	case err != nil:
		return 0, errors.New("not a whole number of 0 or more")
	}
	return int(n), nil
}

// ParseChoice parses one of a fixed set of words, case-insensitively. The choice off also accepts the other words for no, because YAML turns a
// bare off into false.
func ParseChoice[T ~string](value string, choices ...T) (T, error) {
	text := strings.ToLower(strings.TrimSpace(value))
	no, err := ParseBool(text)
	refused := err == nil && !no
	names := make([]string, 0, len(choices))
	for _, c := range choices {
		if string(c) == text || (c == "off" && refused) {
			return c, nil
		}
		names = append(names, string(c))
	}
	message := "not one of " + strings.Join(names, ", ")
	if near := Suggest(text, names); near != "" {
		message += "; did you mean " + near + "?"
	}
	return "", errors.New(message)
}

// Explain returns the message of an error about a value, with a hint for the most common mistake: in compose's list form (- NAME="x") the quotes
// are part of the value.
func Explain(value string, err error) string {
	value = strings.TrimSpace(value)
	if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		return err.Error() + "; the quotes are part of the value, leave them out"
	}
	return err.Error()
}

// ParseShare parses a percentage as a share of 1.
func ParseShare(value string) (float64, error) {
	number, found := strings.CutSuffix(strings.TrimSpace(value), "%")
	number = strings.TrimSpace(number)
	if !decimal(number) {
		return 0, errors.New("not a percentage; write it such as 1%")
	}
	percent, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || percent > 100:
		return 0, errors.New("more than 100%")
	case !found:
		return 0, fmt.Errorf("missing %%; write %s%%", number)
	}
	return percent / 100, nil
}

// ParseCPUs parses a number of CPUs that Docker accepts.
func ParseCPUs(value string) (float64, error) {
	value = strings.TrimSpace(value)
	if !decimal(value) {
		return 0, errors.New("not a number of CPUs; write it such as 0.5 or 2")
	}
	n, err := strconv.ParseFloat(value, 64)
	switch {
	case err != nil || n > mostCPUs:
		return 0, errors.New("more CPUs than a host can have")
	case n < leastCPUs:
		return 0, fmt.Errorf("less than %g CPUs, the least that Docker grants", leastCPUs)
	}
	return n, nil
}

// decimal reports whether text is digits with at most one point, and short enough for a message. Go's number formats accept more than is meant:
// hexadecimal, underscores, NaN, infinity.
func decimal(text string) bool {
	const longest = 40
	digits, points := 0, 0
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '.':
			points++
		default:
			return false
		}
	}
	return digits > 0 && points <= 1 && len(text) <= longest
}
