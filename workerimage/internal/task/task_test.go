package task

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChunksCoverTheRangeOnce(t *testing.T) {
	tests := []struct {
		name   string
		span   Span
		chunk  uint64
		chunks uint64
	}{
		{"even", Span{0, 100}, 10, 10},
		{"short last chunk", Span{5, 106}, 10, 11},
		{"one chunk", Span{5, 6}, 10, 1},
		{"chunk of one", Span{0, 3}, 1, 3},
		{"up to the last number", Span{math.MaxUint64 - 25, math.MaxUint64}, 10, 3},
		{"chunk as large as can be", Span{1, math.MaxUint64}, math.MaxUint64, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			task := Task{Kind: Squares, Range: tt.span, Chunk: tt.chunk}
			require.NoError(t, task.Check())
			require.Equal(t, tt.chunks, task.Chunks())
			next := tt.span.From
			for n := range task.Chunks() {
				span := task.Span(n)
				require.Equal(t, next, span.From)
				require.Less(t, span.From, span.To)
				next = span.To
			}
			require.Equal(t, tt.span.To, next)
		})
	}
}

func TestSquaresAgreeWithTheFormula(t *testing.T) {
	for _, n := range []uint64{1, 2, 1000, 123_457} {
		got := Task{Kind: Squares}.Compute(1, Span{0, n})
		require.Equal(t, n, got.Items)
		require.Equal(t, squaresBelow(n).String(), got.Sum.String())
	}
}

func TestSquaresBeyond64Bits(t *testing.T) {
	got := Task{Kind: Squares}.Compute(1, Span{1 << 33, 1<<33 + 1000})
	want := new(big.Int).Sub(squaresBelow(1<<33+1000), squaresBelow(1<<33))
	require.Equal(t, want.String(), got.Sum.String())
	require.Greater(t, want.BitLen(), 64)
}

// squaresBelow returns n(n-1)(2n-1)/6.
func squaresBelow(n uint64) *big.Int {
	a := new(big.Int).SetUint64(n)
	product := new(big.Int).Mul(a, new(big.Int).SetUint64(n-1))
	product.Mul(product, new(big.Int).SetUint64(2*n-1))
	return product.Div(product, big.NewInt(6))
}

func TestNonceSearchAgreesWithLookingAtEachDigest(t *testing.T) {
	for _, prefix := range []string{"0", "a", "00", "0fF"} {
		t.Run(prefix, func(t *testing.T) {
			task := powTask(t, prefix)
			var want Partial
			for nonce := range uint64(20_000) {
				want.Items++
				if !strings.HasPrefix(task.Digest(3, nonce), strings.ToLower(prefix)) {
					continue
				}
				want.Hits++
				if want.Lowest == nil {
					want.Lowest = &nonce
				}
			}
			require.NotZero(t, want.Hits)
			require.Equal(t, want, task.Compute(3, Span{0, 20_000}))
		})
	}
}

func TestDigestIsMD5OfSeedRoundNonce(t *testing.T) {
	// printf 'stoker:1:42' | md5sum
	require.Equal(t, "a544a052498a9492413516af4387f217", powTask(t, "0").Digest(1, 42))
}

func TestRoundsDiffer(t *testing.T) {
	task := powTask(t, "0")
	require.NotEqual(t, task.Compute(1, Span{0, 5000}), task.Compute(2, Span{0, 5000}))
}

func TestPartialsAddUpInAnyOrder(t *testing.T) {
	task := powTask(t, "00")
	task.Range, task.Chunk = Span{0, 10_000}, 777
	whole := task.Compute(1, task.Range)
	var up, down Partial
	for n := range task.Chunks() {
		up = up.Plus(task.Compute(1, task.Span(n)))
		down = down.Plus(task.Compute(1, task.Span(task.Chunks()-1-n)))
	}
	require.Equal(t, whole, up)
	require.Equal(t, whole, down)
}

func TestPrefixRefuses(t *testing.T) {
	for _, text := range []string{"", "0x1", "g", strings.Repeat("0", 33), "é"} {
		_, err := ParsePrefix(text)
		require.Error(t, err, text)
	}
}

func TestCheckRefuses(t *testing.T) {
	require.Error(t, Task{Kind: "sing", Range: Span{0, 1}, Chunk: 1}.Check())
	require.Error(t, Task{Kind: Pow, Range: Span{2, 2}, Chunk: 1}.Check())
	require.Error(t, Task{Kind: Pow, Range: Span{3, 2}, Chunk: 1}.Check())
	require.Error(t, Task{Kind: Pow, Range: Span{0, 2}}.Check())
}

func TestDifferentTasksHaveDifferentIDs(t *testing.T) {
	base := powTask(t, "00")
	ids := map[string]bool{base.ID(): true}
	prefix, err := ParsePrefix("01")
	require.NoError(t, err)
	for _, change := range []func(*Task){
		func(x *Task) { x.Kind = Squares },
		func(x *Task) { x.Range.To++ },
		func(x *Task) { x.Chunk++ },
		func(x *Task) { x.Seed = "other" },
		func(x *Task) { x.Prefix = prefix },
	} {
		other := base
		change(&other)
		require.False(t, ids[other.ID()], other.ID())
		ids[other.ID()] = true
	}
}

func TestWideGoesThroughJSON(t *testing.T) {
	for _, want := range []Wide{{}, {lo: 1}, {hi: 1}, {hi: math.MaxUint64, lo: math.MaxUint64}} {
		text, err := json.Marshal(want)
		require.NoError(t, err)
		var got Wide
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	}
	for _, text := range []string{`"-1"`, `"x"`, `""`, `"` + strings.Repeat("9", 40) + `"`} {
		require.Error(t, json.Unmarshal([]byte(text), new(Wide)), text)
	}
}

func powTask(t *testing.T, prefix string) Task {
	t.Helper()
	p, err := ParsePrefix(prefix)
	require.NoError(t, err)
	return Task{Kind: Pow, Range: Span{0, 20_000}, Chunk: 1000, Prefix: p, Seed: "stoker"}
}

func BenchmarkSlice(b *testing.B) {
	prefix, err := ParsePrefix("00000")
	require.NoError(b, err)
	for _, task := range []Task{{Kind: Squares}, {Kind: Pow, Prefix: prefix, Seed: "stoker"}} {
		b.Run(string(task.Kind), func(b *testing.B) {
			for b.Loop() {
				task.Compute(1, Span{1 << 20, 1<<20 + task.Slice()})
			}
		})
	}
}
