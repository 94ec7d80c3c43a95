package journal

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// The evidence of a heal is dropped long before its event: the file must not keep data that is never read again.
func TestHistoryWithDroppedEvidenceIsRewritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		large := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
		var last atomic.Uint64
		j.Source(func(after uint64, limit int) (uint64, []uint64, [][]byte) {
			var ids []uint64
			var records [][]byte
			for id := after + 1; id <= last.Load() && len(ids) < limit; id++ {
				record := []byte(`"dropped"`)
				if last.Load()-id < 2 { // the newest are still kept
					record = large
				}
				ids, records = append(ids, id), append(records, record)
			}
			return 0, ids, records
		})
		for range 40 {
			last.Add(1)
			j.Notify()
			synctest.Wait()
		}
		closeIt(t, j)
		require.Less(t, historySize(t, dir), int64(historySlack)/2, "40 MB were written")
		j = open(t, dir)
		require.Len(t, j.History(), 40, "no event is lost")
		closeIt(t, j)
	})
}

func historySize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, HistoryName))
	require.NoError(t, err)
	return info.Size()
}
