package journal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

const blockLen = 4096 // the unit that a disk loses

// fullFile returns a journal's file with definitions that span blocks, obsolete lines, and workers that were deleted.
func fullFile(t testing.TB, workers int) []byte {
	t.Helper()
	dir := t.TempDir()
	j, report := Open(dir, Options{})
	require.True(t, report.Persistent)
	for n := range workers {
		j.Put(fullWorker(n))
	}
	require.NoError(t, j.Sync(t.Context()))
	for n := 0; n < workers; n += 3 {
		j.Drop(worker.Key(fmt.Sprintf("worker-%03d", n)))
	}
	j.Mark(worker.Bookmark{EventAt: day})
	require.NoError(t, j.Close(t.Context()))
	content, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	return content
}

// fullWorker is worker n of fullFile.
func fullWorker(n int) worker.Saved {
	saved := newWorker(fmt.Sprintf("worker-%03d", n))
	saved.Definition = filled(n, 1+100*(n%90))
	return saved
}

// filled returns a JSON string of about this size.
func filled(n, size int) []byte {
	return []byte(`"` + string(bytes.Repeat([]byte{byte('a' + n%26)}, size)) + `"`)
}

// openBytes opens a journal over content and checks the guarantees for any content: no crash, a working journal, and a copy of a damaged
// file. It returns what was read.
func openBytes(t testing.TB, name string, content []byte) (map[worker.Key]worker.Saved, [][]byte, Report) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	j, report := Open(dir, Options{OnProblem: func(p string) { t.Errorf("problem: %s", p) }})
	got, _ := j.Load()
	past := j.History()
	j.Put(newWorker("new"))
	j.Source((&source{events: []event{{id: 1<<64 - 1, record: []byte(`"new"`)}}}).take)
	require.NoError(t, j.Sync(t.Context()))
	require.NoError(t, j.Close(t.Context()))
	if !report.Persistent {
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, after), "a file of a newer Stoker is left untouched")
		return got, past, report
	}

	aside, err := filepath.Glob(path + ".corrupt-*")
	require.NoError(t, err)
	if len(aside) == 1 {
		require.NotEmpty(t, report.Problem)
		kept, err := os.ReadFile(aside[0])
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, kept), "the damaged file is kept as it was")
	}
	require.NotContains(t, report.Problem, "\n")
	again, second := Open(dir, Options{})
	require.Equal(t, Report{Persistent: true}, second, "reported once")
	all, _ := again.Load()
	require.NotEmpty(t, again.History())
	require.NoError(t, again.Close(t.Context()))
	want := map[worker.Key]worker.Saved{"new": newWorker("new")}
	for key, saved := range got {
		if key != "new" {
			want[key] = saved
		}
	}
	require.Equal(t, want, all)
	return got, past, report
}

// requireUnchanged checks that whatever was read was once written: damage may lose a line, but never changes one.
func requireUnchanged(t testing.TB, got map[worker.Key]worker.Saved) {
	t.Helper()
	for n := range 40 {
		if saved, ok := got[fullWorker(n).Key]; ok {
			want := fullWorker(n)
			if saved.Definition == nil {
				want.Definition = nil // a line of its own, which may be lost separately
			}
			require.True(t, reflect.DeepEqual(want, saved), "worker %d changed", n)
			delete(got, saved.Key)
		}
	}
	require.Empty(t, got)
}

func openStates(t testing.TB, content []byte) (map[worker.Key]worker.Saved, Report) {
	t.Helper()
	got, _, report := openBytes(t, FileName, content)
	return got, report
}

func TestDamagedFiles(t *testing.T) {
	whole := fullFile(t, 40)
	want, report := openStates(t, whole)
	require.Len(t, want, 26)
	require.Empty(t, report.Problem)
	random := rand.New(rand.NewPCG(1, 2))
	changed := func(change func([]byte)) []byte { b := bytes.Clone(whole); change(b); return b }

	t.Run("empty", func(t *testing.T) {
		got, report := openStates(t, nil)
		require.Equal(t, Report{Persistent: true}, report)
		require.Empty(t, got)
	})
	t.Run("zeroed block", func(t *testing.T) {
		for at := 0; at < len(whole); at += blockLen {
			got, _ := openStates(t, changed(func(b []byte) { clear(b[at:min(at+blockLen, len(b))]) }))
			requireUnchanged(t, got)
		}
	})
	t.Run("block over another", func(t *testing.T) {
		for range 40 {
			from, to := random.IntN(len(whole)/blockLen), random.IntN(len(whole)/blockLen)
			got, _ := openStates(t, changed(func(b []byte) { copy(b[to*blockLen:], whole[from*blockLen:(from+1)*blockLen]) }))
			requireUnchanged(t, got)
		}
	})
	t.Run("random bytes", func(t *testing.T) {
		for _, size := range []int{1, 80, 4096, 70000} {
			junk := make([]byte, size)
			for n := range junk {
				junk[n] = byte(random.Uint32())
			}
			got, report := openStates(t, junk)
			require.Empty(t, got)
			require.NotEmpty(t, report.Problem)
		}
	})
	t.Run("zero bytes", func(t *testing.T) {
		got, _ := openStates(t, make([]byte, 4*blockLen))
		require.Empty(t, got)
	})
	t.Run("a line without end", func(t *testing.T) {
		got, report := openStates(t, append(bytes.Clone(whole), make([]byte, maxLine+1)...))
		require.Equal(t, want, got)
		require.NotEmpty(t, report.Problem)
	})
}

// A file that was cut off anywhere, as by a crash or a power failure, still has the lines before, and no copy is kept.
func TestTornTail(t *testing.T) {
	whole := fullFile(t, 4)
	for size := range len(whole) {
		atEnd := size > 0 && (whole[size-1] == '\n' || whole[size] == '\n')
		if size%13 != 0 && !atEnd {
			continue
		}
		torn := whole[:size]
		lines := bytes.Count(torn, []byte("\n"))
		intact := size == 0 || torn[size-1] == '\n' || whole[size] == '\n'
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), torn, 0o600))
		j, report := Open(dir, Options{})
		require.True(t, report.Persistent)
		require.Equal(t, intact, report.Problem == "", "%d: %s", size, report.Problem)
		got, mark := j.Load()
		requireUnchanged(t, got)
		require.True(t, mark.EventAt.IsZero() || size >= len(whole)-1)
		require.NoError(t, j.Close(t.Context()))
		aside, err := filepath.Glob(filepath.Join(dir, "*.corrupt-*"))
		require.NoError(t, err)
		require.Equal(t, !intact && lines == 0, len(aside) == 1, "a file without one intact line may be something else's")
		after, err := os.ReadFile(filepath.Join(dir, FileName))
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(after, torn[:bytes.LastIndexByte(torn, '\n')+1]), "what is intact stays as it is")
	}
}

// A flipped bit costs its line. In a line end it joins two lines, and costs both.
func TestFlippedBits(t *testing.T) {
	whole := fullFile(t, 40)
	random := rand.New(rand.NewPCG(3, 4))
	for range 150 {
		at := random.IntN(len(whole))
		b := bytes.Clone(whole)
		b[at] ^= 1 << random.IntN(8)
		got, report := openStates(t, b)
		require.NotEmpty(t, report.Problem)
		requireUnchanged(t, got)
	}
}

// Lines after the damaged line of a worker count; otherwise the one before it does again. The bookmark returns to before the damage, so
// that the engine's events since are read once more.
func TestDamagedLineCostsThatLine(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	early, late := worker.Bookmark{EventAt: day}, worker.Bookmark{EventAt: day.Add(1)}
	step := func(attempts int, mark worker.Bookmark) {
		saved := newWorker("w")
		saved.Budget.Attempts = attempts
		j.Put(saved)
		j.Put(newWorker(fmt.Sprint("other-", attempts)))
		j.Mark(mark)
		synced(t, j)
	}
	step(1, early)
	step(70, late)
	closeIt(t, j)
	path := filepath.Join(dir, FileName)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.Replace(content, []byte(`"attempts":70`), []byte(`"attempts":71`), 1), 0o600))

	j, report := Open(dir, Options{})
	require.Contains(t, report.Problem, "1 of 10 lines")
	got, mark := j.Load()
	require.Equal(t, 1, got["w"].Budget.Attempts)
	require.Contains(t, got, worker.Key("other-70"))
	require.Equal(t, early, mark)
	closeIt(t, j)
	_, mark = open(t, dir).Load()
	require.Equal(t, early, mark, "also after another start")
}

// If the line of a definition is lost, only the definition is: the next inspect has it.
func TestDamagedDefinition(t *testing.T) {
	whole := fullFile(t, 10)
	want, _ := openStates(t, whole)
	definition := fullWorker(4).Definition
	b := bytes.Replace(whole, definition, bytes.ToUpper(definition), 1)
	require.NotEqual(t, whole, b)
	got, report := openStates(t, b)
	require.NotEmpty(t, report.Problem)
	lost := want["worker-004"]
	lost.Definition = nil
	want["worker-004"] = lost
	require.Equal(t, want, got)
}

// An operator may change a line, and marks it in place of the checksum.
func TestRepairedByHand(t *testing.T) {
	whole := fullFile(t, 2)
	var edited []byte
	for line := range bytes.Lines(whole) {
		if bytes.Contains(line, []byte(`{"worker":{"key":"worker-001"`)) {
			line = append([]byte("-"), bytes.Replace(line[8:], []byte(`"attempts":2`), []byte(`"attempts":5`), 1)...)
		}
		edited = append(edited, line...)
	}
	edited = append(edited, []byte("\r\n\n")...)
	got, report := openStates(t, edited)
	require.Empty(t, report.Problem)
	require.Equal(t, 5, got["worker-001"].Budget.Attempts)
	require.NotEmpty(t, got["worker-001"].Definition)
}

func TestDamagedHistory(t *testing.T) {
	dir := t.TempDir()
	j, s := open(t, dir), &source{}
	for id := range uint64(40) {
		s.events = append(s.events, event{id: id*3 + 1, record: filled(int(id), 1+40*int(id))})
	}
	j.Source(s.take)
	closeIt(t, j)
	whole, err := os.ReadFile(filepath.Join(dir, HistoryName))
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		b := bytes.Clone(whole)
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		_, past, report := openBytes(t, HistoryName, b)
		require.NotEmpty(t, report.Problem)
		require.GreaterOrEqual(t, len(past), 38)
		for _, record := range past {
			require.True(t, bytes.Contains(whole, record), "an event changed")
		}
	}
}

func TestDamagedCopyReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), []byte{byte(n), 1, 2, 3}, 0o644))
		j, report := Open(dir, Options{})
		require.True(t, report.Persistent)
		require.NotEmpty(t, report.Problem)
		closeIt(t, j)
		info, err := os.Stat(filepath.Join(dir, FileName))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	aside, err := filepath.Glob(filepath.Join(dir, FileName+".corrupt-*"))
	require.NoError(t, err)
	require.Len(t, aside, 3)
}

func FuzzOpen(f *testing.F) {
	whole := fullFile(f, 3)
	f.Add([]byte{}, uint32(0), []byte{})
	f.Add(whole, uint32(8), []byte("-"))
	f.Add(whole, uint32(len(whole)-20), []byte{1, 0})
	f.Add([]byte("- {\"format\":2}\n"), uint32(0), []byte{})
	f.Add([]byte("- {\"forget\":\"w\"}\n- {\"worker\":{\"key\":\"w\"},\"definition_id\":\"x\"}\n- null\n"), uint32(0), []byte{})
	f.Add([]byte("- {\"definition_of\":\"w\",\"id\":7}\n- {\"worker\":7}\n- {\"bookmark\":null}\n- {\"id\":1,\"event\":2}"), uint32(0), []byte{})
	f.Fuzz(func(t *testing.T, content []byte, at uint32, patch []byte) {
		if int(at) < len(content) {
			content = bytes.Clone(content)
			copy(content[at:], patch)
		}
		openBytes(t, FileName, content)
		openBytes(t, HistoryName, content)
	})
}
