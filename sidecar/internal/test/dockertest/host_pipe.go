package dockertest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// replaceByPipe puts a pipe in the place of a file, with the file's owner. In the mounts of a rootless container root of the host cannot make a file whose
// owner does not exist in its user namespace (EOVERFLOW). So it is made by a thread that takes on the owner.
func replaceByPipe(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("find the owner: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("find the owner: this system has none")
	}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never given back: the thread ends with its goroutine
		made <- makePipe(path, int(owner.Uid), int(owner.Gid))
	}()
	return <-made
}

func makePipe(path string, uid, gid int) error {
	if _, err := unix.SetfsgidRetGid(gid); err != nil {
		return fmt.Errorf("take the group %d: %w", gid, err)
	}
	if _, err := unix.SetfsuidRetUid(uid); err != nil {
		return fmt.Errorf("take the owner %d: %w", uid, err)
	}
	pipe := path + ".pipe"
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	return os.Rename(pipe, path)
}
