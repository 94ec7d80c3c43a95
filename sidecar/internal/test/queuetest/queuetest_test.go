package queuetest_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/queuetest"
)

// The servers end with the test: no process listens any more, and no folder is left.
func TestServersEndWithTheTest(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var addresses []string
	t.Run("servers", func(t *testing.T) {
		r := queuetest.RabbitMQ(t)
		r.Declare(t, "/", "q")
		r.Publish(t, "/", "q", "1", "2")
		r.Restart(t)
		require.Equal(t, 2, r.Count(t, "/", "q"), "confirmed messages survive")
		redis := queuetest.Redis(t, nil)
		redis.Do(t, 0, "RPUSH", "l", 1)
		redis.Restart(t)
		require.Equal(t, int64(1), redis.Do(t, 0, "LLEN", "l"))
		prometheus := queuetest.Prometheus(t)
		addresses = []string{r.Address, r.ManagementAddress, redis.Address, prometheus.Address}
	})
	if len(addresses) == 0 {
		t.Skip("a server is missing, see the subtest")
	}
	for _, address := range addresses {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		require.Error(t, err, "%s still listens", address)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
