package journal

// disk is the state of the state directory.
type disk int

const (
	diskLost  disk = iota // no files are open: changes do not reach the disk
	diskWorks             // changes reach the disk
	diskHangs             // a Sync reached its limit and the current write has not returned
)

// progress is how much of the changes is on disk, and whether more will be.
type progress struct {
	asked   uint64 // changes so far
	stored  uint64 // of these, on disk
	disk    disk
	changed chan struct{} // closed and replaced whenever stored or disk change
}

// pending reports whether a Sync of the first want changes has something to wait for.
func (p *progress) pending(want uint64) bool { return p.stored < want && p.disk == diskWorks }

// reached records that the first n changes are on disk.
func (p *progress) reached(n uint64) {
	p.stored = n
	p.became(diskWorks)
}

// became sets the state of the disk and wakes every Sync.
func (p *progress) became(d disk) {
	p.disk = d
	close(p.changed)
	p.changed = make(chan struct{})
}
