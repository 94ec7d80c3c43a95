package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"unicode/utf8"

	"stoker/sidecar/internal/core/worker"
)

// format is the version of the files' content. Files of a higher one are left untouched.
const format = 1

// entry is one line of either file. Each line has one of these forms:
//
//	{"format":1}                                             the first line
//	{"definition_of":"web","id":"1a2b3c4d","definition":{}}  the inspect of a container, which is large and changes seldom
//	{"worker":{"key":"web"},"definition_id":"1a2b3c4d"}      the rest of a worker; the last one counts
//	{"forget":"web"}                                         the worker is deleted
//	{"bookmark":{}}                                          how far the engine's events were read; the last one counts
//	{"id":17,"event":{}}                                     of history.jsonl: an event
type entry struct {
	Format       int              `json:"format,omitempty"`
	DefinitionOf worker.Key       `json:"definition_of,omitempty"`
	ID           json.RawMessage  `json:"id,omitempty"`
	Definition   json.RawMessage  `json:"definition,omitempty"`
	Worker       json.RawMessage  `json:"worker,omitempty"`
	DefinitionID string           `json:"definition_id,omitempty"`
	Forget       worker.Key       `json:"forget,omitempty"`
	Bookmark     *worker.Bookmark `json:"bookmark,omitempty"`
	Event        json.RawMessage  `json:"event,omitempty"`
}

func parse(text []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		return entry{}, err
	}
	if e.Format > format {
		return entry{}, fmt.Errorf("%w (format %d, this Stoker supports %d)", errNewer, e.Format, format)
	}
	return e, nil
}

var errUnknownLine = errors.New("not a line of this file")

// image is a worker.Saved as it is stored: the definition separate from the rest.
type image struct {
	record     string // JSON
	definition []byte // JSON without line ends
}

func (i image) equal(other image) bool {
	return i.record == other.record && bytes.Equal(i.definition, other.definition)
}

// size returns the image's approximate size in the file.
func (i image) size() int64 { return int64(len(i.record) + len(i.definition) + 100) }

// encode returns the image of a saved worker. Old is the last image of the same worker.
func encode(saved worker.Saved, old image) (image, error) {
	if saved.Key == "" || !utf8.ValidString(string(saved.Key)) {
		return image{}, fmt.Errorf("a name of %d bytes that is not text", len(saved.Key))
	}
	definition := saved.Definition
	if !bytes.Equal(definition, old.definition) {
		var compact bytes.Buffer
		if err := json.Compact(&compact, definition); err != nil && len(definition) > 0 {
			return image{}, fmt.Errorf("its definition: %w", err)
		}
		definition = compact.Bytes()
	}
	saved.Definition = nil
	record, err := json.Marshal(saved)
	if err != nil {
		return image{}, err
	}
	if len(record)+len(definition)+len(saved.Key) > maxLine/2 {
		return image{}, fmt.Errorf("%d bytes are too many", len(record)+len(definition))
	}
	return image{record: string(record), definition: definition}, nil
}

// decode returns the worker.Saved that i was made from.
func (i image) decode() (worker.Saved, error) {
	var saved worker.Saved
	if err := json.Unmarshal([]byte(i.record), &saved); err != nil {
		return worker.Saved{}, err
	}
	if saved.Key == "" {
		return worker.Saved{}, errUnknownLine
	}
	if len(i.definition) > 0 {
		saved.Definition = i.definition
	}
	return saved, nil
}

// appendImage adds the lines of an image. The definition is omitted if the file has it.
func appendImage(text []byte, key worker.Key, img, old image) []byte {
	id := ""
	if len(img.definition) > 0 {
		id = fmt.Sprintf("%08x", crc32.ChecksumIEEE(img.definition))
		if !bytes.Equal(img.definition, old.definition) {
			text = appendLine(text, mustMarshal(key, `{"definition_of":%s,"id":"%s","definition":%s}`, id, img.definition))
		}
		return appendLine(text, fmt.Appendf(nil, `{"worker":%s,"definition_id":"%s"}`, img.record, id))
	}
	return appendLine(text, fmt.Appendf(nil, `{"worker":%s}`, img.record))
}

// mustMarshal formats the key as JSON and the other parts. A key is text, which always has a JSON form.
func mustMarshal(key worker.Key, layout string, parts ...any) []byte {
	quoted, _ := json.Marshal(string(key))
	return fmt.Appendf(nil, layout, append([]any{quoted}, parts...)...)
}

func appendBookmark(text []byte, mark worker.Bookmark) ([]byte, error) {
	encoded, err := json.Marshal(entry{Bookmark: &mark})
	if err != nil {
		return nil, fmt.Errorf("encode the bookmark: %w", err)
	}
	return appendLine(text, encoded), nil
}

// appendHead adds the first line of a file.
func appendHead(text []byte) []byte {
	return appendLine(text, fmt.Appendf(nil, `{"format":%d}`, format))
}

// appendAll adds a whole journal: all workers by key, and the bookmark.
func appendAll(text []byte, images map[worker.Key]image, mark worker.Bookmark) ([]byte, error) {
	text = appendHead(text)
	for _, key := range slices.Sorted(maps.Keys(images)) {
		text = appendImage(text, key, images[key], image{})
	}
	return appendBookmark(text, mark)
}

// states reads the journal's file.
type states struct {
	images      map[worker.Key]image
	mark        worker.Bookmark
	broken      bool // a line was damaged
	definitions map[worker.Key]map[string][]byte
}

func newStates() *states {
	return &states{images: map[worker.Key]image{}, definitions: map[worker.Key]map[string][]byte{}}
}

// damaged keeps the bookmark where it is: the change of the lost line may have come from the events after it, an operator's stop for
// instance, and those are requested again.
func (s *states) damaged() { s.broken = true }

func (s *states) line(text []byte) error {
	e, err := parse(text)
	switch {
	case err != nil:
		return err
	case e.Format != 0:
	case e.DefinitionOf != "":
		var id string
		if err := json.Unmarshal(e.ID, &id); err != nil {
			return err
		}
		if s.definitions[e.DefinitionOf] == nil {
			s.definitions[e.DefinitionOf] = map[string][]byte{}
		}
		s.definitions[e.DefinitionOf][id] = e.Definition
	case e.Worker != nil:
		return s.worker(e)
	case e.Forget != "":
		delete(s.images, e.Forget)
		delete(s.definitions, e.Forget)
	case e.Bookmark == nil:
		return errUnknownLine
	case !s.broken:
		s.mark = *e.Bookmark
	}
	return nil
}

// worker reads a worker's line. Its definition may be lost: then the next inspect has it.
func (s *states) worker(e entry) error {
	img := image{record: string(e.Worker)}
	saved, err := img.decode()
	if err != nil {
		return err
	}
	if e.DefinitionID != "" {
		img.definition = s.definitions[saved.Key][e.DefinitionID]
	}
	s.images[saved.Key] = img
	return nil
}
