package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/task"
)

func TestLoadReturnsWhatWasSaved(t *testing.T) {
	store := open(t)
	none, err := store.Load()
	require.NoError(t, err)
	require.Nil(t, none)

	want := sample()
	require.NoError(t, store.Save(want))
	got, err := store.Load()
	require.NoError(t, err)
	require.Equal(t, want, *got)
	require.Equal(t, uint64(9), got.Done())
}

func TestAHalfWrittenFileIsNotTheCheckpoint(t *testing.T) {
	store := open(t)
	require.NoError(t, store.Save(sample()))
	// The state after a kill during Save.
	require.NoError(t, os.WriteFile(store.path()+".next", []byte(`{"version":1,"sh`), 0o600))
	got, err := store.Load()
	require.NoError(t, err)
	require.Equal(t, sample(), *got)

	next := sample()
	next.Round++
	require.NoError(t, store.Save(next))
	got, err = store.Load()
	require.NoError(t, err)
	require.Equal(t, next, *got)
}

func TestDamagedCheckpointIsReportedAndSetAside(t *testing.T) {
	good, err := encode(sample())
	require.NoError(t, err)
	handmade := func(change func(*State)) string {
		state := sample()
		change(&state)
		text, err := encode(state)
		require.NoError(t, err)
		return string(text)
	}
	tests := map[string]string{
		"empty":            "",
		"cut short":        string(good[:len(good)/2]),
		"one digit off":    strings.Replace(string(good), `"round":3`, `"round":4`, 1),
		"zeros":            strings.Repeat("\x00", 100),
		"later version":    strings.Replace(string(good), `"version":1`, `"version":2`, 1),
		"chunk done twice": handmade(func(s *State) { s.Ahead = []uint64{9, 9} }),
		"chunk below next": handmade(func(s *State) { s.Ahead = []uint64{6} }),
		"no round":         handmade(func(s *State) { s.Round = 0 }),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			require.NoError(t, os.WriteFile(store.path(), []byte(text), 0o600))
			_, err := store.Load()
			var damaged *Damaged
			require.ErrorAs(t, err, &damaged)

			aside, err := store.SetAside("damaged")
			require.NoError(t, err)
			kept, err := os.ReadFile(aside)
			require.NoError(t, err)
			require.Equal(t, text, string(kept))
			none, err := store.Load()
			require.NoError(t, err)
			require.Nil(t, none)
		})
	}
}

func TestTwoWorkersDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir)
	require.NoError(t, err)
	_, err = Open(dir)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, first.Close())
	second, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, second.Close())
}

func TestOpenFailsWhereNothingCanBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(filepath.Join(file, "state"))
	require.Error(t, err)
}

func open(t *testing.T) *Store {
	t.Helper()
	store, err := Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func sample() State {
	lowest := uint64(12)
	return State{
		Task: "squares", Round: 3, Next: 7, Ahead: []uint64{8, 11},
		Sum:  task.Partial{Items: 900, Hits: 2, Lowest: &lowest},
		Last: &Round{Number: 2, Chunks: 30, Sum: task.Partial{Items: 3000}},
	}
}

// FuzzLoad loads any bytes as a checkpoint, or any state with a valid checksum. A state that is accepted is valid, and is the same after it
// was saved again; all others are kept.
func FuzzLoad(f *testing.F) {
	good, err := encode(sample())
	require.NoError(f, err)
	f.Add(good, false)
	f.Add(good[:len(good)/2], false)
	f.Add([]byte(`{"version":1,"sha256":"`+digest([]byte("null"))+`","state":null}`), false)
	for _, body := range []string{
		`{"task":"squares","round":1,"next":3,"ahead":[5,9],"sum":{"items":7,"sum":"340282366920938463463374607431768211455"},"last":null}`,
		`{"round":1,"ahead":[18446744073709551615,4]}`, `{"round":1,"next":18446744073709551615,"sum":{"sum":"-0","lowest":0}}`, `[]`,
	} {
		f.Add([]byte(body), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, sealed bool) {
		if sealed {
			text = fmt.Appendf(nil, `{"version":1,"sha256":%q,"state":%s}`, digest(text), text)
		}
		store := open(t)
		require.NoError(t, os.WriteFile(store.path(), text, 0o600))
		state, err := store.Load()
		if err != nil {
			var damaged *Damaged
			require.ErrorAs(t, err, &damaged)
			aside, err := store.SetAside("damaged")
			require.NoError(t, err)
			kept, err := os.ReadFile(aside)
			require.NoError(t, err)
			require.Equal(t, text, kept)
			return
		}
		requireState(t, *state)
		require.NoError(t, store.Save(*state))
		again, err := store.Load()
		require.NoError(t, err)
		require.Equal(t, state, again)
	})
}

func requireState(t *testing.T, s State) {
	t.Helper()
	require.Positive(t, s.Round)
	for i, chunk := range s.Ahead {
		require.GreaterOrEqual(t, chunk, s.Next)
		require.True(t, i == 0 || chunk > s.Ahead[i-1], "in rising order")
	}
	require.GreaterOrEqual(t, s.Done(), s.Next)
}
