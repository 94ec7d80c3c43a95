package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// fullFile is a journal's file with trees of several levels, a freelist and definitions that span pages.
func fullFile(t testing.TB, workers int) []byte {
	t.Helper()
	dir := t.TempDir()
	j, report := Open(dir, Options{})
	require.True(t, report.Persistent)
	for n := range workers {
		j.Put(fullMemory(n))
	}
	require.NoError(t, j.Sync(t.Context()))
	for n := 0; n < workers; n += 3 {
		j.Drop(worker.Key(fmt.Sprintf("worker-%03d", n)))
	}
	j.Mark(worker.Bookmark{EventAt: day})
	j.Source((&chronicle{events: fullHistory(workers)}).take)
	require.NoError(t, j.Close(t.Context()))
	content, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	return content
}

// fullHistory is events of which some span pages.
func fullHistory(n int) []event {
	var all []event
	for id := range uint64(n) {
		size := 1 + 40*int(id)
		if id%8 == 7 {
			size = 5000
		}
		all = append(all, event{id: id*3 + 1, record: bytes.Repeat([]byte{byte('A' + id%26)}, size)})
	}
	return all
}

// requireTrueHistory checks that whatever was read is what was once written.
func requireTrueHistory(t testing.TB, j *Journal) {
	t.Helper()
	written := map[string]bool{}
	for _, e := range fullHistory(40) {
		written[string(e.record)] = true
	}
	for _, record := range j.History() {
		require.True(t, written[string(record)], "an event changed")
	}
}

// openBytes opens a journal over content and checks what holds for any content: no crash, a working journal, and a file that
// was moved aside is still what it was. It returns what was read.
func openBytes(t testing.TB, content []byte) (map[worker.Key]worker.Saved, Report) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	j, report := Open(dir, Options{OnProblem: func(p string) { t.Errorf("problem: %s", p) }})
	got, _ := j.Load()
	requireTrueHistory(t, j)
	j.Put(newWorker("new"))
	j.Source((&chronicle{events: []event{{id: 1 << 62, record: []byte("new")}}}).take)
	require.NoError(t, j.Sync(t.Context()))
	require.NoError(t, j.Close(t.Context()))
	if !report.Persistent {
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, after), "a file that is not taken is left untouched")
		return got, report
	}

	aside, err := filepath.Glob(path + ".corrupt-*")
	require.NoError(t, err)
	require.Equal(t, report.Problem != "", len(aside) == 1, "moved aside exactly when it is said")
	if len(aside) == 1 {
		kept, err := os.ReadFile(aside[0])
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, kept), "the damaged file is kept as it was")
	}
	again, second := Open(dir, Options{})
	require.Equal(t, Report{Persistent: true}, second)
	all, _ := again.Load()
	past := again.History()
	require.NotEmpty(t, past)
	require.Equal(t, "new", string(past[len(past)-1]))
	require.NoError(t, again.Close(t.Context()))
	require.Contains(t, all, worker.Key("new"))
	require.Len(t, all, len(got)+btoi(!contains(got, "new")))
	return got, report
}

func contains(m map[worker.Key]worker.Saved, key worker.Key) bool {
	_, ok := m[key]
	return ok
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fullMemory is what fullFile puts for worker n.
func fullMemory(n int) worker.Saved {
	mem := newWorker(fmt.Sprintf("worker-%03d", n))
	mem.Definition = bytes.Repeat([]byte{byte('a' + n%26)}, 1+100*(n%90))
	return mem
}

// requireTrue checks that whatever was read is what was once written: damage may lose, or bring back the state before the
// last transaction, but never change.
func requireTrue(t testing.TB, got map[worker.Key]worker.Saved) {
	t.Helper()
	for n := range 40 {
		if mem, ok := got[fullMemory(n).Key]; ok {
			require.True(t, reflect.DeepEqual(fullMemory(n), mem), "worker %d changed", n)
			delete(got, mem.Key)
		}
	}
	require.Empty(t, got)
}

func TestDamagedFiles(t *testing.T) {
	const pageLen = 4096
	whole := fullFile(t, 40)
	want, report := openBytes(t, whole)
	require.Len(t, want, 26)
	require.Empty(t, report.Problem)
	random := rand.New(rand.NewPCG(1, 2))
	changed := func(change func([]byte)) []byte { b := bytes.Clone(whole); change(b); return b }

	t.Run("empty", func(t *testing.T) {
		got, report := openBytes(t, nil)
		require.Equal(t, Report{Persistent: true}, report)
		require.Empty(t, got)
	})
	t.Run("truncated", func(t *testing.T) {
		for size := 0; size < len(whole); size += pageLen {
			for _, size := range []int{size, size + 1} {
				got, _ := openBytes(t, whole[:size])
				requireTrue(t, got)
			}
		}
	})
	t.Run("zeroed page", func(t *testing.T) {
		for at := 0; at < len(whole); at += pageLen {
			got, _ := openBytes(t, changed(func(b []byte) { clear(b[at:min(at+pageLen, len(b))]) }))
			requireTrue(t, got)
		}
	})
	t.Run("page over another", func(t *testing.T) {
		for range 40 {
			from, to := random.IntN(len(whole)/pageLen), random.IntN(len(whole)/pageLen)
			got, _ := openBytes(t, changed(func(b []byte) { copy(b[to*pageLen:], whole[from*pageLen:(from+1)*pageLen]) }))
			requireTrue(t, got)
		}
	})
	t.Run("random bytes", func(t *testing.T) {
		for _, size := range []int{1, 80, 4096, 70000} {
			junk := make([]byte, size)
			for n := range junk {
				junk[n] = byte(random.Uint32())
			}
			got, _ := openBytes(t, junk)
			require.Empty(t, got)
		}
	})
	t.Run("zero bytes", func(t *testing.T) {
		got, _ := openBytes(t, make([]byte, 4*pageLen))
		require.Empty(t, got)
	})
}

// Flipped bits, in the headers of pages and elements above all, where one bit sends a reader anywhere.
func TestFlippedBits(t *testing.T) {
	const pageLen = 4096
	whole := fullFile(t, 40)
	random := rand.New(rand.NewPCG(3, 4))
	for n := range 150 {
		at := random.IntN(len(whole))
		if n%3 != 0 {
			at = at/pageLen*pageLen + random.IntN(256)
		}
		b := bytes.Clone(whole)
		b[at] ^= 1 << random.IntN(8)
		got, _ := openBytes(t, b)
		requireTrue(t, got)
	}
}

// An event that was changed, or a bucket that is none any more, costs no worker and no other event.
func TestDamagedHistory(t *testing.T) {
	whole := fullFile(t, 10)
	want, _ := openBytes(t, whole)
	record := bytes.Repeat([]byte{'F'}, 1+40*5)
	tests := map[string]func() []byte{
		"event": func() []byte {
			return bytes.Replace(whole, record, append([]byte("f"), record[1:]...), 1)
		},
		"no bucket": func() []byte { return noBucket(t, whole, bucketHistory) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			b := damage()
			require.False(t, bytes.Equal(whole, b))
			got, report := openBytes(t, b)
			require.Equal(t, want, got)
			require.NotEmpty(t, report.Problem)
		})
	}
}

// noBucket is a file with a bucket that is a value: one bit of its element makes the difference.
func noBucket(t *testing.T, whole []byte, name string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), FileName)
	require.NoError(t, os.WriteFile(file, whole, 0o600))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	w := walk{file: f, size: uint64(len(whole))}
	require.NoError(t, w.findMeta())
	b := bytes.Clone(whole)
	p := parsePage(b[w.root*w.pageSize:][:w.pageSize])
	for n := range p.count {
		pos, size := p.place(n)
		if string(p.data[pageHeaderLen+n*elementLen+int(pos):][:size]) == name {
			binary.NativeEndian.PutUint32(p.element(n), 0)
		}
	}
	return b
}

// One record that does not match its checksum is lost, and only that one.
func TestDamagedRecordCostsOneWorker(t *testing.T) {
	whole := fullFile(t, 10)
	want, _ := openBytes(t, whole)
	b := bytes.ReplaceAll(whole, []byte(`"id-worker-004"`), []byte(`"id-worker-XXX"`))
	require.NotEqual(t, whole, b)
	got, report := openBytes(t, b)
	require.Len(t, got, len(want)-1)
	require.NotContains(t, got, worker.Key("worker-004"))
	requireTrue(t, got)
	require.NotEmpty(t, report.Problem)
}

func TestMovingAsideReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), []byte{byte(n), 1, 2, 3}, 0o644))
		j, report := Open(dir, Options{})
		require.True(t, report.Persistent)
		require.NotEmpty(t, report.Problem)
		closeIt(t, j)
	}
	aside, err := filepath.Glob(filepath.Join(dir, FileName+".corrupt-*"))
	require.NoError(t, err)
	require.Len(t, aside, 3)
}

func FuzzOpen(f *testing.F) {
	whole := fullFile(f, 3)
	whole = whole[:bytes.LastIndexFunc(whole, func(r rune) bool { return r != 0 })+1] // the file is mostly room to grow
	whole = append(whole, make([]byte, 4096-len(whole)%4096)...)
	f.Add([]byte{}, uint32(0), []byte{})
	f.Add(whole[:8192], uint32(0), []byte{1})
	f.Add(whole, uint32(8192+8), []byte{1, 0})
	f.Add(whole, uint32(12288+10), []byte{255, 255, 255})
	f.Fuzz(func(t *testing.T, content []byte, at uint32, patch []byte) {
		if int(at) < len(content) {
			content = bytes.Clone(content)
			copy(content[at:], patch)
		}
		openBytes(t, content)
	})
}
