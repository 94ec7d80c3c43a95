package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEachMutantApplies: code that moves on must take its mutants along.
func TestEachMutantApplies(t *testing.T) {
	names := map[string]bool{}
	for _, m := range table() {
		t.Run(m.name, func(t *testing.T) {
			require.False(t, names[m.name], "two have this name")
			names[m.name] = true
			require.NotEmpty(t, m.breaks)
			require.NotEmpty(t, m.suites)
			body, err := os.ReadFile(filepath.Join("../..", m.file))
			require.NoError(t, err)
			broken, err := m.apply(string(body))
			require.NoError(t, err)
			require.NotEqual(t, string(body), broken)
		})
	}
}

func TestTextThatIsNotThere(t *testing.T) {
	_, err := mutant{file: "f.go", old: "a", new: "b"}.apply("xyz")
	require.ErrorContains(t, err, "0 times")
	_, err = mutant{file: "f.go", old: "a", new: "b"}.apply("aa")
	require.ErrorContains(t, err, "2 times")
}

func TestFirstFailed(t *testing.T) {
	out := `{"Action":"run","Test":"TestA"}
not json: a compiler speaks
{"Action":"fail","Test":"TestA/deep"}
{"Action":"fail","Test":"TestA"}
{"Action":"fail","Package":"p"}
`
	require.Equal(t, "TestA/deep", firstFailed([]byte(out)))
	require.Empty(t, firstFailed([]byte(`{"Action":"fail","Package":"p"}`)))
}
