package metrics

import (
	"os"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/stretchr/testify/require"
)

const (
	statOfSelf = "4711 (a (b) c) 1 2\n) S 1 4711 4711 0 -1 4194560 1234 0 0 0 250 50 0 0 20 0 9 0 12345 1300000000 2048 18446744073709551615 1 1\n"
	statOfAll  = "cpu  1 2 3\nintr 5 6\nctxt 7\nbtime 1795521660\nprocesses 8\n"
)

func procOf(self, all string) fstest.MapFS {
	return fstest.MapFS{
		"self/stat": {Data: []byte(self)}, "stat": {Data: []byte(all)}, "self/fd/0": {}, "self/fd/1": {}, "self/fd/2": {}, "self/fd/3": {},
	}
}

func TestAProcessIsReadFromProc(t *testing.T) {
	t.Parallel()
	p, ok := readProcess(procOf(statOfSelf, statOfAll))
	require.True(t, ok)
	require.InDelta(t, 3, p.cpuSeconds, 1e-9)
	require.InDelta(t, 2048*os.Getpagesize(), p.resident, 1e-9)
	require.InDelta(t, 1795521660+123.45, p.began, 1e-3)
	require.InDelta(t, 3, p.openFiles, 1e-9)
}

func TestAProcThatIsNotOneTellsNothing(t *testing.T) {
	t.Parallel()
	noFiles := procOf(statOfSelf, statOfAll)
	for _, name := range []string{"self/fd/0", "self/fd/1", "self/fd/2", "self/fd/3"} {
		delete(noFiles, name)
	}
	for name, proc := range map[string]fstest.MapFS{
		"empty":         {},
		"empty line":    procOf("", statOfAll),
		"short line":    procOf("1 (a) S 1 2 3\n", statOfAll),
		"not a number":  procOf("1 (a) S 1 4711 4711 0 -1 4194560 1234 0 0 0 x 50 0 0 20 0 9 0 12345 1300000000 2048\n", statOfAll),
		"negative":      procOf("1 (a) S 1 4711 4711 0 -1 4194560 1234 0 0 0 -1 50 0 0 20 0 9 0 12345 1300000000 2048\n", statOfAll),
		"no boot time":  procOf(statOfSelf, "cpu 1\n"),
		"odd boot time": procOf(statOfSelf, "btime soon\n"),
		"no files":      noFiles,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, ok := readProcess(proc)
			require.False(t, ok)
		})
	}
}

// Prometheus' own client, asked at the same moment, tells the same of this process.
func TestTheClientTellsTheSameOfThisProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc to read on " + runtime.GOOS)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	families, err := registry.Gather()
	require.NoError(t, err)
	theirs := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		theirs[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	mine := map[string]float64{}
	for _, f := range judged(t, newStage().scrape(t)) {
		m := f.GetMetric()[0]
		mine[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	const mega = 1 << 20
	for name, tolerance := range map[string]float64{
		"process_start_time_seconds": 1e-6, "process_cpu_seconds_total": 5, "process_resident_memory_bytes": 256 * mega,
		"process_open_fds": 50, "go_goroutines": 1000, "go_memstats_heap_inuse_bytes": 256 * mega,
	} {
		require.Positive(t, mine[name], name)
		require.InDelta(t, theirs[name], mine[name], tolerance, name)
	}
}
