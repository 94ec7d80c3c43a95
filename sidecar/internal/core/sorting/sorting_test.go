package sorting

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type element struct{ key, number int }

func byKey(a, b element) int { return cmp.Compare(a.key, b.key) }

// Whatever is sorted comes in the order of package slices; a stable sort keeps equal ones as they were.
func TestAsSlices(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []element
		for n, key := range rapid.SliceOfN(rapid.IntRange(0, 9), 0, 60).Draw(t, "keys") {
			list = append(list, element{key, n})
		}
		got, want := slices.Clone(list), slices.Clone(list)
		By(got, byKey)
		slices.SortFunc(want, byKey)
		require.Equal(t, want, got)
		got, want = slices.Clone(list), slices.Clone(list)
		Stable(got, byKey)
		slices.SortStableFunc(want, byKey)
		require.Equal(t, want, got)
	})
}
