package policy

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/docker/go-units"
)

// The recycle labels that messages of others name.
const (
	LabelMaxMemory = "stoker.max-memory"
	LabelRestartAt = "stoker.restart-at"
)

// Recycle is when to restart a worker without a fault.
type Recycle struct {
	MaxAge       time.Duration // 0 is never
	RestartAt    Schedule      // the zero value is never
	MaxMemory    Memory        // the zero value is never
	MaxMemoryFor time.Duration
	Wait         time.Duration // at most, until the worker is idle
}

// Set reports whether the worker is ever recycled.
func (r Recycle) Set() bool { return r.MaxAge > 0 || r.RestartAt.Set() || r.MaxMemory.Set() }

// Age returns the age at which to restart the worker: MaxAge, less up to a tenth, so that workers that started together do not restart together.
// The same seed always gives the same age.
func (r Recycle) Age(seed uint64) time.Duration {
	less, _ := bits.Mul64(mix(seed), uint64(r.MaxAge/10)+1) //nolint:gosec // positive
	return r.MaxAge - time.Duration(less)                   //nolint:gosec // at most a tenth of it
}

// Memory is an amount of memory: bytes, or a share of the container's limit.
type Memory struct {
	Bytes int64
	Share float64
}

// Set reports whether an amount is set.
func (m Memory) Set() bool { return m != Memory{} }

// Of returns the amount in bytes for a container with that limit; 0 when it is a share and there is no limit.
func (m Memory) Of(limit int64) int64 {
	if m.Share > 0 {
		return int64(m.Share * float64(limit))
	}
	return m.Bytes
}

// leastMemory is the smallest memory limit that Docker accepts. No worker stays below it for long.
const leastMemory = 6 * units.MiB

// NoMemoryLimit returns the problem of a worker with a bound that is a share of a missing limit.
func NoMemoryLimit(m Memory) Problem {
	return Problem{
		Label: LabelMaxMemory, Value: fmt.Sprintf("%g%%", m.Share*100),
		Message: "a share of the memory limit, and the container has none; give it one (mem_limit: 1g in compose), or write bytes such as 1.5GiB",
	}
}

func defaultRecycle() Recycle { return Recycle{MaxMemoryFor: time.Minute, Wait: 10 * time.Minute} }

func recycleLabels() []Label {
	return []Label{
		{"stoker.max-age", "STOKER_MAX_AGE", NoDefault,
			"restart a worker that has run this long (`24h`), less up to a tenth, so that a pool does not turn over at once", setMaxAge},
		{LabelRestartAt, "STOKER_RESTART_AT", NoDefault,
			"restart at these times: five cron fields, with a time zone if wanted (`TZ=Europe/Rome 30 3 * * *`)", setRestartAt},
		{LabelMaxMemory, "STOKER_MAX_MEMORY", NoDefault,
			"restart a worker whose memory, without inactive file cache, stays above this for `stoker.max-memory-for`: bytes (`1.5GiB`), or a share of its limit (`90%`)", setMaxMemory},
		{"stoker.max-memory-for", "STOKER_MAX_MEMORY_FOR", "1m", "how long without a break",
			duration(func(p *Policy) *time.Duration { return &p.Recycle.MaxMemoryFor })},
		{"stoker.recycle-wait", "STOKER_RECYCLE_WAIT", "10m",
			"how long such a restart waits for the worker to be idle (below `stoker.idle-below`), or to hold no item if its demand reports it; then it is done anyway",
			duration(func(p *Policy) *time.Duration { return &p.Recycle.Wait })},
	}
}

// optional parses a value. A word for no unsets it, which overrides a default of the environment.
func optional[T any](field *T, value string, read func(string) (T, error)) error {
	if on, err := ParseBool(value); err == nil && !on {
		var none T
		*field = none
		return nil
	}
	v, err := read(value)
	if err == nil {
		*field = v
	}
	return err
}

func setMaxAge(p *Policy, value string) error {
	return optional(&p.Recycle.MaxAge, value, func(value string) (time.Duration, error) {
		d, err := ParseDuration(value)
		if err == nil && d == 0 {
			err = errors.New("must be more than 0")
		}
		return d, err
	})
}

func setRestartAt(p *Policy, value string) error {
	return optional(&p.Recycle.RestartAt, value, ParseSchedule)
}

func setMaxMemory(p *Policy, value string) error {
	return optional(&p.Recycle.MaxMemory, value, ParseMemory)
}

// ParseMemory parses bytes such as 1.5GiB, with Docker's units (g, GB and GiB are 1024^3 bytes), or a share of the limit such as 90%.
func ParseMemory(value string) (Memory, error) {
	if share, err := ParseShare(value); err == nil {
		if share == 0 {
			return Memory{}, errors.New("must be more than 0%")
		}
		return Memory{Share: share}, nil
	} else if value != "" && value[len(value)-1] == '%' {
		return Memory{}, err
	}
	bytes, err := units.RAMInBytes(value)
	switch {
	case err != nil:
		return Memory{}, errors.New("not an amount of memory; write it such as 1.5GiB, 800MiB or 90%")
	case bytes < leastMemory:
		return Memory{}, errors.New("less than 6 MiB, the least limit that Docker takes; write it with a unit, such as 800MiB")
	}
	return Memory{Bytes: bytes}, nil
}
