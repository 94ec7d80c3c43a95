package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxLine bounds one line in memory. An inspect has some ten kilobytes; a file without a line end must not fill the memory.
const maxLine = 16 << 20

// The reasons why a file cannot be used.
var (
	errNewer   = errors.New("written by a newer version")
	errNotFile = errors.New("not a regular file")
	errChanged = errors.New("truncated, extended or deleted by another program")
)

// handEdited is written in place of the checksum of a line that an operator changed: such a line is accepted unchecked.
const handEdited = "-"

// appendLine adds one line with its checksum to text. The JSON must not hold a line end.
func appendLine(text, json []byte) []byte {
	text = fmt.Appendf(text, "%08x ", crc32.ChecksumIEEE(json))
	text = append(text, json...)
	return append(text, '\n')
}

// payload returns the JSON of a line, or false if the line is damaged.
func payload(line []byte) ([]byte, bool) {
	sum, json, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return nil, false
	}
	return json, string(sum) == handEdited || string(sum) == fmt.Sprintf("%08x", crc32.ChecksumIEEE(json))
}

// reader receives the lines of a file in order.
type reader interface {
	line(json []byte) error // an error counts the line as damaged; errNewer ends the reading
	damaged()               // a line could not be read
}

// lineFile is an append-only file of lines. Only one process may have it open.
type lineFile struct {
	path string
	file *os.File
	size int64
}

// openLines opens the file at path, creates it if it is missing, and passes its lines to r. A file with damaged lines is replaced by one
// without them; note is one line about that. The damaged file is kept under another name, unless the only damage is a last line that was
// cut off.
func openLines(path string, r reader) (l *lineFile, note string, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, "", err
	}
	found, err := scan(file, r)
	if err != nil {
		_ = file.Close()
		return nil, "", err
	}
	l = &lineFile{path: path, file: file, size: found.size}
	if found.damaged == 0 && !found.cutOff {
		return l, "", nil
	}
	note, err = l.repair(found)
	if err != nil {
		l.close()
		return nil, "", err
	}
	return l, note, nil
}

// repair replaces the file by its intact lines.
func (l *lineFile) repair(found scanned) (note string, err error) {
	name := filepath.Base(l.path)
	switch {
	case found.damaged == 0: // only the final line end is missing
	case found.damaged == 1 && found.cutOff && found.lines > 1:
		note = fmt.Sprintf("the last line of %s was cut off, by a crash or a power cut, and is dropped", name)
	default:
		aside, err := keepCopy(l.path)
		if err != nil {
			return "", fmt.Errorf("keep the damaged %s under another name: %w", name, err)
		}
		note = fmt.Sprintf("%d of %d lines of %s were damaged and are dropped: see %s, repair or delete it",
			found.damaged, found.lines, name, aside)
	}
	return note, l.replace(found.intact)
}

// scanned is the result of reading a file.
type scanned struct {
	lines, damaged int
	cutOff         bool   // the last line has no end
	intact         []byte // the intact lines; set once there is a damaged one
	size           int64
}

func scan(file io.ReadSeeker, r reader) (scanned, error) {
	var found scanned
	in := bufio.NewReaderSize(file, 64<<10)
	for {
		line, length, err := readLine(in)
		if errors.Is(err, io.EOF) && length == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return found, err
		}
		found.size += length
		found.cutOff = err != nil
		json := bytes.TrimRight(line, "\r\n")
		if len(json) == 0 && line != nil {
			continue
		}
		found.lines++
		json, ok := payload(json)
		if ok {
			err := r.line(json)
			if errors.Is(err, errNewer) {
				return found, err
			}
			ok = err == nil
		}
		if !ok {
			found.damaged++
			r.damaged()
			continue
		}
		found.intact = append(append(found.intact, bytes.TrimRight(line, "\r\n")...), '\n')
	}
	return found, nil
}

// readLine returns the next line and its length in the file. The line is nil if it is too long. At the end of the file the error
// is io.EOF, together with the last line if that has no end.
func readLine(in *bufio.Reader) (line []byte, length int64, err error) {
	line = []byte{}
	for {
		part, err := in.ReadSlice('\n')
		length += int64(len(part))
		if line != nil && len(line)+len(part) <= maxLine {
			line = append(line, part...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, length, err
		}
	}
}

// append writes text at the end, and waits until it is on disk if sync is set. After an error the file must be closed and opened again: the
// kernel may have dropped the data that it could not write, and report success for the next fsync.
func (l *lineFile) append(text []byte, sync bool) error {
	if len(text) == 0 {
		return nil
	}
	if _, err := l.file.Write(text); err != nil {
		_ = l.file.Truncate(l.size) // a part of a line is useless
		return err
	}
	l.size += int64(len(text))
	if sync {
		if err := l.file.Sync(); err != nil {
			return err
		}
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); info.Size() != l.size || ok && stat.Nlink == 0 {
		return fmt.Errorf("%s was %w", filepath.Base(l.path), errChanged)
	}
	return nil
}

// replace replaces the content of the file atomically: after a crash the file has the old content or the new one.
func (l *lineFile) replace(text []byte) error {
	path := l.path + ".new"
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync())
	if err == nil {
		err = os.Rename(path, l.path)
	}
	if err != nil {
		_ = file.Close()
		_ = os.Remove(path)
		return err
	}
	syncDir(filepath.Dir(l.path))
	l.close()
	l.file, l.size = file, int64(len(text))
	return nil
}

func (l *lineFile) close() { _ = l.file.Close() }

// openRegular opens the file for reading and appending, and creates it if it is missing.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %w", path, errNotFile)
	}
	isNew := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if isNew {
		syncDir(filepath.Dir(path))
	}
	return file, nil
}

// syncDir writes a new name in dir to disk. Some file systems do not support that, and write it later.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// keepCopy gives the file at path a second name, which it returns. It replaces no other file.
func keepCopy(path string) (string, error) {
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
		if os.Link(path, aside) == nil {
			return aside, nil
		}
		return aside, os.Rename(path, aside) // for a file system without hard links
	}
}
