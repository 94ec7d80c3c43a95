package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// opened is a store that is ready, and what was in the directory.
type opened struct {
	store   *store
	found   found
	movedTo string // where a damaged file went; empty when there was none
}

// note is the line about a damaged file, empty when there was none.
func (o opened) note() string {
	if o.movedTo == "" {
		return ""
	}
	return fmt.Sprintf("the journal was damaged: kept as %s for you to look at or delete, %d workers saved into a new one",
		o.movedTo, len(o.found.images))
}

// openStore opens the journal in dir. A damaged file is moved aside, and a new one takes its place with whatever could
// still be read to be written to it.
func openStore(dir string) (opened, error) {
	file, err := lockFile(dir)
	if err != nil {
		return opened{}, err
	}
	s, got, err := openLocked(file)
	if err == nil && got.damaged == 0 {
		return opened{store: s, found: got}, nil
	}
	if err != nil && !errors.Is(err, errDamaged) {
		release(file)
		return opened{}, err
	}
	movedTo, err := moveAside(dir) // while the lock is held, so that no other Stoker moves the new one
	if s != nil {
		s.close()
	}
	release(file)
	if err != nil {
		return opened{}, fmt.Errorf("move the damaged journal aside: %w", err)
	}
	if file, err = lockFile(dir); err != nil {
		return opened{}, err
	}
	s, _, err = openLocked(file)
	if err != nil {
		release(file)
		return opened{}, err
	}
	return opened{store: s, found: got.orEmpty(), movedTo: movedTo}, nil
}

// openLocked looks at the file's pages first, because bbolt would follow broken ones anywhere, also round in circles.
func openLocked(file *os.File) (*store, found, error) {
	if err := checkPages(file); err != nil {
		return nil, found{}, err
	}
	return openIn(file)
}

func (f found) orEmpty() found {
	if f.images == nil {
		f.images = map[worker.Key]image{}
	}
	return f
}

// lockFile makes dir and the file if need be, and opens and locks the file that has the name once the lock is held:
// another Stoker may move a damaged one aside while this one waits.
func lockFile(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	for {
		file, isNew, err := openRegular(path)
		if err != nil {
			return nil, err
		}
		if err := lock(file); err != nil {
			release(file)
			return nil, err
		}
		if sameFile(file, path) {
			if isNew {
				syncDir(dir)
			}
			return file, nil
		}
		release(file)
	}
}

func openRegular(path string) (file *os.File, isNew bool, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("%s is %w", path, errNotFile)
	} else if errors.Is(err, fs.ErrNotExist) {
		isNew = true
	}
	file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	return file, isNew, err
}

// lock takes the lock that bbolt takes too: on the same open file it is one lock.
func lock(file *os.File) error {
	const pause = 50 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", file.Name(), err)
		case waited >= lockTimeout:
			return errLocked
		}
		time.Sleep(pause)
	}
}

// release unlocks and closes a file; once more is harmless.
func release(file *os.File) {
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.Flock(int(fd), syscall.LOCK_UN) })
	}
	_ = file.Close()
}

func sameFile(file *os.File, path string) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(mine, named)
}

// syncDir makes a new name in dir last. Not every file system can; then the name lasts when the file system says so.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// moveAside gives the journal in dir another name and returns it. It replaces no other file.
func moveAside(dir string) (string, error) {
	path := filepath.Join(dir, FileName)
	base := path + ".corrupt-" + time.Now().UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		aside := base
		if n > 1 {
			aside = fmt.Sprintf("%s-%d", base, n)
		}
		if _, err := os.Lstat(aside); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return aside, os.Rename(path, aside)
	}
}

// isForGood reports whether a failure to open can only end with a restart of Stoker.
func isForGood(err error) bool {
	return errors.Is(err, errNewer)
}

// explain is err in one line that says what to do.
func explain(dir string, err error) string {
	const until = "; until then Stoker remembers in memory only"
	switch {
	case errors.Is(err, errLocked):
		return fmt.Sprintf("another Stoker uses the journal in %s: give each its own STOKER_STATE_DIR%s", dir, until)
	case errors.Is(err, errNewer):
		return fmt.Sprintf("the journal in %s is of a newer Stoker (left untouched): use that version, or move %s away; "+
			"until a restart Stoker remembers in memory only", dir, FileName)
	case errors.Is(err, errNotFile):
		return fmt.Sprintf("%v: move it away%s", err, until)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s cannot be written by user %d (%v): mount a writable volume there or set STOKER_STATE_DIR%s",
			dir, os.Getuid(), err, until)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Sprintf("no space left for the journal in %s (%v): make room%s", dir, err, until)
	}
	return fmt.Sprintf("the journal in %s cannot be used (%v): check the directory or set STOKER_STATE_DIR%s", dir, err, until)
}
