// Package zones is the time zone database, for an image that holds nothing else. It replaces time/tzdata, whose copy is not
// compressed and takes 310 kB more.
package zones

import (
	"archive/tar"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	_ "unsafe" // for go:linkname
)

// Written by go test ./sidecar/internal/zones -update, from the Go distribution.
//
//go:embed zones.tar.gz
var archive string

// Register makes the database what package time reads where the system has none. It must be called before a zone is asked for, the local
// one included.
func Register() { registerLoadFromEmbeddedTZData(finder()) }

// finder returns a function that returns the file of a zone. The archive is unpacked when a zone is first asked for, and then kept: half a
// megabyte.
func finder() func(name string) (string, error) {
	unpacked := sync.OnceValues(unpack)
	return func(name string) (string, error) {
		zones, err := unpacked()
		if err != nil {
			return "", err
		}
		zone, ok := zones[name]
		if !ok {
			return "", syscall.ENOENT // what package time takes for a zone that does not exist
		}
		return zone, nil
	}
}

// Package time leaves this name open to others than time/tzdata.
//
//go:linkname registerLoadFromEmbeddedTZData time.registerLoadFromEmbeddedTZData
func registerLoadFromEmbeddedTZData(load func(name string) (string, error))

// unpack returns the zone files by name.
func unpack() (map[string]string, error) {
	compressed, err := gzip.NewReader(strings.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("unpack the time zones: %w", err)
	}
	zones := map[string]string{}
	for files := tar.NewReader(compressed); ; {
		file, err := files.Next()
		if errors.Is(err, io.EOF) {
			return zones, nil
		}
		if err != nil {
			return nil, fmt.Errorf("unpack the time zones: %w", err)
		}
		var zone strings.Builder
		if _, err = io.Copy(&zone, files); err != nil {
			return nil, fmt.Errorf("unpack the time zone %s: %w", file.Name, err)
		}
		zones[file.Name] = zone.String()
	}
}
