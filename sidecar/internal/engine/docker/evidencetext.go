package docker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// boundedText keeps the beginning and the end of what is written to it, whatever its length. It never fails.
type boundedText struct {
	head, tail int // bytes to keep of each, including the mark of the cut
	first      []byte
	last       []byte // up to twice tail
	total      int64
}

// leftOut is the maximum length of the mark of a cut.
const leftOut = 48

func (b *boundedText) Write(p []byte) (int, error) {
	n := len(p)
	b.total += int64(n)
	if room := b.head - len(b.first); room > 0 {
		take := min(room, len(p))
		b.first = append(b.first, p[:take]...)
		p = p[take:]
	}
	if b.tail > 0 {
		p = p[max(0, len(p)-b.tail):]
		b.last = append(b.last, p...)
		if extra := len(b.last) - b.tail; extra > b.tail {
			b.last = append(b.last[:0], b.last[extra:]...)
		}
	}
	return n, nil
}

// String returns valid UTF-8 of at most head+tail bytes, or of the length of the mark if that is longer.
func (b *boundedText) String() string {
	if b.total <= int64(b.head+b.tail) {
		return b.valid(string(b.first) + string(b.last))
	}
	each := leftOut / 2
	if b.head == 0 || b.tail == 0 {
		each = leftOut
	}
	first := b.first[:max(0, b.head-each)]
	last := b.last[len(b.last)-max(0, b.tail-each):]
	mark := fmt.Sprintf("\n… %d bytes are left out …\n", b.total-int64(len(first))-int64(len(last)))
	return b.valid(string(first) + mark + string(last))
}

// valid replaces bytes that are not UTF-8 by a mark of the same length, so the text does not grow.
func (*boundedText) valid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "?")
}

// lastLines returns the end of the text: at most n whole lines, and no truncated line unless it is the only one.
func (b *boundedText) lastLines(n int) string {
	text := string(append(append([]byte{}, b.first...), b.last...))
	whole := int64(len(text)) == b.total
	if extra := len(text) - (b.head + b.tail); extra > 0 {
		text, whole = text[extra:], false
	}
	text = strings.TrimRight(text, "\n")
	if !whole {
		if _, rest, found := strings.Cut(text, "\n"); found {
			text = rest
		}
	}
	lines := strings.Split(text, "\n")
	return b.valid(strings.Join(lines[max(0, len(lines)-n):], "\n"))
}

// demultiplex copies a container's output: unchanged from a terminal, else out of frames with a header of eight bytes. A terminal's output
// that looks like a frame only loses its formatting. It returns the error that ended the output, nil at its end.
func demultiplex(to io.Writer, from io.Reader) error {
	in := bufio.NewReader(from)
	const size = 8
	for {
		header, err := in.Peek(size)
		if len(header) < size || header[0] > 3 || header[1] != 0 || header[2] != 0 || header[3] != 0 {
			if err != nil && err != io.EOF { //nolint:errorlint // Peek returns the reader's own
				return err
			}
			_, err = io.Copy(to, in)
			return err
		}
		length := int64(binary.BigEndian.Uint32(header[4:]))
		_, _ = in.Discard(size)
		if _, err := io.CopyN(to, in, length); err != nil {
			if err == io.EOF { //nolint:errorlint // CopyN returns the reader's own
				return nil
			}
			return err
		}
	}
}

// clip returns the beginning of a text, with a mark where it was cut.
func clip(text string, bytes int) string {
	b := &boundedText{head: bytes}
	_, _ = io.WriteString(b, text)
	return b.String()
}
