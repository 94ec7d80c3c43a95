package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
)

// AMQP does not report the items in hand. The management API of the same queue does, so AMQP's answer makes no task busy.
func TestQueueThatIsCountedByAnotherSource(t *testing.T) {
	for _, c := range []struct {
		name, sources string
		updates       []string
	}{
		{"the same queue", "amqp://host/v?queue=q rabbitmq+http://host/v?queue=q", []string{"2", "1"}},
		{"another host", "amqp://host/v?queue=q rabbitmq+http://other/v?queue=q", []string{"4"}},
		{"another vhost", "amqp://host/v?queue=q rabbitmq+http://host/w?queue=q", []string{"4"}},
		{"another queue", "amqp://host/v?queue=q rabbitmq+http://host/v?queue=r", []string{"4"}},
		{"another kind of queue", "redis://host/0?list=q rabbitmq+http://host/v?queue=q", []string{"4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, labels("stoker.demand", c.sources))
			w.set(3)
			w.work(1, 0)
			w.readings = map[string]demand.Reading{"rabbitmq+http": {Waiting: 1, InHand: demand.InHand{Kind: demand.InHandCounted}}}
			w.reading.InHand.Kind = demand.InHandUnknown
			w.pass(3 * time.Minute)
			require.Equal(t, c.updates, w.updates)
		})
	}
}

// Only a task that holds an item is busy, however many items it holds.
func TestConsumersThatHoldItems(t *testing.T) {
	w := newWorld(t, labels("stoker.demand-target", "10"))
	w.set(4)
	w.work(0, 4)
	w.reading.InHand.ByAddress = map[string]float64{"10.0.0.2": 3, "10.0.0.3": 0, "10.0.0.4": 1}
	w.pass(5 * time.Minute)
	w.took([]string{"3", "2"}, scaledDown, scaledDown)
}

// Work of another source makes no task busy with a source for which none waits.
func TestListThatIsEmptyWhileOtherWorkWaits(t *testing.T) {
	w := newWorld(t, labels("stoker.demand", "redis://host/0?list=l prometheus+http://host:9090?query=x"))
	w.set(3)
	w.readings = map[string]demand.Reading{
		"redis":           {},
		"prometheus+http": {Waiting: 1, InHand: demand.InHand{Kind: demand.InHandIncluded}},
	}
	w.pass(3 * time.Minute)
	require.Equal(t, 1, w.view().Wanted)
}

func TestWhichSourcesReportItemsInHand(t *testing.T) {
	for kind, known := range map[demand.InHandKind]bool{demand.InHandCounted: true, demand.InHandIncluded: false, demand.InHandUnknown: false} {
		w := newWorld(t, labels())
		w.reading.InHand.Kind = kind
		w.round()
		require.Equal(t, known, w.view().Sources[0].InHandKnown, kind)
	}
}

// A source is asked at its own interval, however often the Swarm is polled.
func TestIntervalOfASource(t *testing.T) {
	w := newWorld(t, labels("stoker.demand-poll", "30s"))
	w.pass(time.Minute)
	require.Equal(t, 2, w.queried)
	asked := w.now
	w.round()
	require.Equal(t, 3, w.queried)
	require.Empty(t, w.table.Due(asked), "a poll that is repeated at once does not ask it again")

	w.now = w.now.Add(-time.Hour) // the clock steps back
	w.round()
	require.Equal(t, 4, w.queried)
	w.round()
	require.Equal(t, 4, w.queried)
}
