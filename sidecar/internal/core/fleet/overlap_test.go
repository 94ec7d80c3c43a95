package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// TestBackupWithNobodyInItsPlace: a slow engine has carried out the rename of a recreate that was given up long before.
func TestBackupWithNobodyInItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		listed []string
		want   int
	}{
		"alone":                       {[]string{"a.stoker-old"}, 1},
		"another one is the worker":   {[]string{"a.stoker-old", "a"}, 0},
		"another worker has no share": {[]string{"a.stoker-old", "b"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, fleet.Settings{})
			d.open()
			d.list(c.listed...)
			steps := d.verb(worker.RecreateStep)
			require.Len(t, steps, c.want)
			if c.want > 0 {
				require.Equal(t, worker.Key("a"), steps[0].Key)
				require.Contains(t, steps[0].Call.Observe, "id-a.stoker-old")
			}
		})
	}
}

// TestNewContainerIsNoDependent: a container that is about to replace a worker joins its parent's network before it has a machine. It
// is not restarted as a dependent of that parent meanwhile.
func TestNewContainerIsNoDependent(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.up("p", "w")
	d.pass(time.Second)
	d.tell(worker.Observation{Kind: worker.Exited, ID: "id-p", Key: "p", ExitCode: 1})
	d.pass(0)
	start := d.only(worker.Start)
	s := d.running(start)
	s.StartedAt = d.now
	d.answer(start, s)
	d.pass(time.Second)
	list := d.only(worker.ListDependents)
	marks := map[string]string{worker.MarkOf: "id-w", worker.MarkName: "w", "stoker.enable": "true"}
	replacing := worker.Dependent{Key: "w", ID: "id-new", Labels: marks, Parents: []string{"id-p"}}
	d.recreating("w")
	d.finish(worker.Outcome{Action: list, Result: worker.Done, Dependents: []worker.Dependent{replacing}})
	for _, look := range d.verb(worker.Inspect) {
		require.NotEqual(t, "id-new", look.Incarnation.ID)
	}
}

// recreating has a worker's recreate begin, for its health check fails.
func (d *desk) recreating(name string) {
	d.t.Helper()
	d.tell(worker.Observation{Kind: worker.Updated, ID: "id-" + name, Key: worker.Key(name)})
	for _, a := range d.verb(worker.Inspect) {
		s := d.running(a)
		s.Health, s.HasHealthcheck, s.AutoRemove = worker.HealthUnhealthy, true, true // its restart would be its removal
		d.answer(a, s)
	}
	d.do = nil
	d.pass(time.Minute)
	require.True(d.t, d.f.Recreating("id-"+name))
}
