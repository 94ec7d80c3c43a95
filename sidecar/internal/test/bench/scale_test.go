package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadBenchmarks(t *testing.T) {
	got := readBenchmarks(`goos: linux
BenchmarkScale/crash/10000-2         	   54321	     21000 ns/op
BenchmarkScale/memory/10000   	       3	       123 ns/op	       165.5 MiB
PASS
ok  	stoker/sidecar/internal/core/fleet	9.043s`)
	require.Equal(t, map[string]measurement{
		"Scale/crash/10000":  {"ns/op": 21000},
		"Scale/memory/10000": {"ns/op": 123, "MiB": 165.5},
	}, got)
}

func TestScaleRowsNeedsEachMeasurement(t *testing.T) {
	_, err := scaleRows(map[string]measurement{})
	require.ErrorContains(t, err, "printed no ns/op of Scale/crash with 100 workers")
}

func TestRow(t *testing.T) {
	require.Equal(t, "| a | 100ms | 105ms | 1.05x | 1.05x |", row{name: "a", raw: 100 * time.Millisecond, stoker: 105 * time.Millisecond, aim: 1.05}.String())
	require.Equal(t, "| b | 2ms | 1.5ms | 0.75x | 2 ms |",
		row{name: "b", raw: 2 * time.Millisecond, stoker: 1504 * time.Microsecond, bound: "2 ms", fine: true}.String())
	require.Equal(t, "| c | – | 3 | – | 4 |", row{name: "c", fact: "3", bound: "4"}.String())
}
