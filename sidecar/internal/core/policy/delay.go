package policy

import (
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"time"
)

// DefaultGrace is Docker's default time between the stop signal and SIGKILL.
const DefaultGrace = 10 * time.Second

// Delay returns the wait before the n-th attempt of a heal, counted from 1. The first attempt has no wait, the second waits BackoffInitial, and
// each further one twice as long, up to BackoffMax. The seed shortens the wait by up to a fifth, so that workers that failed together do not
// restart together. The same seed always gives the same wait.
func (p Policy) Delay(attempt int, seed uint64) time.Duration {
	nominal := p.nominal(attempt)
	if nominal <= 0 {
		return 0
	}
	span := uint64(nominal/5) + 1
	less, _ := bits.Mul64(mix(seed), span) // a share of the span: 0 up to span-1
	return nominal - time.Duration(less)
}

// Seed returns the seed of one attempt of one worker.
func Seed(key string, attempt int) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))                                                   // a hash does not fail
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(int64(attempt)))) // nor here
	return h.Sum64()
}

// Grace returns the time between the stop signal and SIGKILL, for a container with the given stop timeout (0 when it has none, NoStopWait when it
// is 0).
func (p Policy) Grace(own time.Duration) time.Duration {
	switch {
	case p.StopTimeout >= 0:
		return p.StopTimeout
	case own == NoStopWait:
		return 0
	case own > 0:
		return own
	}
	return DefaultGrace
}

func (p Policy) nominal(attempt int) time.Duration {
	if attempt <= 1 {
		return 0
	}
	delay := min(p.BackoffInitial, p.BackoffMax)
	for ; attempt > 2 && delay > 0 && delay < p.BackoffMax; attempt-- {
		if delay > p.BackoffMax/2 {
			return p.BackoffMax
		}
		delay *= 2
	}
	return delay
}

// mix spreads a seed over all 64 bits (the finalizer of splitmix64): in FNV, a change in the last byte hardly changes the high bits, and Delay
// uses those.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
