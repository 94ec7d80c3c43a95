package worker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBudget(t *testing.T) {
	var b Budget
	require.False(t, b.spent(0), "0 is no limit")
	require.False(t, b.spent(1))

	b.charge(1)
	b.charge(1)
	require.Equal(t, Budget{Attempts: 1, RestartsInARow: 1}, b, "an attempt is counted once, however many calls it takes")
	require.True(t, b.spent(1))
	require.False(t, b.spent(2))

	b.refund(2)
	require.Equal(t, 1, b.Attempts, "an attempt that was not counted is not taken back")
	b.RestartsInARow = 0 // a recreate in between
	b.refund(1)
	require.Equal(t, Budget{}, b)
	b.refund(0)
	require.Equal(t, Budget{}, b)

	b.charge(3)
	b.reset()
	require.Equal(t, Budget{}, b)
	require.False(t, b.exhausted())
}
