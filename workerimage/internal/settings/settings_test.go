package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/fault"
	"stoker/workerimage/internal/task"
)

func TestDefaults(t *testing.T) {
	s, err := Read(env(nil))
	require.NoError(t, err)
	require.Equal(t, task.Pow, s.Task.Kind)
	require.Equal(t, task.Span{To: 200_000_000}, s.Task.Range)
	require.Equal(t, "00000", s.Task.Prefix.String())
	require.Equal(t, "/var/lib/worker", s.Checkpoint.Dir)
	require.Equal(t, Heartbeat{Path: "/dev/shm/worker-heartbeat", MaxAge: 10 * time.Second}, s.Heartbeat)
	require.Equal(t, "/dev/shm/worker-fault", s.Faults.File)
	require.Equal(t, []fault.Fault{{Kind: fault.Hang}}, s.Faults.Signal)
	require.Empty(t, s.Faults.Begin)
	require.Zero(t, s.Rounds)
	require.Zero(t, s.Threads)
}

func TestValues(t *testing.T) {
	s, err := Read(env(map[string]string{
		"WORKER_TASK": "squares", "WORKER_RANGE": "1_000-2_000", "WORKER_CHUNK": "10", "WORKER_ROUNDS": "3", "WORKER_THREADS": "2",
		"WORKER_STATE": "off", "WORKER_CHECKPOINT": "50ms", "WORKER_PROGRESS": "1m", "WORKER_FAULT": "crash@30s,exit:2",
		"WORKER_SIGNAL_FAULT": "spin", "WORKER_HEALTH_MAX_AGE": "3s", "WORKER_HEALTH_EFFORT": "100ms", "WORKER_LISTEN": ":8000", "WORKER_HEARTBEAT": "/tmp/beat", "WORKER_FAULT_FILE": "/tmp/fault",
	}))
	require.NoError(t, err)
	require.Equal(t, task.Task{
		Kind: task.Squares, Range: task.Span{From: 1000, To: 2000}, Chunk: 10, Seed: "stoker", Prefix: s.Task.Prefix,
	}, s.Task)
	require.Equal(t, uint64(3), s.Rounds)
	require.Equal(t, 2, s.Threads)
	require.Empty(t, s.Checkpoint.Dir)
	require.Equal(t, 50*time.Millisecond, s.Checkpoint.Every)
	require.Equal(t, time.Minute, s.Progress)
	require.Len(t, s.Faults.Begin, 2)
	require.Equal(t, []fault.Fault{{Kind: fault.Spin}}, s.Faults.Signal)
	require.Equal(t, ":8000", s.Listen)
	require.Equal(t, Heartbeat{Path: "/tmp/beat", MaxAge: 3 * time.Second, Effort: 100 * time.Millisecond}, s.Heartbeat)
}

func TestARangeMayBeOneNumber(t *testing.T) {
	s, err := Read(env(map[string]string{"WORKER_RANGE": "500"}))
	require.NoError(t, err)
	require.Equal(t, task.Span{To: 500}, s.Task.Range)
}

func TestEmptyIsUnset(t *testing.T) {
	s, err := Read(env(map[string]string{"WORKER_RANGE": "", "WORKER_STATE": " ", "WORKER_CHUNK": "", "WORKER_PROGRESS": ""}))
	require.NoError(t, err)
	unset, err := Read(env(nil))
	require.NoError(t, err)
	require.Equal(t, unset, s)
}

func TestOneLinePerProblem(t *testing.T) {
	bad := map[string]string{
		"WORKER_RANGE": "a-b", "WORKER_PREFIX": "xyz", "WORKER_CHUNK": "-1", "WORKER_ROUNDS": "many", "WORKER_THREADS": "5000",
		"WORKER_CHECKPOINT": "soon", "WORKER_PROGRESS": "1ms", "WORKER_HEALTH_MAX_AGE": "1s", "WORKER_FAULT": "explode",
		"WORKER_SIGNAL_FAULT": "exit:x", "WORKER_LISTEN": "8000",
	}
	_, err := Read(env(bad))
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, len(bad))
	for name := range bad {
		require.Contains(t, err.Error(), name+": ")
	}
}

func TestBadTasks(t *testing.T) {
	for name, value := range map[string]string{"WORKER_TASK": "sing", "WORKER_RANGE": "9-9", "WORKER_CHUNK": "0"} {
		_, err := Read(env(map[string]string{name: value}))
		require.Error(t, err, name)
	}
}

func TestTheHealthCheckReadsOnlyItsOwn(t *testing.T) {
	lookup := env(map[string]string{"WORKER_RANGE": "bad", "WORKER_HEALTH_MAX_AGE": "20s"})
	beat, err := ReadHeartbeat(lookup)
	require.NoError(t, err)
	require.Equal(t, 20*time.Second, beat.MaxAge)
	_, err = ReadHeartbeat(env(map[string]string{"WORKER_HEALTH_MAX_AGE": "bad"}))
	require.Error(t, err)
	require.Equal(t, "/dev/shm/worker-fault", ReadFaultFile(lookup))
}

func env(values map[string]string) Lookup {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}
