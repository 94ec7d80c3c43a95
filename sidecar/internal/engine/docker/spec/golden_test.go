package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what the code does now into testdata; read the difference before it is kept")

// answer is the content of a golden file: a Spec or a Refusal.
type answer struct {
	Spec    *Spec    `json:",omitempty"`
	Refusal *Refusal `json:",omitempty"`
}

// TestBuild has a file for each form of a hazard: an Input, and the result.
func TestBuild(t *testing.T) {
	cases, err := filepath.Glob("testdata/build/*.in.json")
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.json"), func(t *testing.T) {
			var got answer
			s, err := Build(readInput(t, file))
			refusal := Refusal{}
			if errors.As(err, &refusal) {
				got.Refusal = &refusal
			} else {
				require.NoError(t, err)
				got.Spec = &s
			}
			requireGolden(t, strings.TrimSuffix(file, ".in.json")+".out.json", got)
		})
	}
}

// TestBuildAgain: the engine's inspect of the new container leads to the same request, so the hundredth recreate has the same result as the
// first.
func TestBuildAgain(t *testing.T) {
	cases, err := filepath.Glob("testdata/build/*.in.json")
	require.NoError(t, err)
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.json"), func(t *testing.T) {
			in := readInput(t, file)
			first, err := Build(in)
			if err != nil {
				return // there is no new container
			}
			in.Container = echo(t, in.Container, first)
			again, err := Build(in)
			require.NoError(t, err)
			require.Equal(t, first.Config, again.Config)
			require.Equal(t, first.HostConfig, again.HostConfig)
		})
	}
}

// echo returns the old inspect with the requested fields. It has names in place of the engine's IDs, which makes no difference to Build.
func echo(t *testing.T, old []byte, s Spec) []byte {
	t.Helper()
	var tree map[string]any
	require.NoError(t, json.Unmarshal(old, &tree))
	tree["Config"], tree["HostConfig"] = s.Config, s.HostConfig
	raw, err := json.Marshal(tree)
	require.NoError(t, err)
	return raw
}

func readInput(t *testing.T, file string) Input {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var in Input
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&in))
	return in
}

func requireGolden(t *testing.T, file string, value any) {
	t.Helper()
	text := readable(t, value)
	if *update {
		require.NoError(t, os.WriteFile(file, text, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run the test with -update")
	require.Equal(t, string(want), string(text))
}

// readable returns JSON without unset fields. Empty lists stay: an engine distinguishes them from unset ones.
func readable(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(raw, &tree))
	text, err := json.MarshalIndent(prune(tree), "", "  ")
	require.NoError(t, err)
	return append(text, '\n')
}

// prune keeps the keys that users choose: only Go's names begin with a capital.
func prune(value any) any {
	switch v := value.(type) {
	case []any:
		for i, inner := range v {
			v[i] = prune(inner)
		}
	case map[string]any:
		for key, inner := range v {
			unset := inner == nil || inner == "" || inner == 0.0 || inner == false
			if unset && unicode.IsUpper(rune(key[0])) && key != "Init" && key != "StopTimeout" || key == "ConsoleSize" {
				delete(v, key)
				continue
			}
			v[key] = prune(inner)
		}
	}
	return value
}
