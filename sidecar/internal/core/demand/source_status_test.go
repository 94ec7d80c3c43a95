package demand_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
)

// A source is lost at the third failure in a row, is reported once, and keeps its last reading.
func TestSourceStatus(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 5, 1, 12, 0, s, 0, time.UTC) }
	a := demand.SourceStatus{Since: at(0)}
	require.False(t, a.Failed(at(1), "no"))
	require.Equal(t, demand.SourcePending, a.State, "nothing was known of it before")
	require.False(t, a.Answered(at(2), demand.Reading{Waiting: 7}))
	require.Equal(t, demand.SourceStatus{State: demand.SourceAnswered, Since: at(2), Reading: demand.Reading{Waiting: 7}}, a)

	require.False(t, a.Failed(at(3), "no"))
	require.Equal(t, demand.Answer{State: demand.SourceFailing, Reading: demand.Reading{Waiting: 7}}, a.Answer())
	require.False(t, a.Failed(at(4), "no"))
	require.Equal(t, at(3), a.Since)
	require.True(t, a.Failed(at(5), "still no"))
	require.False(t, a.Failed(at(6), "still no"), "reported once")
	require.Equal(t, demand.SourceLost, a.State)
	require.Equal(t, at(5), a.Since)
	require.Equal(t, "still no", a.Err)

	require.True(t, a.Answered(at(7), demand.Reading{}))
	require.False(t, a.Answered(at(8), demand.Reading{}))
	require.Equal(t, demand.SourceStatus{State: demand.SourceAnswered, Since: at(7)}, a)
}
