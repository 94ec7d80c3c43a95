package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEachNamedMutantApplies checks that the text of each named mutant is still in the code.
func TestEachNamedMutantApplies(t *testing.T) {
	names := map[string]bool{}
	for _, n := range table() {
		t.Run(n.name, func(t *testing.T) {
			require.False(t, names[n.name], "two mutants have this name")
			names[n.name] = true
			text, err := os.ReadFile(filepath.Join("../..", n.file))
			require.NoError(t, err)
			broken, err := n.apply(string(text))
			require.NoError(t, err)
			require.NotEqual(t, string(text), broken)
			require.DirExists(t, filepath.Join("../..", n.pkg))
		})
	}
	_, err := named{old: "a", new: "b"}.apply("aa")
	require.ErrorContains(t, err, "2 times")
}

// TestSwitched checks that operators are replaced in place, except in constant expressions.
func TestSwitched(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.go")
	require.NoError(t, os.WriteFile(path, []byte(`package p

const limit = 2 * 3

func f(a, b int, s string) (n int) {
	switch {
	case a < b && s != "x"+"y":
		n++
	case a+b-1 == limit:
		n = a*b
	}
	return n
}
`), 0o600))
	files, mutants, err := switched(dir)
	require.NoError(t, err)
	require.Contains(t, files, filepath.Join(dir, "switches.go"))
	require.Equal(t, `package p

const limit = 2 * 3

func f(a, b int, s string) (n int) {
	switch {
	case mutantNot(1, mutantLess(2, a , b)) && mutantNot(3, s != "x"+"y"):
		n += mutantOne(4)
	case mutantNot(5, mutantSubtract(6, mutantAdd(7, a,b),1) == limit):
		n = mutantMultiply(8, a,b)
	}
	return n
}
`, files[path])
	require.Len(t, mutants, 8)
	require.Equal(t, path+":7:9: < is >=", mutants[0])
}
