package task

import (
	"fmt"
	"math/big"
	"math/bits"
)

// Partial is what some numbers add to the result of a round. Adding partials is commutative and associative, so that
// chunks may come in any order from any thread; it is not idempotent, so that a chunk counted twice shows.
type Partial struct {
	Items  uint64  `json:"items"`            // numbers computed
	Sum    Wide    `json:"sum"`              // Squares: the sum
	Hits   uint64  `json:"hits,omitempty"`   // Pow: nonces with the prefix
	Lowest *uint64 `json:"lowest,omitempty"` // Pow: the lowest of them
}

// Plus returns the sum of p and q. Neither is changed.
func (p Partial) Plus(q Partial) Partial {
	return Partial{
		Items:  p.Items + q.Items,
		Sum:    p.Sum.Plus(q.Sum),
		Hits:   p.Hits + q.Hits,
		Lowest: lower(p.Lowest, q.Lowest),
	}
}

func lower(a, b *uint64) *uint64 {
	if a == nil || (b != nil && *b < *a) {
		return b
	}
	return a
}

// Wide is an unsigned number of 128 bits: the squares of all 64-bit numbers of any range that a CPU gets through in a
// lifetime add up to less. It is written as a decimal string, because JSON readers round long numbers.
type Wide struct {
	hi, lo uint64
}

// Plus returns w+v, modulo 2^128.
func (w Wide) Plus(v Wide) Wide {
	lo, carry := bits.Add64(w.lo, v.lo, 0)
	hi, _ := bits.Add64(w.hi, v.hi, carry)
	return Wide{hi: hi, lo: lo}
}

func (w Wide) String() string {
	n := new(big.Int).SetUint64(w.hi)
	n.Lsh(n, 64)
	return n.Add(n, new(big.Int).SetUint64(w.lo)).String()
}

// MarshalText writes the number in decimal.
func (w Wide) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what MarshalText wrote, and refuses anything else.
func (w *Wide) UnmarshalText(text []byte) error {
	n, ok := new(big.Int).SetString(string(text), 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 128 {
		return fmt.Errorf("%q is not a number of 128 bits", text)
	}
	w.lo = new(big.Int).And(n, new(big.Int).SetUint64(^uint64(0))).Uint64()
	w.hi = new(big.Int).Rsh(n, 64).Uint64()
	return nil
}
