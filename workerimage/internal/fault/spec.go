// Package fault makes a worker fail on request, in the ways that workers fail by themselves.
package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Kind is a way to fail.
type Kind string

// The kinds of faults.
const (
	Crash      Kind = "crash"       // ends with SIGSEGV
	Exit       Kind = "exit"        // ends at once with an exit code, 1 by default
	Hang       Kind = "hang"        // the threads stop: no CPU, no heartbeat
	Spin       Kind = "spin"        // the threads burn CPU without doing work: no heartbeat
	Leak       Kind = "leak"        // takes memory until it is killed, 64 MiB a second by default
	IgnoreTerm Kind = "ignore-term" // SIGTERM does nothing from now on
	Unhealthy  Kind = "unhealthy"   // no heartbeat, though work goes on
	Recover    Kind = "recover"     // ends hang, spin, leak, ignore-term and unhealthy
)

// Kinds returns all of them, for messages.
func Kinds() []Kind {
	return []Kind{Crash, Exit, Hang, Spin, Leak, IgnoreTerm, Unhealthy, Recover}
}

// Fault is one fault and when it is due.
type Fault struct {
	Kind   Kind
	Arg    int           // Exit: the code. Leak: MiB a second
	After  time.Duration // since the worker's start, or since the fault was sent
	Spread time.Duration // up to so much sooner or later, at random
}

// Parse reads a comma list of `kind[:arg][@after[~spread]]`, as `crash@60s~20s` or `unhealthy@10s,recover@40s`. The error
// has one line per bad item.
func Parse(list string) ([]Fault, error) {
	var faults []Fault
	var problems []error
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		fault, err := parseOne(item)
		if err != nil {
			problems = append(problems, fmt.Errorf("fault %q: %w", item, err))
			continue
		}
		faults = append(faults, fault)
	}
	return faults, errors.Join(problems...)
}

func parseOne(item string) (Fault, error) {
	what, when, timed := strings.Cut(item, "@")
	name, arg, hasArg := strings.Cut(what, ":")
	fault := Fault{Kind: Kind(name)}
	if err := fault.setArg(arg, hasArg); err != nil {
		return Fault{}, err
	}
	if !timed {
		return fault, nil
	}
	after, spread, spreads := strings.Cut(when, "~")
	var err error
	if fault.After, err = positive(after); err != nil {
		return Fault{}, err
	}
	if spreads {
		fault.Spread, err = positive(spread)
	}
	return fault, err
}

func (f *Fault) setArg(arg string, given bool) error {
	switch f.Kind {
	case Exit:
		return f.number(arg, given, span{1, 0, 255})
	case Leak:
		return f.number(arg, given, span{64, 1, 1 << 20})
	case Crash, Hang, Spin, IgnoreTerm, Unhealthy, Recover:
		if given {
			return fmt.Errorf("%s takes no argument", f.Kind)
		}
		return nil
	default:
		return fmt.Errorf("unknown kind, use one of %v", Kinds())
	}
}

type span struct{ unset, low, high int }

func (f *Fault) number(arg string, given bool, in span) error {
	if !given {
		f.Arg = in.unset
		return nil
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < in.low || n > in.high {
		return fmt.Errorf("the argument of %s is a number from %d to %d", f.Kind, in.low, in.high)
	}
	f.Arg = n
	return nil
}

// longest leaves room for a spread around a time.
const longest = 365 * 24 * time.Hour

func positive(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a time like 30s or 2m", text)
	}
	if d > longest {
		return 0, fmt.Errorf("%q is longer than a year", text)
	}
	return d, nil
}

// due returns a random time for the fault within its spread, never before 0.
func (f Fault) due() time.Duration {
	if f.Spread == 0 {
		return f.After
	}
	return max(0, f.After-f.Spread+rand.N(2*f.Spread+1))
}

func (f Fault) String() string {
	if f.Kind == Exit || f.Kind == Leak {
		return fmt.Sprintf("%s:%d", f.Kind, f.Arg)
	}
	return string(f.Kind)
}
