package journal

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const testPage = 4096

// pageOf is the first page of a kind and its place in the file. Pages that are free may look like any other, so that
// it takes the branch that is in use.
func pageOf(t *testing.T, content []byte, flags uint16, used func(id uint64) bool) (page, int) {
	t.Helper()
	for at := 2 * testPage; at < len(content); at += testPage {
		if p := parsePage(content[at : at+testPage]); p.flags == flags && p.id == uint64(at/testPage) && used(p.id) {
			return p, at
		}
	}
	require.Fail(t, "no such page")
	return page{}, 0
}

func checkBytes(t *testing.T, content []byte) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	return checkPages(file)
}

// Damage that random bits hardly ever make, and that bbolt would follow until the stack or the memory is full, or
// would write over.
func TestPagesThatLeadAstray(t *testing.T) {
	whole := fullFile(t, 40)
	require.NoError(t, checkBytes(t, whole))
	w := walk{file: bytes.NewReader(whole), size: uint64(len(whole)), claimed: map[uint64]bool{}}
	require.NoError(t, w.findMeta())
	require.NoError(t, w.freelist())
	free := w.claimed
	inUse := func(id uint64) bool { return !free[id] }
	branch, at := pageOf(t, whole, flagBranch, inUse)
	_, freelist := pageOf(t, whole, flagFreelist, func(id uint64) bool { return id == w.free })
	child := at + pageHeaderLen + 8
	order := binary.NativeEndian

	tests := map[string]func(b []byte){
		"a page below itself":        func(b []byte) { order.PutUint64(b[child:], branch.id) },
		"one page below two":         func(b []byte) { copy(b[child+elementLen:][:8], b[child:][:8]) },
		"a page behind the end":      func(b []byte) { order.PutUint64(b[child:], 1<<40) },
		"a page that is free":        func(b []byte) { copy(b[child:][:8], b[freelist+pageHeaderLen:][:8]) },
		"a free page that is in use": func(b []byte) { order.PutUint64(b[freelist+pageHeaderLen:], branch.id) },
		"one page free twice":        func(b []byte) { copy(b[freelist+pageHeaderLen+8:][:8], b[freelist+pageHeaderLen:][:8]) },
		"too many free pages":        func(b []byte) { order.PutUint16(b[freelist+10:], 60000) },
		"as many as a number can say": func(b []byte) {
			order.PutUint16(b[freelist+10:], 0xFFFF)
			order.PutUint64(b[freelist+pageHeaderLen:], 1<<44)
		},
		"too many elements":        func(b []byte) { order.PutUint16(b[at+10:], 60000) },
		"no elements":              func(b []byte) { order.PutUint16(b[at+10:], 0) },
		"a page without end":       func(b []byte) { order.PutUint32(b[at+12:], 1<<31) },
		"two kinds at once":        func(b []byte) { order.PutUint16(b[at+8:], flagBranch|flagLeaf) },
		"a key behind the end":     func(b []byte) { order.PutUint32(b[at+pageHeaderLen:], 1<<31) },
		"keys the wrong way round": func(b []byte) { copy(b[at+pageHeaderLen:][:4], []byte{0xF0, 0x0F}) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(whole)
			damage(b)
			require.ErrorIs(t, checkBytes(t, b), errDamaged)
			got, report := openBytes(t, b)
			require.NotEmpty(t, report.Problem)
			requireTrue(t, got)
		})
	}
}
