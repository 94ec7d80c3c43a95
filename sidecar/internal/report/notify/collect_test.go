package notify

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func bookOf(t *testing.T, on ...string) book {
	t.Helper()
	b, err := newBook(on)
	require.NoError(t, err)
	return b
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func gaveUp(name string) worker.Note {
	return worker.Note{
		At: start(), Kind: worker.NoteExhausted, Key: worker.Key(name), Fault: worker.FaultUnhealthy,
		Reason: worker.ReasonProbeFailed, Attempt: 3,
	}
}

// replay gives the notes at their seconds, and what was told when, with the clock going on for an hour.
func replay(c *collector, notes map[int][]worker.Note) map[int]Digest {
	told := map[int]Digest{}
	for second := range 3600 {
		now := start().Add(time.Duration(second) * time.Second)
		for _, n := range notes[second] {
			c.add(now, n)
		}
		if d, ok := c.take(now); ok {
			told[second] = d
		}
	}
	return told
}

func kinds(d Digest) []string {
	var all []string
	for _, e := range d.Events {
		all = append(all, e.Kind)
	}
	return all
}

func TestAStormIsOneMessage(t *testing.T) {
	t.Parallel()
	var storm []worker.Note
	for n := range 50 {
		storm = append(storm, gaveUp(fmt.Sprintf("w%d", n)))
	}
	told := replay(newCollector(bookOf(t)), map[int][]worker.Note{10: storm})
	require.Len(t, told, 1)
	require.Len(t, told[12].Events, 50, "two quiet seconds later")
}

func TestAMessageDoesNotWaitForTheEndOfTheStorm(t *testing.T) {
	t.Parallel()
	notes := map[int][]worker.Note{}
	for second := range 25 {
		notes[second] = []worker.Note{gaveUp(fmt.Sprintf("w%d", second))}
	}
	told := replay(newCollector(bookOf(t)), notes)
	require.Len(t, told, 3)
	require.Len(t, told[10].Events, 11)
	require.Len(t, told[21].Events, 11)
	require.Len(t, told[26].Events, 3)
}

func TestTheSameIsToldOnceInTenMinutes(t *testing.T) {
	t.Parallel()
	notes := map[int][]worker.Note{0: {gaveUp("w")}, 700: {gaveUp("x")}}
	for _, second := range []int{60, 120, 180} {
		notes[second] = []worker.Note{gaveUp("w")}
	}
	notes[61] = []worker.Note{{Kind: worker.NoteExhausted, Key: "w", Reason: worker.ReasonIdle}}
	told := replay(newCollector(bookOf(t)), notes)
	require.Len(t, told, 4)
	require.Len(t, told[2].Events, 1)
	require.Len(t, told[63].Events, 1, "another reason is other news")
	require.Equal(t, 3, told[602].Events[0].Repeats, "what was kept back is told at the end, once")
	require.Equal(t, worker.Key("x"), told[702].Events[0].Note.Key)
}

func TestPairsTellWhatIsTrue(t *testing.T) {
	t.Parallel()
	lost, up := worker.Note{Kind: worker.NoteLinkLost}, worker.Note{Kind: worker.NoteLinkUp}
	for _, c := range []struct {
		name  string
		on    []string
		notes map[int][]worker.Note
		told  map[int][]string
	}{
		{"the first contact is no news", nil, map[int][]worker.Note{0: {up}}, map[int][]string{}},
		{"nor for those who want to know that it is back", []string{"engine-back"}, map[int][]worker.Note{0: {up}}, map[int][]string{}},
		{"back comes with lost", nil, map[int][]worker.Note{0: {lost}, 9: {lost}, 30: {up}}, map[int][]string{2: {"link-lost"}, 32: {"link-up"}}},
		{"a blip is one message", nil, map[int][]worker.Note{0: {lost, up}}, map[int][]string{2: {"link-lost", "link-up"}}},
		{"nobody was told that it was lost", []string{"host-ill"}, map[int][]worker.Note{0: {lost}, 9: {up}}, map[int][]string{}},
		{"only back is wanted", []string{"link-up"}, map[int][]worker.Note{0: {lost}, 9: {up}}, map[int][]string{11: {"link-up"}}},
		{"flapping", nil, map[int][]worker.Note{0: {lost}, 10: {up}, 20: {lost}, 30: {up}, 40: {lost}, 50: {up}},
			map[int][]string{2: {"link-lost"}, 12: {"link-up"}}},
		{"lost again soon", nil, map[int][]worker.Note{0: {lost}, 10: {up}, 20: {lost}, 200: {up}},
			map[int][]string{2: {"link-lost"}, 12: {"link-up"}, 72: {"link-lost"}, 202: {"link-up"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := map[int][]string{}
			for second, d := range replay(newCollector(bookOf(t, c.on...)), c.notes) {
				got[second] = kinds(d)
			}
			require.Equal(t, c.told, got)
		})
	}
}

func TestWhatIsWanted(t *testing.T) {
	t.Parallel()
	anew := worker.Note{Kind: worker.NoteHealed, Heal: worker.HealRecreate}
	again := worker.Note{Kind: worker.NoteHealed, Heal: worker.HealRestart}
	for _, c := range []struct {
		on   []string
		note worker.Note
		kind string // empty: not told
	}{
		{nil, anew, kindAnew},
		{nil, again, ""},
		{nil, worker.Note{Kind: worker.NoteHealFailed, Heal: worker.HealRecreate}, kindNotAnew},
		{nil, worker.Note{Kind: worker.NoteHealFailed, Heal: worker.HealStart}, ""},
		{nil, worker.Note{Kind: "refused"}, "refused"},
		{nil, worker.Note{Kind: "never-heard-of"}, ""},
		{[]string{"all"}, worker.Note{Kind: "never-heard-of"}, "never-heard-of"},
		{[]string{"healed"}, anew, "healed"},
		{[]string{"Exhausted"}, gaveUp("w"), "exhausted"},
		{[]string{"none"}, gaveUp("w"), ""},
	} {
		b := bookOf(t, c.on...)
		collector := newCollector(b)
		collector.add(start(), c.note)
		d, ok := collector.flush(start())
		require.Equal(t, c.kind != "", ok)
		require.Equal(t, ok, b.may(c.note), "what is kept from the queue is what is not told")
		if ok {
			require.Equal(t, []string{c.kind}, kinds(d))
		}
	}
}

func TestBadNamesAreToldWithTheGoodOnes(t *testing.T) {
	t.Parallel()
	_, err := newBook([]string{"gave-up", "gaveup", "none"})
	require.ErrorContains(t, err, `"gaveup" is not an event; write all, none, or a comma list of gave-up, recreate`)
	require.ErrorContains(t, err, "none stands alone")
}

func TestTheMemoryIsBounded(t *testing.T) {
	t.Parallel()
	c := newCollector(bookOf(t))
	for n := range 3 * mostKnown {
		c.add(start(), gaveUp(fmt.Sprint(n)))
	}
	require.LessOrEqual(t, len(c.known), mostKnown)
	d, _ := c.flush(start())
	require.Len(t, d.Events, mostRecords)
	require.Equal(t, 3*mostKnown-mostRecords, omitted(d))
	c.add(start().Add(time.Hour), gaveUp("new"))
	require.Len(t, c.known, 1, "what is over makes room")
}
