package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../../../../docs/recreate.md"

// TestPageNamesEveryHazard: docs/recreate.md has a row for each of R1 to R38, and each test that a row names exists.
func TestPageNamesEveryHazard(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if hazard := strings.TrimPrefix(cells[0], "| "); regexp.MustCompile(`^R\d+$`).MatchString(hazard) {
			require.Len(t, cells, 4, hazard)
			require.NotContains(t, rows, hazard)
			rows[hazard] = cells[3]
		}
	}
	tests, unnamed := testNames(t), testNames(t)
	for n := 1; n <= 38; n++ {
		hazard := fmt.Sprintf("R%d", n)
		require.NotEmpty(t, rows[hazard], hazard)
		named := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(rows[hazard], -1)
		require.True(t, len(named) > 0 || strings.HasPrefix(rows[hazard], "none"), "%s names no test and is not marked none", hazard)
		for _, name := range named {
			require.True(t, tests[name[1]], "%s names %s, which does not exist", hazard, name[1])
			delete(unnamed, name[1])
		}
	}
	for name := range unnamed {
		require.False(t, strings.HasPrefix(name, "r"), "%s is in no row", name)
	}
}

// testNames are the tests of this package and of the recreate, and the cases of TestBuild by their own names.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	cases, err := filepath.Glob("testdata/build/*.in.json")
	require.NoError(t, err)
	for _, file := range cases {
		names[strings.TrimSuffix(filepath.Base(file), ".in.json")] = true
	}
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	theirs, err := filepath.Glob("../*_test.go")
	require.NoError(t, err)
	for _, file := range append(files, theirs...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			names[found[1]] = true
		}
	}
	return names
}

// TestPageListsKnown keeps the list of known differences in docs/recreate.md equal to the code's; -update writes it.
func TestPageListsKnown(t *testing.T) {
	const begin, end = "<!-- known: begin -->\n", "<!-- known: end -->"
	var list strings.Builder
	list.WriteString("| field | why a difference is as it should be |\n|---|---|\n")
	byWhy, order := map[string][]string{}, []string(nil)
	for _, e := range Known() {
		if byWhy[e.Why] == nil {
			order = append(order, e.Why)
		}
		byWhy[e.Why] = append(byWhy[e.Why], "`"+e.Field+"`")
	}
	for _, why := range order {
		fmt.Fprintf(&list, "| %s | %s |\n", strings.Join(byWhy[why], ", "), why)
	}
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(raw), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want := before + begin + list.String() + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(raw), "run the test with -update")
}
