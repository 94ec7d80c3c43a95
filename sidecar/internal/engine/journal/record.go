package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"stoker/sidecar/internal/core/worker"
)

// image is a Memory as it is stored: the definition, which is large and hardly ever changes, apart from the rest.
type image struct {
	record     string // JSON
	definition []byte
}

func (i image) equal(other image) bool {
	return i.record == other.record && bytes.Equal(i.definition, other.definition)
}

// encode makes an image of mem. It fails for what bbolt could not store: one such key would spoil every batch it is in.
func encode(mem worker.Saved) (image, error) {
	if len(mem.Key) == 0 || len(mem.Key) > bbolt.MaxKeySize {
		return image{}, fmt.Errorf("a name of %d bytes", len(mem.Key))
	}
	definition := mem.Definition
	mem.Definition = nil
	record, err := json.Marshal(mem)
	if err != nil {
		return image{}, err
	}
	return image{record: string(record), definition: definition}, nil
}

// decode is the Memory that i was made from. It fails when i belongs to another key.
func (i image) decode(key worker.Key) (worker.Saved, error) {
	var mem worker.Saved
	if err := json.Unmarshal([]byte(i.record), &mem); err != nil {
		return worker.Saved{}, err
	}
	if mem.Key != key {
		return worker.Saved{}, fmt.Errorf("record of %q under the key %q", mem.Key, key)
	}
	mem.Definition = i.definition
	return mem, nil
}

var errChecksum = errors.New("checksum does not match")

// sealLen is the length of a seal: eight hex digits and a space.
const sealLen = 9

// seal puts a checksum of name and value before a value. bbolt has one for its first two pages only, and a flipped bit in a value
// could turn "stopped by its operator" into something else that parses.
func seal(name string, value []byte) []byte {
	sealed := make([]byte, 0, sealLen+len(value))
	sealed = fmt.Appendf(sealed, "%08x ", checksum(name, value))
	return append(sealed, value...)
}

// unseal is a copy of what was sealed under name.
func unseal(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealLen {
		return nil, errChecksum
	}
	value := bytes.Clone(sealed[sealLen:])
	if string(sealed[:sealLen]) != fmt.Sprintf("%08x ", checksum(name, value)) {
		return nil, errChecksum
	}
	return value, nil
}

// sealName is what a record is sealed under: its key and its definition, so that neither is taken without the other.
func sealName(key worker.Key, definition []byte) string {
	return fmt.Sprintf("%s %08x", key, crc32.ChecksumIEEE(definition))
}

func checksum(name string, value []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(name)), crc32.IEEETable, value)
}
