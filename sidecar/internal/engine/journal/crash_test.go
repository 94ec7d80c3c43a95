package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test binary starts itself as a child process that can be killed or run out of space.
func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv("JOURNAL_WRITE_UNTIL_KILLED"); ok {
		writeUntilKilled(dir)
	}
	if dir, ok := os.LookupEnv("JOURNAL_WRITE_WITHOUT_SPACE"); ok {
		writeWithoutSpace(dir)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, variable, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), variable+"="+dir)
	return cmd
}

// writeUntilKilled counts up in one worker's attempts and prints each number once Sync has returned.
func writeUntilKilled(dir string) {
	j, report := Open(dir, Options{})
	known, _ := j.Load()
	if !report.Persistent {
		fmt.Println("problem:", report.Problem)
		os.Exit(1)
	}
	for n := known["w"].Budget.Attempts + 1; ; n++ {
		mem := newWorker("w")
		mem.Budget.Attempts = n
		mem.Definition = filled(n, n%5*3000)
		j.Put(mem)
		other := newWorker(fmt.Sprintf("other-%d", n%30))
		j.Put(other)
		if err := j.Sync(context.Background()); err != nil {
			fmt.Println("problem:", err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// Killed at any moment, the next run finds an intact file with everything that was synced.
func TestKilledInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	last := 0
	for round := range 8 {
		cmd := child(t, "JOURNAL_WRITE_UNTIL_KILLED", dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for count := 0; lines.Scan(); count++ {
			n, err := strconv.Atoi(lines.Text())
			require.NoError(t, err, lines.Text())
			last = n
			if count == 5+round*7 {
				require.NoError(t, cmd.Process.Kill()) // and read on: printed numbers still count
			}
		}
		require.Error(t, cmd.Wait())

		j, report := Open(dir, Options{})
		require.True(t, report.Persistent)
		aside, err := filepath.Glob(filepath.Join(dir, "*corrupt*"))
		require.NoError(t, err)
		require.Empty(t, aside, "the end of the file may be cut off, and nothing else: %s", report.Problem)
		got, _ := j.Load()
		require.GreaterOrEqual(t, got["w"].Budget.Attempts, last)
		require.Len(t, got["w"].Definition, 2+got["w"].Budget.Attempts%5*3000)
		closeIt(t, j)
	}
	require.Positive(t, last)
}

// writeWithoutSpace writes until the file may not grow any more, and prints the journal's reports.
func writeWithoutSpace(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 40 << 10, Max: 40 << 10}); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	j, report := Open(dir, Options{OnProblem: func(p string) { fmt.Println("problem:", p) }})
	fmt.Println("persistent:", report.Persistent)
	for n := range 30 {
		mem := newWorker(fmt.Sprintf("w-%02d", n))
		mem.Definition = filled(0, 3000)
		j.Put(mem)
		if err := j.Sync(context.Background()); err != nil {
			fmt.Println("error:", err)
		}
	}
	known, _ := j.Load()
	fmt.Println("known:", len(known))
	if err := j.Close(context.Background()); err != nil {
		fmt.Println("error:", err)
	}
	os.Exit(0)
}

func TestNoSpaceLeft(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "JOURNAL_WRITE_WITHOUT_SPACE", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 3, "%s", out)
	require.Equal(t, "persistent: true", lines[0])
	slices.Sort(lines[1:]) // the problem is reported by another goroutine
	require.Equal(t, "known: 30", lines[1])
	require.True(t, strings.HasPrefix(lines[2], "problem: "), lines[2])

	got, _ := open(t, dir).Load()
	require.NotEmpty(t, got, "what was written before space ran out is still there")
	require.Less(t, len(got), 30)
	aside, err := filepath.Glob(filepath.Join(dir, "*corrupt*"))
	require.NoError(t, err)
	require.Empty(t, aside)
}
