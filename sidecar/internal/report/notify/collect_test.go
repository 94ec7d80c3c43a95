package notify

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/worker"
)

func bookOf(t *testing.T, on ...string) catalog {
	t.Helper()
	b, err := newCatalog(on)
	require.NoError(t, err)
	return b
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func gaveUp(name string) worker.Event {
	return worker.Event{
		At: start(), Kind: worker.EventExhausted, Key: worker.Key(name), HealDetails: worker.HealDetails{Fault: worker.FaultUnhealthy, Attempt: 3},
		Reason: worker.ReasonProbeFailed,
	}
}

// replay adds the events at their seconds and returns what was sent when, over an hour.
func replay(c *collector, events map[int][]worker.Event) map[int]Digest {
	sent := map[int]Digest{}
	for second := range 3600 {
		now := start().Add(time.Duration(second) * time.Second)
		for _, n := range events[second] {
			c.add(now, n)
		}
		if d, ok := c.take(now); ok {
			sent[second] = d
		}
	}
	return sent
}

func kinds(d Digest) []string {
	var all []string
	for _, e := range d.Items {
		all = append(all, e.Kind)
	}
	return all
}

func TestAStormIsOneMessage(t *testing.T) {
	t.Parallel()
	var storm []worker.Event
	for n := range 50 {
		storm = append(storm, gaveUp(fmt.Sprintf("w%d", n)))
	}
	sent := replay(newCollector(bookOf(t)), map[int][]worker.Event{10: storm})
	require.Len(t, sent, 1)
	require.Len(t, sent[12].Items, 50, "two quiet seconds later")
}

func TestAMessageDoesNotWaitForTheEndOfTheStorm(t *testing.T) {
	t.Parallel()
	notes := map[int][]worker.Event{}
	for second := range 25 {
		notes[second] = []worker.Event{gaveUp(fmt.Sprintf("w%d", second))}
	}
	sent := replay(newCollector(bookOf(t)), notes)
	require.Len(t, sent, 3)
	require.Len(t, sent[10].Items, 11)
	require.Len(t, sent[21].Items, 11)
	require.Len(t, sent[26].Items, 3)
}

func TestTheSameIsToldOnceInTenMinutes(t *testing.T) {
	t.Parallel()
	notes := map[int][]worker.Event{0: {gaveUp("w")}, 700: {gaveUp("x")}}
	for _, second := range []int{60, 120, 180} {
		notes[second] = []worker.Event{gaveUp("w")}
	}
	notes[61] = []worker.Event{{Kind: worker.EventExhausted, Key: "w", Reason: worker.ReasonIdle}}
	sent := replay(newCollector(bookOf(t)), notes)
	require.Len(t, sent, 4)
	require.Len(t, sent[2].Items, 1)
	require.Len(t, sent[63].Items, 1, "another reason is other news")
	require.Equal(t, 3, sent[602].Items[0].Repeats, "what was suppressed is reported at the end, once")
	require.Equal(t, worker.Key("x"), sent[702].Items[0].Event.Key)
}

func TestPairsTellWhatIsTrue(t *testing.T) {
	t.Parallel()
	lost, up := worker.Event{Kind: worker.EventEngineDisconnected}, worker.Event{Kind: worker.EventEngineConnected}
	for _, c := range []struct {
		name   string
		on     []string
		events map[int][]worker.Event
		sent   map[int][]string
	}{
		{"the first contact is no news", nil, map[int][]worker.Event{0: {up}}, map[int][]string{}},
		{"nor for a target that wants to know that it is back", []string{"engine-connected"}, map[int][]worker.Event{0: {up}}, map[int][]string{}},
		{"back comes with lost", nil, map[int][]worker.Event{0: {lost}, 9: {lost}, 30: {up}}, map[int][]string{2: {"engine-disconnected"}, 32: {"engine-connected"}}},
		{"a blip is one message", nil, map[int][]worker.Event{0: {lost, up}}, map[int][]string{2: {"engine-disconnected", "engine-connected"}}},
		{"no target was sent that it was lost", []string{"host-overloaded"}, map[int][]worker.Event{0: {lost}, 9: {up}}, map[int][]string{}},
		{"only back is wanted", []string{"engine-connected"}, map[int][]worker.Event{0: {lost}, 9: {up}}, map[int][]string{11: {"engine-connected"}}},
		{"flapping", nil, map[int][]worker.Event{0: {lost}, 10: {up}, 20: {lost}, 30: {up}, 40: {lost}, 50: {up}},
			map[int][]string{2: {"engine-disconnected"}, 12: {"engine-connected"}}},
		{"lost again soon", nil, map[int][]worker.Event{0: {lost}, 10: {up}, 20: {lost}, 200: {up}},
			map[int][]string{2: {"engine-disconnected"}, 12: {"engine-connected"}, 72: {"engine-disconnected"}, 202: {"engine-connected"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := map[int][]string{}
			for second, d := range replay(newCollector(bookOf(t, c.on...)), c.events) {
				got[second] = kinds(d)
			}
			require.Equal(t, c.sent, got)
		})
	}
}

func TestWhatIsWanted(t *testing.T) {
	t.Parallel()
	recreated := worker.Event{Kind: worker.EventHealed, HealDetails: worker.HealDetails{Heal: worker.HealRecreate}}
	again := worker.Event{Kind: worker.EventHealed, HealDetails: worker.HealDetails{Heal: worker.HealRestart}}
	for _, c := range []struct {
		on   []string
		note worker.Event
		kind string // empty: not sent
	}{
		{nil, recreated, kindRecreated},
		{nil, again, ""},
		{nil, worker.Event{Kind: worker.EventHealFailed, HealDetails: worker.HealDetails{Heal: worker.HealRecreate}}, kindNotRecreated},
		{nil, worker.Event{Kind: worker.EventHealFailed, HealDetails: worker.HealDetails{Heal: worker.HealStart}}, ""},
		{nil, worker.Event{Kind: "refused"}, "refused"},
		{nil, worker.Event{Kind: "never-heard-of"}, ""},
		{[]string{"all"}, worker.Event{Kind: "never-heard-of"}, "never-heard-of"},
		{[]string{"healed"}, recreated, "healed"},
		{[]string{"Exhausted"}, gaveUp("w"), "exhausted"},
		{[]string{"none"}, gaveUp("w"), ""},
	} {
		b := bookOf(t, c.on...)
		collector := newCollector(b)
		collector.add(start(), c.note)
		d, ok := collector.flush(start())
		require.Equal(t, c.kind != "", ok)
		require.Equal(t, ok, b.may(c.note), "what is kept from the queue is what is not sent")
		if ok {
			require.Equal(t, []string{c.kind}, kinds(d))
		}
	}
}

func TestBadNamesAreToldWithTheGoodOnes(t *testing.T) {
	t.Parallel()
	_, err := newCatalog([]string{"gave-up", "gaveup", "none"})
	require.ErrorContains(t, err, `"gaveup" is not an event; write all, none, or a comma list of gave-up, recreate`)
	require.ErrorContains(t, err, "none stands alone")
}

func TestTheMemoryIsBounded(t *testing.T) {
	t.Parallel()
	c := newCollector(bookOf(t))
	for n := range 3 * maxKnown {
		c.add(start(), gaveUp(fmt.Sprint(n)))
	}
	require.LessOrEqual(t, len(c.known), maxKnown)
	d, _ := c.flush(start())
	require.Len(t, d.Items, maxItems)
	require.Equal(t, 3*maxKnown-maxItems, omitted(d))
	c.add(start().Add(time.Hour), gaveUp("new"))
	require.Len(t, c.known, 1, "what is over makes room")
}

// The order of messages is by what happened, not by chance: two collectors with the same input report the same.
func TestTheOrderIsFixed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b, err := newCatalog([]string{"all"})
		require.NoError(t, err)
		events := map[int][]worker.Event{}
		kinds := append(worker.EventKinds(), worker.EventExhausted, worker.EventFault)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			second := rapid.IntRange(0, 900).Draw(t, "second")
			events[second] = append(events[second], worker.Event{
				Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Key: worker.Key(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "worker")),
				Reason: worker.Reason(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "reason")),
			})
		}
		first := replay(newCollector(b), events)
		for range 3 {
			require.Equal(t, first, replay(newCollector(b), events))
		}
	})
}
