package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
)

// The advice of a Stoker without workers is in the API, and bounded.
func TestCandidates(t *testing.T) {
	t.Parallel()
	o := options()
	var many []candidates.Container
	for n := range 3 * maxCandidates {
		many = append(many, candidates.Container{Name: fmt.Sprint("c", n), CPUs: 1})
	}
	advice := candidates.Advise(policy.Selector{}, "s", many)
	o.View = func() fleet.View { return fleet.View{Candidates: &advice} }
	var shown fleetJSON
	require.NoError(t, json.Unmarshal(ask(t, Handler(o), http.MethodGet, "/api/v1/workers").Body.Bytes(), &shown))
	require.Equal(t, 3*maxCandidates, shown.Candidates.Containers)
	require.Len(t, shown.Candidates.Quotas, maxCandidates)
	require.Equal(t, quotaJSON{"c0", 1}, shown.Candidates.Quotas[0])
	require.Equal(t, []nearJSON{}, shown.Candidates.Near)
	require.Equal(t, advice.Lines(), shown.Candidates.Lines)

	o.View = picture
	require.Contains(t, ask(t, Handler(o), http.MethodGet, "/api/v1/workers").Body.String(), `"candidates": null`)
}

// A stream of events sends a view whose advice has changed.
func TestAdviceIsEssential(t *testing.T) {
	t.Parallel()
	none := fleet.View{}
	advice := candidates.Advise(policy.Selector{}, "s", nil)
	some := fleet.View{Candidates: &advice}
	before, err := essenceOf(none)
	require.NoError(t, err)
	after, err := essenceOf(some)
	require.NoError(t, err)
	require.NotEqual(t, string(before), string(after))
}
