package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// TestReplayOfKnownRenames: a new session replays a recreate that was rolled back, and only its last events are known to have been passed on
// before. All of it is in the record. The clock was set back since, so that no list seems to be newer.
func TestReplayOfKnownRenames(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.open()
	marks := map[string]string{worker.MarkOf: "id-a", worker.MarkName: "a", "stoker.enable": "true"}
	for _, o := range []worker.Observation{
		{Kind: worker.Renamed, ID: "id-a", Key: "a" + worker.BackupSuffix, OldKey: "a"},
		{Kind: worker.Renamed, ID: "id-new", Key: "a", OldKey: "a" + worker.NewSuffix, Labels: marks},
		{Kind: worker.Renamed, ID: "id-a", Key: "a", OldKey: "a" + worker.BackupSuffix, Replay: worker.Replay{Origin: worker.OriginRepeated}},
		{Kind: worker.Gone, ID: "id-new", Key: "a" + worker.NewSuffix, Labels: marks, Replay: worker.Replay{Origin: worker.OriginRepeated}},
	} {
		o.At = d.now.Add(time.Hour)
		d.observe(o)
	}
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusRunning)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	d.answerInspects()
	require.Equal(t, worker.HeldNot, d.newWorker("a").Held)
}
