package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"stoker/sidecar/internal/core/worker"
)

// The file: bucket "meta" holds "version" and "bookmark", "workers" a sealed record for each key, "definitions" the
// sealed definition of a key, so that a change of state does not rewrite it, and "history" a sealed record for each event.
const (
	bucketMeta        = "meta"
	bucketWorkers     = "workers"
	bucketDefinitions = "definitions"
	keyVersion        = "version"
	keyBookmark       = "bookmark"
)

// lockTimeout is how long another Stoker may take to end before this one goes on in memory.
const lockTimeout = time.Second

// version of the file's content. A file of a higher one is left untouched.
const version = 1

// Why a file cannot be used.
var (
	errLocked  = errors.New("in use by another process")
	errNewer   = errors.New("written by a newer version")
	errDamaged = errors.New("damaged")
	errNotFile = errors.New("not a regular file")
)

// store is an open file.
type store struct {
	db      *bbolt.DB
	file    *os.File // the same file as db's
	dead    bool     // bbolt panicked: its locks and its mapping are in an unknown state
	written map[worker.Key]image
	told    uint64 // the highest event that was written
	floor   uint64 // events up to this one were deleted
}

// found is what a file held.
type found struct {
	images  map[worker.Key]image
	mark    worker.Bookmark
	history []event // by ID
	damaged int     // records that could not be read
}

// openIn opens the store in a file that is locked and whose pages are sound, and reads it.
func openIn(file *os.File) (*store, found, error) {
	s := &store{file: file}
	got := found{images: map[worker.Key]image{}}
	err := s.guarded(func() (err error) {
		s.db, err = bbolt.Open(file.Name(), 0o600, &bbolt.Options{
			Timeout:      lockTimeout,
			NoStatistics: true,
			// The same open file as the one that is locked, so that the lock is never let go in between, and so that
			// the file can be closed when bbolt cannot.
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return file, nil },
		})
		if err != nil {
			return asDamage(err)
		}
		if err := s.prepare(); err != nil {
			return err
		}
		return s.db.View(got.read)
	})
	if err != nil {
		s.close()
		return nil, found{}, err
	}
	s.written = make(map[worker.Key]image, len(got.images))
	for key, img := range got.images {
		s.written[key] = img
	}
	if n := len(got.history); n > 0 {
		s.told = got.history[n-1].id
	}
	return s, got, nil
}

// guarded turns a panic or a memory fault in bbolt into errDamaged: its code trusts what it maps.
func (s *store) guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			s.dead = true
			err = fmt.Errorf("%w: %v", errDamaged, fault)
		}
	}()
	return do()
}

// asDamage marks the errors with which bbolt refuses a file for what is in it.
func asDamage(err error) error {
	for _, content := range []error{bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch} {
		if errors.Is(err, content) {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return err
}

// prepare brings the file to this version, or fails without having touched it.
func (s *store) prepare() error {
	var have int
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		have, err = versionOf(tx)
		return err
	})
	switch {
	case err != nil:
		return err
	case have > version:
		return fmt.Errorf("%w (%d, this Stoker knows %d)", errNewer, have, version)
	case have == version:
		return nil
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		for ; have < version; have++ {
			if err := migrations()[have](tx); err != nil {
				return fmt.Errorf("migrate the journal from version %d: %w", have, err)
			}
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyVersion), []byte(strconv.Itoa(version)))
	})
}

// migrations lead from the version that is their index to the next one.
func migrations() [version]func(*bbolt.Tx) error {
	return [version]func(*bbolt.Tx) error{
		func(tx *bbolt.Tx) error { // a new file
			for _, name := range []string{bucketMeta, bucketWorkers, bucketDefinitions} {
				if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// versionOf is 0 for an empty file, and an error for a file that is no journal of any version.
func versionOf(tx *bbolt.Tx) (int, error) {
	if name, _ := tx.Cursor().First(); name == nil {
		return 0, nil
	}
	meta := tx.Bucket([]byte(bucketMeta))
	if meta == nil {
		return 0, fmt.Errorf("%w: no journal, but something else", errDamaged)
	}
	have, err := strconv.Atoi(string(meta.Get([]byte(keyVersion))))
	if err != nil || have < 1 {
		return 0, fmt.Errorf("%w: no version in it", errDamaged)
	}
	if have == version && (tx.Bucket([]byte(bucketWorkers)) == nil || tx.Bucket([]byte(bucketDefinitions)) == nil) {
		return 0, fmt.Errorf("%w: a part of it is missing", errDamaged)
	}
	return have, nil
}

// read takes everything out of tx that can be read, and counts the rest.
func (f *found) read(tx *bbolt.Tx) error {
	definitions := tx.Bucket([]byte(bucketDefinitions))
	err := tx.Bucket([]byte(bucketWorkers)).ForEach(func(k, v []byte) error {
		key := worker.Key(k)
		img, err := readImage(key, v, definitions.Get(k))
		if err != nil {
			f.damaged++
			return nil
		}
		f.images[key] = img
		return nil
	})
	if err != nil {
		return err
	}
	if err := f.readHistory(tx); err != nil {
		return err
	}
	if sealed := tx.Bucket([]byte(bucketMeta)).Get([]byte(keyBookmark)); sealed != nil {
		value, err := unseal(keyBookmark, sealed)
		if err != nil || json.Unmarshal(value, &f.mark) != nil {
			f.mark = worker.Bookmark{}
			f.damaged++
		}
	}
	return nil
}

// readImage fails unless the record and the definition are both whole and belong together.
func readImage(key worker.Key, sealed, sealedDefinition []byte) (image, error) {
	var img image
	if sealedDefinition != nil {
		definition, err := unseal(string(key), sealedDefinition)
		if err != nil {
			return image{}, err
		}
		img.definition = definition
	}
	record, err := unseal(sealName(key, img.definition), sealed)
	if err != nil {
		return image{}, err
	}
	img.record = string(record)
	_, err = img.decode(key)
	return img, err
}

// write makes the file hold b, in one transaction and with one fsync; none if the file holds it already.
func (s *store) write(b batch) error {
	changes := b.changes[:0:0]
	for _, c := range b.changes {
		if had, ok := s.written[c.key]; ok == c.gone || !had.equal(c.img) {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 && b.mark == nil && len(b.events) == 0 {
		return nil
	}
	b.changes = changes
	err := s.guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return s.writeAll(tx, b) })
	})
	if err != nil {
		return err
	}
	if n := len(b.events); n > 0 {
		s.told, s.floor = b.events[n-1].id, b.floor
	}
	for _, c := range changes {
		s.written[c.key] = c.img
		if c.gone {
			delete(s.written, c.key)
		}
	}
	return nil
}

func (s *store) writeAll(tx *bbolt.Tx, b batch) error {
	for _, c := range b.changes {
		if err := s.writeChange(tx, c); err != nil {
			return fmt.Errorf("write the memory of %s: %w", c.key, err)
		}
	}
	if err := writeMark(tx, b.mark); err != nil {
		return err
	}
	return s.writeHistory(tx, b)
}

func (s *store) writeChange(tx *bbolt.Tx, c change) error {
	key := []byte(c.key)
	workers, definitions := tx.Bucket([]byte(bucketWorkers)), tx.Bucket([]byte(bucketDefinitions))
	if c.gone {
		return errors.Join(workers.Delete(key), definitions.Delete(key))
	}
	if err := workers.Put(key, seal(sealName(c.key, c.img.definition), []byte(c.img.record))); err != nil {
		return err
	}
	switch {
	case bytes.Equal(s.written[c.key].definition, c.img.definition):
		return nil
	case len(c.img.definition) == 0:
		return definitions.Delete(key)
	}
	return definitions.Put(key, seal(string(c.key), c.img.definition))
}

func writeMark(tx *bbolt.Tx, mark *worker.Bookmark) error {
	if mark == nil {
		return nil
	}
	value, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("encode the bookmark: %w", err)
	}
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyBookmark), seal(keyBookmark, value))
}

// close lets go of the file. After a panic bbolt is not asked to: its own locks may be held for ever. Its mapping is then
// left to the end of the process, and with it the open file, so that the lock has to be taken off by hand.
func (s *store) close() {
	if !s.dead && s.db != nil {
		_ = s.guarded(s.db.Close)
	}
	release(s.file)
}
