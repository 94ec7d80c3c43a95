package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	fileName = "checkpoint.json"
	lockName = "lock"
)

// ErrInUse means that another worker has locked the directory. Two workers with one checkpoint would each count the other's chunks as its
// own: `docker compose up --scale` with one named volume does exactly that.
var ErrInUse = errors.New("another worker uses this directory: give each worker a volume of its own")

// Store is a directory with one checkpoint in it, locked by this process until Close or its end.
type Store struct {
	dir  string
	lock *os.File
}

// Open creates the directory if necessary, locks it, and tries to write in it. The errors are those of the file system, or ErrInUse.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return &Store{dir: dir, lock: lock}, nil
}

// Close unlocks the directory.
func (s *Store) Close() error { return s.lock.Close() }

// Load reads the checkpoint. Without a checkpoint it returns nil and no error. For an invalid one it returns a *Damaged error, and the
// caller should use SetAside; any other error is the file system's.
func (s *Store) Load() (*State, error) {
	text, err := os.ReadFile(s.path())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state, err := decode(text)
	if err != nil {
		return nil, &Damaged{Path: s.path(), Why: err}
	}
	return &state, nil
}

// Damaged is the error of a checkpoint that exists and cannot be used.
type Damaged struct {
	Path string
	Why  error
}

func (d *Damaged) Error() string { return fmt.Sprintf("checkpoint %s: %v", d.Path, d.Why) }

func (d *Damaged) Unwrap() error { return d.Why }

// SetAside renames the checkpoint, so that the next Save does not replace it and an operator can inspect it, and returns the new path. Only
// the latest one of each suffix is kept.
func (s *Store) SetAside(suffix string) (string, error) {
	to := s.path() + "." + suffix
	if err := os.Rename(s.path(), to); err != nil {
		return "", err
	}
	return to, s.syncDir()
}

// Save replaces the checkpoint atomically. When it returns nil the state survives a crash of the host. When it fails or the process is
// killed during it, the checkpoint is the old or the new one. It is not safe for concurrent use.
func (s *Store) Save(state State) error {
	text, err := encode(state)
	if err != nil {
		return err
	}
	next := s.path() + ".next"
	if err := writeSynced(next, text); err != nil {
		return err
	}
	if err := os.Rename(next, s.path()); err != nil {
		return err
	}
	return s.syncDir()
}

func writeSynced(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (s *Store) syncDir() error {
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (s *Store) path() string { return filepath.Join(s.dir, fileName) }
