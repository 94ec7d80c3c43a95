package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
)

// bbolt maps its file and trusts it: a page that points to itself makes it recurse until the stack is full, a wrong
// count makes it allocate without end, and neither can be recovered from. So the pages are walked first, with every
// number checked and every page visited at most once.
//
// The format is bbolt's version 2, in the byte order of the machine: go.etcd.io/bbolt/internal/common, v1.5.0.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	pageHeaderLen = 16 // id u64, flags u16, count u16, overflow u32
	metaLen       = 64 // magic, version, page size, flags u32; root, sequence, freelist, high water, txid, checksum u64
	elementLen    = 16 // leaf: flags, pos, ksize, vsize u32; branch: pos, ksize u32, page u64
	leafBucket    = 0x01
	bucketLen     = 16 // root, sequence u64; root 0 is followed by the bucket's only page

	noFreelist = math.MaxUint64
	maxDepth   = 32 // of pages in a tree and of buckets in buckets
)

// checkPages returns nil when bbolt can be let loose on the file, errDamaged when not, and errNewer when the file is
// sound but not of a format that Stoker writes. An empty file is fine: bbolt makes it new.
func checkPages(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	w := walk{file: file, size: uint64(info.Size())}
	if err := w.findMeta(); err != nil {
		return err
	}
	w.claimed = make(map[uint64]bool)
	if err := w.freelist(); err != nil {
		return err
	}
	return w.tree(w.root, nil, nil, 0)
}

// walk is one pass over a file.
type walk struct {
	meta
	file    io.ReaderAt
	size    uint64
	claimed map[uint64]bool // pages that are in use, or free
}

// damaged is errDamaged with the place.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// findMeta takes the newer one of the two meta pages that are whole, as bbolt does.
func (w *walk) findMeta() error {
	best, err := w.firstMeta()
	if err != nil {
		return err
	}
	w.meta = best
	for id := range uint64(2) {
		if m, ok := w.metaAt(id * best.pageSize); ok && m.pageSize == best.pageSize && m.txid > w.txid {
			w.meta = m
		}
	}
	if w.version != boltVersion || w.free == noFreelist {
		return fmt.Errorf("%w (file format)", errNewer)
	}
	if w.high > w.size/w.pageSize {
		return damaged("%d bytes are too few for %d pages", w.size, w.high)
	}
	return nil
}

// firstMeta is any meta page that is whole: the first, or the second at the place that some page size gives it.
func (w *walk) firstMeta() (meta, error) {
	if m, ok := w.metaAt(0); ok {
		return m, nil
	}
	for at := uint64(1024); at <= 1024<<14; at <<= 1 {
		if m, ok := w.metaAt(at); ok && m.pageSize == at {
			return m, nil
		}
	}
	return meta{}, damaged("no whole meta page")
}

// meta is what a meta page says.
type meta struct {
	version  uint32
	pageSize uint64
	root     uint64
	free     uint64 // page of the freelist
	high     uint64 // pages from here on do not exist
	txid     uint64
}

// metaAt reads a meta page at an offset; ok when its checksum matches and its page size is one.
func (w *walk) metaAt(offset uint64) (meta, bool) {
	buf := make([]byte, pageHeaderLen+metaLen)
	if _, err := w.file.ReadAt(buf, int64(offset)); err != nil {
		return meta{}, false
	}
	b := buf[pageHeaderLen:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaLen-8])
	order := binary.NativeEndian
	m := meta{
		version:  order.Uint32(b[4:]),
		pageSize: uint64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		free:     order.Uint64(b[32:]),
		high:     order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}
	ok := order.Uint32(b) == boltMagic && order.Uint64(b[56:]) == sum.Sum64() &&
		m.pageSize >= 1024 && m.pageSize <= 1024<<14 && m.pageSize&(m.pageSize-1) == 0
	return m, ok
}

// page is one page with its overflow.
type page struct {
	id    uint64
	flags uint16
	count int
	data  []byte // from the header on
}

// claim reads the page id, which nothing else may use.
func (w *walk) claim(id uint64) (page, error) {
	if id < 2 || id >= w.high {
		return page{}, damaged("page %d of %d", id, w.high)
	}
	head := make([]byte, pageHeaderLen)
	if _, err := w.file.ReadAt(head, int64(id*w.pageSize)); err != nil {
		return page{}, damaged("read page %d: %v", id, err)
	}
	overflow := uint64(binary.NativeEndian.Uint32(head[12:]))
	if overflow >= w.high-id {
		return page{}, damaged("page %d runs over the end", id)
	}
	for n := id; n <= id+overflow; n++ {
		if w.claimed[n] {
			return page{}, damaged("page %d is used twice", n)
		}
		w.claimed[n] = true
	}
	data := make([]byte, (overflow+1)*w.pageSize)
	if _, err := w.file.ReadAt(data, int64(id*w.pageSize)); err != nil {
		return page{}, damaged("read page %d: %v", id, err)
	}
	p := parsePage(data)
	if p.id != id {
		return page{}, damaged("page %d calls itself %d", id, p.id)
	}
	return p, nil
}

func parsePage(data []byte) page {
	order := binary.NativeEndian
	return page{id: order.Uint64(data), flags: order.Uint16(data[8:]), count: int(order.Uint16(data[10:])), data: data}
}

// freelist claims the pages that are free: one that is also in use would be written over.
func (w *walk) freelist() error {
	p, err := w.claim(w.free)
	if err != nil {
		return err
	}
	if p.flags != flagFreelist {
		return damaged("page %d is no freelist", p.id)
	}
	ids := p.data[pageHeaderLen:]
	count := uint64(p.count)
	if count == math.MaxUint16 { // more do not fit: the first number is the count
		count = binary.NativeEndian.Uint64(ids)
		ids = ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return damaged("freelist of %d pages", count)
	}
	for n := range count {
		id := binary.NativeEndian.Uint64(ids[8*n:])
		if id < 2 || id >= w.high || w.claimed[id] {
			return damaged("page %d cannot be free", id)
		}
		w.claimed[id] = true
	}
	return nil
}

// tree walks the pages from id down; their keys lie in [low, high), where nil is no bound.
func (w *walk) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return damaged("too deep")
	}
	p, err := w.claim(id)
	if err != nil {
		return err
	}
	switch p.flags {
	case flagLeaf:
		return w.leaf(p, low, high, depth)
	case flagBranch:
		return w.branch(p, low, high, depth)
	}
	return damaged("page %d is of no known kind", id)
}

func (w *walk) branch(p page, low, high []byte, depth int) error {
	if p.count == 0 {
		return damaged("branch page %d is empty", p.id)
	}
	keys, err := p.keys(low, high)
	if err != nil {
		return err
	}
	for n, key := range keys {
		next := high
		if n+1 < len(keys) {
			next = keys[n+1].bytes
		}
		child := binary.NativeEndian.Uint64(p.element(n)[8:])
		if err := w.tree(child, key.bytes, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leaf(p page, low, high []byte, depth int) error {
	keys, err := p.keys(low, high)
	if err != nil {
		return err
	}
	for n, key := range keys {
		flags := binary.NativeEndian.Uint32(p.element(n))
		size := int64(binary.NativeEndian.Uint32(p.element(n)[12:]))
		if size > int64(len(p.data)-key.end) {
			return damaged("a value runs over the end of page %d", p.id)
		}
		value := p.data[key.end : key.end+int(size)]
		switch flags {
		case 0:
		case leafBucket:
			if err := w.nested(value, depth+1); err != nil {
				return err
			}
		default:
			return damaged("flags of an element of page %d", p.id)
		}
	}
	return nil
}

// nested walks a bucket that is a value: its header, and its only page when that is small.
func (w *walk) nested(value []byte, depth int) error {
	if len(value) < bucketLen {
		return damaged("bucket of %d bytes", len(value))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.tree(root, nil, nil, depth)
	}
	if len(value) < bucketLen+pageHeaderLen || depth > maxDepth {
		return damaged("bucket of %d bytes at depth %d", len(value), depth)
	}
	p := parsePage(value[bucketLen:])
	if p.flags != flagLeaf {
		return damaged("a bucket's own page is no leaf")
	}
	return w.leaf(p, nil, nil, depth)
}

// key is a key on a page, and where its value begins.
type key struct {
	bytes []byte
	end   int
}

// element is the n-th element header of a page whose elements were checked to fit.
func (p page) element(n int) []byte {
	return p.data[pageHeaderLen+n*elementLen:][:elementLen]
}

// keys checks that the elements lie in the page and that their keys rise within [low, high).
func (p page) keys(low, high []byte) ([]key, error) {
	if pageHeaderLen+p.count*elementLen > len(p.data) {
		return nil, damaged("page %d has %d elements", p.id, p.count)
	}
	keys := make([]key, p.count)
	for n := range keys {
		pos, size := p.place(n)
		start := int64(pageHeaderLen+n*elementLen) + pos
		if start < int64(pageHeaderLen+p.count*elementLen) || start+size > int64(len(p.data)) {
			return nil, damaged("a key runs over the end of page %d", p.id)
		}
		k := p.data[start : start+size]
		rises := n == 0 || bytes.Compare(keys[n-1].bytes, k) < 0
		if !rises || bytes.Compare(k, low) < 0 || (high != nil && bytes.Compare(k, high) >= 0) {
			return nil, damaged("the keys of page %d are out of order", p.id)
		}
		keys[n] = key{bytes: k, end: int(start + size)}
	}
	return keys, nil
}

// place is where the key of element n begins, counted from the element, and its length.
func (p page) place(n int) (pos, size int64) {
	e := p.element(n)
	if p.flags == flagBranch {
		return int64(binary.NativeEndian.Uint32(e)), int64(binary.NativeEndian.Uint32(e[4:]))
	}
	return int64(binary.NativeEndian.Uint32(e[4:])), int64(binary.NativeEndian.Uint32(e[8:]))
}
