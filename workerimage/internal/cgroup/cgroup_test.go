package cgroup

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	tests := []struct {
		name    string
		files   map[string]string
		cpus    float64 // 0 is none
		memory  uint64  // 0 is none
		threads int     // of 8
	}{
		{
			name: "v2 in a container",
			files: map[string]string{
				"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n", "sys/fs/cgroup/memory.max": "67108864\n",
			},
			cpus: 0.5, memory: 64 << 20, threads: 1,
		},
		{
			name:    "v2 without limits",
			files:   map[string]string{"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n"},
			threads: 8,
		},
		{
			name: "v2 with the host's cgroup namespace",
			files: map[string]string{
				"proc/self/cgroup": "0::/system.slice/docker-1.scope\n", "sys/fs/cgroup/cpu.stat": "",
				"sys/fs/cgroup/system.slice/docker-1.scope/cpu.max": "250000 100000\n",
			},
			cpus: 2.5, threads: 3,
		},
		{
			name: "v1 in a container",
			files: map[string]string{
				"proc/self/cgroup":                           "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n0::/docker/1\n",
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us":         "125000\n",
				"sys/fs/cgroup/cpu/cpu.cfs_period_us":        "100000\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "1048576\n",
			},
			cpus: 1.25, memory: 1 << 20, threads: 2,
		},
		{
			name: "v1 without limits",
			files: map[string]string{
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us":         "-1\n",
				"sys/fs/cgroup/cpu/cpu.cfs_period_us":        "100000\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			},
			threads: 8,
		},
		{
			name:  "more quota than CPUs",
			files: map[string]string{"sys/fs/cgroup/cpu.max": "6400000 100000\n"},
			cpus:  64, threads: 8,
		},
		{name: "nothing mounted", threads: 8},
		{name: "empty file", files: map[string]string{"sys/fs/cgroup/cpu.max": ""}, threads: 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			cpus, limited := CPUs(root)
			require.InDelta(t, tt.cpus, cpus, 1e-9)
			require.Equal(t, tt.cpus > 0, limited)
			memory, limited := Memory(root)
			require.Equal(t, tt.memory > 0, limited)
			if limited {
				require.Equal(t, tt.memory, memory)
			}
			require.Equal(t, tt.threads, Threads(root, 8))
		})
	}
}
