package zones

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write zones.tar.gz from the Go distribution's zones")

// The archive has every zone that the Go distribution has, and each is one that package time can read.
func TestZonesAreThoseOfGo(t *testing.T) {
	t.Parallel()
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	source, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(goroot)), "lib", "time", "zoneinfo.zip"))
	require.NoError(t, err)
	defer func() { require.NoError(t, source.Close()) }()
	if *update {
		require.NoError(t, os.WriteFile("zones.tar.gz", pack(t, source.File), 0o644))
		return
	}
	zones, err := unpack()
	require.NoError(t, err)
	for _, file := range source.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		require.Contains(t, zones, file.Name, "run go test ./sidecar/internal/zones -update")
		_, err := time.LoadLocationFromTZData(file.Name, []byte(zones[file.Name]))
		require.NoError(t, err)
	}
}

// A name that is no zone is what package time takes for one that does not exist.
func TestFind(t *testing.T) {
	t.Parallel()
	find := finder()
	zone, err := find("Europe/Rome")
	require.NoError(t, err)
	rome, err := time.LoadLocationFromTZData("Europe/Rome", []byte(zone))
	require.NoError(t, err)
	require.Equal(t, 14, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(rome).Hour())
	_, err = find("Europe/Rom")
	require.ErrorIs(t, err, syscall.ENOENT)
}

// Package time has a place for the database. The linker refuses a program if it does not.
func TestRegister(t *testing.T) {
	Register()
	_, err := time.LoadLocation("Nowhere/Land")
	require.Error(t, err)
}

// pack is reproducible: no times, no owners.
func pack(t *testing.T, from []*zip.File) []byte {
	var out bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	require.NoError(t, err)
	files := tar.NewWriter(compressed)
	for _, file := range from {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		read, err := file.Open()
		require.NoError(t, err)
		zone, err := io.ReadAll(read)
		require.NoError(t, err)
		require.NoError(t, files.WriteHeader(&tar.Header{Name: file.Name, Mode: 0o644, Size: int64(len(zone))}))
		_, err = files.Write(zone)
		require.NoError(t, err)
	}
	require.NoError(t, files.Close())
	require.NoError(t, compressed.Close())
	return out.Bytes()
}
