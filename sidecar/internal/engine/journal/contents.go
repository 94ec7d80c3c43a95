package journal

import "stoker/sidecar/internal/core/worker"

// contents is all that the journal knows, and which of it the file lacks.
type contents struct {
	live      map[worker.Key]image    // all workers, as they are or will be on disk
	dirty     map[worker.Key]struct{} // differs from the file
	mark      worker.Bookmark
	markDirty bool
}

func newContents() contents {
	return contents{live: map[worker.Key]image{}, dirty: map[worker.Key]struct{}{}}
}

// workers decodes all workers.
func (c *contents) workers() map[worker.Key]worker.Saved {
	all := make(map[worker.Key]worker.Saved, len(c.live))
	for key, img := range c.live {
		if saved, err := img.decode(); err == nil { // images in live were encoded here or decoded before
			all[key] = saved
		}
	}
	return all
}

// take returns what the file lacks, and counts it as written. A bookmark is part of any batch with changes, and is written alone if
// markDue.
func (c *contents) take(markDue bool) batch {
	var b batch
	for key := range c.dirty {
		img, ok := c.live[key]
		b.changes = append(b.changes, change{key: key, img: img, gone: !ok})
	}
	clear(c.dirty)
	if c.markDirty && (markDue || len(b.changes) > 0) {
		mark := c.mark
		b.mark, c.markDirty = &mark, false
	}
	return b
}

// putBack undoes the take of a batch that was not written. What changed since then stays as it is.
func (c *contents) putBack(b batch) {
	for _, one := range b.changes {
		c.dirty[one.key] = struct{}{}
	}
	c.markDirty = c.markDirty || b.mark != nil
}

// lacking counts everything as missing in a file that was opened again and holds the workers written: that is older than what is known.
func (c *contents) lacking(written map[worker.Key]image) {
	for key := range c.live {
		c.dirty[key] = struct{}{}
	}
	for key := range written {
		c.dirty[key] = struct{}{}
	}
	c.markDirty = true
}
