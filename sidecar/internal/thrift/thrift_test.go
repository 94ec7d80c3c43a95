package thrift

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadOnlyPartsOfTheProgram(t *testing.T) {
	t.Parallel()
	const maps = `00400000-008e8000 r-xp 00000000 fe:00 9978767                            /stoker
008e8000-00e54000 r--p 004e8000 fe:00 9978767                            /stoker
00e54000-00eb3000 rw-p 00a54000 fe:00 9978767                            /stoker
00eb3000-02ef9000 rw-p 00000000 00:00 0
33aeab400000-33aeabc00000 rw-p 00000000 00:00 0
7f852d810000-7f852d910000 r--s 00000000 fe:00 9986225                    /var/lib/stoker/journal.db
7f857469b000-7f85746fb000 r--p 00000000 fe:00 77                         /lib/not/stoker
7ffe4c716000-7ffe4c737000 rw-p 00000000 00:00 0                          [stack]
`
	require.Equal(t, []area{{0x400000, 0x8e8000}, {0x8e8000, 0xe54000}}, readOnly(strings.NewReader(maps), "/stoker"))
	require.Empty(t, readOnly(strings.NewReader("not maps\n\n"), "/stoker"))
}

// The process goes on with fewer pages of its file.
func TestDropProgram(t *testing.T) {
	before := filePages(t)
	dropProgram()
	require.Less(t, filePages(t), before)
}

func TestNoCleanUpWithoutGrowth(t *testing.T) {
	now := resident()
	require.Positive(t, now)
	require.Equal(t, now, cleanUp(now), "it has not grown")
	grown := grow()
	require.Less(t, cleanUp(now), grown, "what is not in use is given back")
}

// grow is how much is resident while more is in use than a clean-up is worth.
func grow() int {
	heap := bytes.Repeat([]byte{1}, 2*worthwhile) // resident, because written to
	defer runtime.KeepAlive(heap)
	return resident()
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Run(ctx)
}

// filePages is RssFile in kB.
func filePages(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(status), "RssFile:")
	require.True(t, ok)
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return n
}
