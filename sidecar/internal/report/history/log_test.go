package history

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func note(kind worker.EventKind, key worker.Key, at time.Time) worker.Event {
	return worker.Event{At: at, Kind: kind, Key: key}
}

func ids(events []Entry) []uint64 {
	all := []uint64{}
	for _, e := range events {
		all = append(all, e.ID)
	}
	return all
}

func TestPages(t *testing.T) {
	c := &clock{at: noon}
	l := New(Options{Now: c.now})
	kinds := []worker.EventKind{worker.EventFault, worker.EventHealed}
	for n := range 10 {
		c.at = noon.Add(time.Duration(n) * time.Second)
		l.Record([]worker.Event{note(kinds[n%2], worker.Key([]string{"a", "b", ""}[n%3]), c.at)})
	}
	all := ids(l.Page(Query{}))
	require.Len(t, all, 10)
	require.Equal(t, l.Last(), all[0])
	require.True(t, slices.IsSortedFunc(all, func(a, b uint64) int { return int(b) - int(a) }))

	tests := map[string]struct {
		q    Query
		want []uint64
	}{
		"limit":            {Query{Limit: 3}, all[:3]},
		"before":           {Query{Before: all[2], Limit: 2}, all[3:5]},
		"before the first": {Query{Before: all[9]}, []uint64{}},
		"a worker":         {Query{Worker: "a"}, []uint64{all[0], all[3], all[6], all[9]}},
		"nobody":           {Query{Worker: "nobody"}, []uint64{}},
		"kinds":            {Query{Kinds: kinds[:1], Limit: 2}, []uint64{all[1], all[3]}},
		"all kinds":        {Query{Kinds: kinds}, all},
		"since":            {Query{Since: noon.Add(8 * time.Second)}, all[:2]},
		"together":         {Query{Worker: "b", Kinds: kinds[1:], Since: noon.Add(2 * time.Second)}, []uint64{all[2]}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, ids(l.Page(tt.q)))
		})
	}
}

func TestIDsGrow(t *testing.T) {
	c := &clock{at: noon}
	l := New(Options{Now: c.now})
	require.Zero(t, l.Last())
	l.Record(make([]worker.Event, 3))
	first := uint64(noon.UnixMilli())
	require.Equal(t, []uint64{first + 2, first + 1, first}, ids(l.Page(Query{})))
	c.at = noon.Add(-time.Hour) // the clock steps back
	l.Record(make([]worker.Event, 1))
	require.Equal(t, first+3, l.Last())
	c.at = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
	l.Record(make([]worker.Event, 1))
	require.Equal(t, first+4, l.Last())
	require.Less(t, l.Last(), uint64(1)<<53, "a browser's number")
}

func TestBounds(t *testing.T) {
	t.Run("count", func(t *testing.T) {
		l := New(Options{Keep: 5})
		for range 100 {
			l.Record([]worker.Event{{At: time.Now()}, {At: time.Now()}})
			require.LessOrEqual(t, len(l.Page(Query{})), 5)
		}
		require.Len(t, l.Page(Query{}), 5)
	})
	t.Run("age", func(t *testing.T) {
		c := &clock{at: noon}
		l := New(Options{Now: c.now, MaxAge: time.Hour})
		l.Record([]worker.Event{note(worker.EventFault, "a", c.at)})
		c.at = noon.Add(time.Minute)
		l.Record([]worker.Event{note(worker.EventHealed, "a", c.at)})
		last := l.Last()
		c.at = noon.Add(time.Hour + time.Second)
		require.Equal(t, []uint64{last}, ids(l.Page(Query{})), "also when nothing new comes")
		c.at = noon.Add(2 * time.Hour)
		require.Empty(t, l.Page(Query{}))
		require.Equal(t, last, l.Last())
	})
	t.Run("size", func(t *testing.T) {
		l := New(Options{})
		long := strings.Repeat("x", maxText)
		for range 5000 {
			l.Record([]worker.Event{{At: time.Now(), HealDetails: worker.HealDetails{Output: long}, Detail: long}})
		}
		require.LessOrEqual(t, l.bytes, maxBytes)
		require.Greater(t, len(l.events), 1000)
		total := 0
		for _, e := range l.events {
			total += e.size()
		}
		require.Equal(t, total, l.bytes)
	})
}

func TestHostileText(t *testing.T) {
	tests := map[string]string{
		"controls":         "\x1b[2J\x00\r\n\u202e",
		"markup":           "</script><img onerror=x>",
		"invalid":          "a\xff\xfeb\xc3",
		"only invalid":     strings.Repeat("\xff", 100_000),
		"a line of 100 kB": strings.Repeat("x", 100_000),
		"wide":             strings.Repeat("界", 50_000),
		"cut in a rune":    strings.Repeat("x", maxText-1) + "界",
		"cut in a smiley":  strings.Repeat("x", maxText-3) + "😀",
		"bound":            strings.Repeat("x", maxText),
		"invalid at bound": strings.Repeat("x", maxText-1) + "\xff",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			l := New(Options{})
			l.Record([]worker.Event{{At: time.Now(), Key: worker.Key(text), ID: text, HealDetails: worker.HealDetails{Output: text}, Detail: text}})
			got := l.Page(Query{Worker: worker.Key(text)})
			require.Len(t, got, 1, "found under the name that it came with")
			for _, s := range []string{got[0].Output, got[0].Detail, string(got[0].Key), got[0].Event.ID} {
				require.True(t, utf8.ValidString(s))
				require.LessOrEqual(t, len(s), maxText)
			}
			if len(text) <= maxText && utf8.ValidString(text) {
				require.Equal(t, text, got[0].Output)
			}
			encoded, err := json.Marshal(got[0])
			require.NoError(t, err)
			require.NotContains(t, string(encoded), "\n")
			var back Entry
			require.NoError(t, json.Unmarshal(encoded, &back))
			require.Equal(t, got[0], back)
		})
	}
}

func TestJSON(t *testing.T) {
	e := Entry{ID: 7, Event: worker.Event{
		At: noon, Kind: worker.EventHealFailed, Key: "w", ID: "abc", HealDetails: worker.HealDetails{HealID: 5, Fault: worker.FaultExited, Intent: worker.IntentNone,
			Heal: worker.HealStart, Attempt: 2, Delay: 1500 * time.Millisecond,
			Duration: 123 * time.Millisecond, ExitCode: 137, Output: "no"}, Reason: worker.ReasonCrashed, QuotaChange: worker.QuotaChange{From: 0.5, CPUs: 1}, Detail: "why",
	}}
	encoded, err := json.Marshal(e)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":7,"at":"2026-03-01T12:00:00Z","kind":"heal-failed","worker":"w","container":"abc","group":"","heal_id":5,"fault":"exited",
		"intent":"none","heal":"start","reason":"crashed","attempt":2,"delay_seconds":1.5,"duration_seconds":0.123,"exit_code":137,
		"output":"no","from_cpus":0.5,"cpus":1,"detail":"why"}`, string(encoded))
	var back Entry
	require.NoError(t, json.Unmarshal(encoded, &back))
	require.Equal(t, e, back)

	l := New(Options{})
	l.Record([]worker.Event{{QuotaChange: worker.QuotaChange{CPUs: math.NaN(), From: math.Inf(1)}}})
	_, err = json.Marshal(l.Page(Query{}))
	require.NoError(t, err)

	encoded, err = json.Marshal(Entry{Event: worker.Event{At: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), HealDetails: worker.HealDetails{ExitCode: 1}}})
	require.NoError(t, err)
	require.Contains(t, string(encoded), `"at":null`)
	require.Contains(t, string(encoded), `"exit_code":null`)
	require.Error(t, json.Unmarshal([]byte(`{"id":-1}`), &back))
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Keep: 10})
		record := func(n int) {
			for range n {
				l.Record([]worker.Event{note(worker.EventFault, "w", time.Now())})
			}
		}
		record(3)
		missed, gap, live, stop := l.Follow(0)
		require.Len(t, missed, 3)
		require.False(t, gap)
		record(2)
		require.Equal(t, missed[2].ID+1, (<-live).ID)
		require.Equal(t, missed[2].ID+2, (<-live).ID)
		stop()
		stop()
		_, open := <-live
		require.False(t, open)
		require.Empty(t, l.followers)

		again := func(after uint64) (int, bool) {
			missed, gap, _, stop := l.Follow(after)
			stop()
			return len(missed), gap
		}
		first := missed[0].ID
		expect := func(after uint64, n int, gap bool) {
			t.Helper()
			gotN, gotGap := again(after)
			require.Equal(t, n, gotN)
			require.Equal(t, gap, gotGap)
		}
		expect(first, 4, false)
		expect(l.Last(), 0, false)
		expect(first-1, 5, true)
		expect(l.Last()+1, 0, true)
		expect(math.MaxUint64, 0, true)
		record(10) // the first five are forgotten
		expect(first, 10, true)
		expect(first+4, 10, false)
		expect(first+5, 9, false)
		expect(0, 10, false)
	})
}

// A follower that does not read is dropped, blocks no one else, and gets everything when it follows again.
func TestFollowerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		_, _, live, stop := l.Follow(0)
		defer stop()
		_, _, other, stopOther := l.Follow(0)
		defer stopOther()
		read := 0
		go func() {
			for range other {
				read++
			}
		}()
		began := time.Now()
		for range 10 * followQueue {
			l.Record([]worker.Event{note(worker.EventFault, "w", began)})
			synctest.Wait()
		}
		require.Zero(t, time.Since(began))
		require.Equal(t, 10*followQueue, read)
		var last uint64
		n := 0
		for e := range live { // it was closed
			last = e.ID
			n++
		}
		require.Equal(t, followQueue, n)
		missed, gap, _, stopAgain := l.Follow(last)
		stopAgain()
		require.False(t, gap)
		require.Len(t, missed, 9*followQueue)
	})
}

// memoryStore takes all events at once when it is notified, as a journal on a fast disk does.
type memoryStore struct {
	take    func(uint64, int) (uint64, []uint64, [][]byte)
	records map[uint64][]byte
	last    uint64
}

func (s *memoryStore) History() [][]byte {
	var all [][]byte
	keys := []uint64{}
	for id := range s.records {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	for _, id := range keys {
		all = append(all, s.records[id])
	}
	return all
}

func (s *memoryStore) Source(take func(uint64, int) (uint64, []uint64, [][]byte)) { s.take = take }

func (s *memoryStore) Notify() {
	for {
		floor, ids, records := s.take(s.last, 3)
		for n, id := range ids {
			s.records[id], s.last = records[n], id
		}
		for id := range s.records {
			if id <= floor {
				delete(s.records, id)
			}
		}
		if len(ids) == 0 {
			return
		}
	}
}

func TestGoesOnAfterARestart(t *testing.T) {
	c := &clock{at: noon}
	store := &memoryStore{records: map[uint64][]byte{}}
	l := New(Options{Store: store, Now: c.now, Keep: 8})
	for n := range 20 {
		l.Record([]worker.Event{{At: c.at, Kind: worker.EventFault, Detail: fmt.Sprint(n)}})
	}
	require.Len(t, store.records, 8)
	want := l.Page(Query{})

	c.at = noon.Add(-time.Hour) // the clock is behind after the restart
	store.records[1] = []byte("junk")
	l = New(Options{Store: store, Now: c.now, Keep: 8})
	require.Equal(t, want, l.Page(Query{}))
	before := l.Last()
	l.Record([]worker.Event{{At: c.at, Kind: worker.EventHealed}})
	require.Equal(t, before+1, l.Last())

	l = New(Options{Store: store, Now: c.now, Keep: 3})
	require.Len(t, l.Page(Query{}), 3)
	c.at = noon.Add(40 * 24 * time.Hour)
	require.Empty(t, New(Options{Store: store, Now: c.now}).Page(Query{}))
}
