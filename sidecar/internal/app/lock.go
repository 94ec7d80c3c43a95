package app

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockStateDir ensures that no other Stoker of this host and scope uses the state directory: two of them would undo each other's work. The
// lock ends with the process, or when the file is closed. A directory that cannot be written cannot be locked: then the file is nil.
func lockStateDir(dir, scope string) (*os.File, error) {
	host, _ := os.Hostname() // without one the scope alone is in the name
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", host, scope))
	file, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("stoker-%x.lock", sum[:4])), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // the journal reports a directory that cannot be written
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		_ = file.Close()
		return nil, errors.New("another Stoker with this host name, state directory and scope runs here: stop it, or set a different STOKER_STATE_DIR for one")
	}
	return file, nil
}

// unlockStateDir releases the lock itself, not only this descriptor: a child process that was just forked holds another descriptor until it
// executes its program.
func unlockStateDir(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}
