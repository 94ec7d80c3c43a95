package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// lockName is a file that each user of the directory locks. It is empty, and is not removed.
const lockName = "lock"

// lockTimeout is the time to wait for another Stoker to end before this one continues in memory.
const lockTimeout = time.Second

var errLocked = errors.New("in use by another process")

// slack is the size beyond twice the live data at which the journal's file is compacted.
const slack = 1 << 20

// store is the open files of a state directory.
type store struct {
	lock     *os.File
	states   *lineFile
	events   *lineFile
	written  map[worker.Key]image
	mark     worker.Bookmark
	live     int64    // the workers' approximate size in a file without old lines
	compact  int64    // the size at which the file is compacted
	eventIDs []uint64 // in the history's file, ascending

	eventsLive int64 // the size of the history's file when it was last rewritten; 0 before
}

// opened is a ready store, and the content of the directory.
type opened struct {
	store    *store
	images   map[worker.Key]image
	mark     worker.Bookmark
	markBack bool // the file holds a later bookmark, which must not be used
	history  []event
	note     string // about damaged lines; empty if there were none
}

// openStore opens the journal in dir, and creates the directory and the files if they are missing.
func openStore(dir string) (o opened, err error) {
	s := &store{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return opened{}, err
	}
	if s.lock, err = lockDir(dir); err != nil {
		return opened{}, err
	}
	found, past := newStates(), &pastEvents{}
	var notes [2]string
	if s.states, notes[0], err = openLines(filepath.Join(dir, FileName), found); err != nil {
		return opened{}, err
	}
	if s.events, notes[1], err = openLines(filepath.Join(dir, HistoryName), past); err != nil {
		return opened{}, err
	}
	s.written, s.mark = make(map[worker.Key]image, len(found.images)), found.mark
	for key, img := range found.images {
		s.written[key] = img
		s.live += img.size()
	}
	for _, e := range past.events {
		s.eventIDs = append(s.eventIDs, e.id)
	}
	s.compact = slack + 2*s.live
	return opened{
		store: s, images: found.images, mark: found.mark, markBack: found.broken, history: past.events,
		note: strings.Trim(strings.Join(notes[:], "; "), "; "),
	}, nil
}

// lockDir locks dir against other Stokers. The lock ends with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	const pause = 50 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		if waited >= lockTimeout {
			_ = file.Close()
			return nil, errLocked
		}
		time.Sleep(pause)
	}
}

// write appends b's changes, with one fsync; nothing if the file has them already. It reports whether it wrote.
func (s *store) write(b batch) (bool, error) {
	var text []byte
	if s.states.size == 0 {
		text = appendHead(text)
	}
	head := len(text)
	for _, c := range b.changes { // a crash in the middle leaves a worker too many, not one too few
		if had, ok := s.written[c.key]; !c.gone && (!ok || !had.equal(c.img)) {
			text = appendImage(text, c.key, c.img, had)
		}
	}
	for _, c := range b.changes {
		if _, ok := s.written[c.key]; c.gone && ok {
			text = appendLine(text, mustMarshal(c.key, `{"forget":%s}`))
		}
	}
	if b.mark != nil {
		var err error
		if text, err = appendBookmark(text, *b.mark); err != nil { // after the changes: see Mark
			return false, err
		}
	}
	if len(text) == head {
		return false, nil
	}
	if err := s.states.append(text, true); err != nil {
		return true, err
	}
	s.note(b)
	return true, nil
}

// note records the file's current content.
func (s *store) note(b batch) {
	for _, c := range b.changes {
		if had, ok := s.written[c.key]; ok {
			s.live -= had.size()
		}
		delete(s.written, c.key)
		if !c.gone {
			s.written[c.key] = c.img
			s.live += c.img.size()
		}
	}
	if b.mark != nil {
		s.mark = *b.mark
	}
}

// tidy compacts the journal's file when most of it is old lines. A failure is ignored: the old file is still valid, and the next write
// reports more.
func (s *store) tidy() {
	if s.states.size < s.compact {
		return
	}
	if text, err := appendAll(nil, s.written, s.mark); err == nil && s.states.replace(text) == nil {
		s.compact = slack + 2*s.live
		return
	}
	s.compact = s.states.size + slack
}

// close closes the files and releases the lock.
func (s *store) close() {
	if s.states != nil {
		s.states.close()
	}
	if s.events != nil {
		_ = s.events.file.Sync()
		s.events.close()
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

// isPermanent reports whether a failure to open can only end with a restart of Stoker.
func isPermanent(err error) bool {
	return errors.Is(err, errNewer)
}

// explain returns err in one line, with what to do.
func explain(dir string, err error) string {
	const until = "; until then Stoker remembers in memory only"
	switch {
	case errors.Is(err, errLocked):
		return fmt.Sprintf("another Stoker uses the journal in %s: give each its own STOKER_STATE_DIR%s", dir, until)
	case errors.Is(err, errNewer):
		return fmt.Sprintf("the journal in %s was %v and is left untouched: use that version, or move %s and %s away; "+
			"until a restart Stoker remembers in memory only", dir, err, FileName, HistoryName)
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
