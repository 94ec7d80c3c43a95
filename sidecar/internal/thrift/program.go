package thrift

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// area is a range of addresses.
type area struct{ from, to uintptr }

// dropProgram takes the pages of the program's file out of the process. The code that only the start needs then stays out; what runs
// comes back within microseconds from the kernel's cache. Only pages that cannot be written are dropped: the kernel has them all.
//
// That is not so of a position-independent program: its start writes addresses into pages which it then locks. None is dropped there.
func dropProgram() {
	if !fixed() {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for _, a := range readOnly(maps, exe) {
		// It may fail where a sandbox forbids it; then the pages stay.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, a.from, a.to-a.from, unix.MADV_DONTNEED)
	}
}

// fixed tells whether the program was linked to run at one address only, as Go does unless told otherwise.
func fixed() bool {
	build, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-buildmode", Value: "exe"})
}

// readOnly are the areas of a file in a process's maps that the process cannot write to.
func readOnly(maps io.Reader, file string) []area {
	var found []area
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		line := lines.Text()
		var a area
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &a.from, &a.to, &rights); n == 3 && !strings.Contains(rights, "w") && strings.HasSuffix(line, " "+file) {
			found = append(found, a)
		}
	}
	return found
}
