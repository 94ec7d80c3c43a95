package settings

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQueue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "queue")
	require.NoError(t, os.WriteFile(file, []byte("redis://:p@h?list=q\n"), 0o600))
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	lookup := func(values map[string]string) Lookup {
		return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
	}
	for name, tc := range map[string]struct {
		values map[string]string
		queue  string
		fails  bool
	}{
		"none":              {},
		"empty":             {values: map[string]string{"WORKER_QUEUE": " "}},
		"named":             {values: map[string]string{"WORKER_QUEUE": "amqp://h?queue=q"}, queue: `amqp queue "q" at h:5672`},
		"in a file":         {values: map[string]string{"WORKER_QUEUE_FILE": file}, queue: `redis queue "q" at h:6379`},
		"both":              {values: map[string]string{"WORKER_QUEUE_FILE": file, "WORKER_QUEUE": "amqp://u:secret@h?queue=q"}, fails: true},
		"bad":               {values: map[string]string{"WORKER_QUEUE": "amqp://u:secret@h"}, fails: true},
		"no file":           {values: map[string]string{"WORKER_QUEUE_FILE": file + ".no"}, fails: true},
		"nothing in a file": {values: map[string]string{"WORKER_QUEUE_FILE": empty}, fails: true},
		"a short lease":     {values: map[string]string{"WORKER_LEASE": "1ms"}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Read(lookup(tc.values))
			if tc.fails {
				require.Error(t, err)
				require.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			if tc.queue == "" {
				require.Nil(t, set.Queue)
				return
			}
			require.Equal(t, tc.queue, set.Queue.String())
			require.Equal(t, 15*time.Second, set.Lease)
			require.NotEmpty(t, set.Name)
		})
	}
}
