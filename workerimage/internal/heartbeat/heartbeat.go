// Package heartbeat shows the health check, which is another process, that the threads work.
//
// There is no goroutine that beats: the thread that has done a slice of work writes the file, so that the file is
// recent only while work is being done.
package heartbeat

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// every is the least time between two writes of the file.
const every = time.Second

// Heartbeat collects the beats of the threads. It is safe for concurrent use.
type Heartbeat struct {
	path   string
	failed func(error)

	mu       sync.Mutex
	beats    map[int]time.Time
	count    uint64
	written  time.Time
	muted    bool
	reported bool
}

// New returns a heartbeat that writes the file at path. The first failed write is reported to failed; the write is repeated at every beat,
// and the health check fails meanwhile.
func New(path string, failed func(error)) *Heartbeat {
	return &Heartbeat{path: path, failed: failed, beats: map[int]time.Time{}}
}

// Start makes the first beat, so that a file of an earlier process does not count.
func (h *Heartbeat) Start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.write(time.Now())
}

// Beat records that a thread has just done a slice of work. The file holds the time of the thread that has been
// silent longest, so that one that hangs is not hidden by the others.
func (h *Heartbeat) Beat(thread int) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beats[thread] = now
	h.count++
	if h.muted || now.Sub(h.written) < every {
		return
	}
	h.write(now)
}

// Count returns the number of beats. It rises while any thread works, muted or not.
func (h *Heartbeat) Count() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Rest ignores a thread until its next beat.
func (h *Heartbeat) Rest(thread int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.beats, thread)
}

// Mute stops or resumes writing the file while the work continues: the fault "unhealthy".
func (h *Heartbeat) Mute(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.muted = on
}

func (h *Heartbeat) write(now time.Time) {
	h.written = now
	boot, err := sinceBoot()
	if err == nil {
		err = replace(h.path, boot-h.silence(now))
	}
	if err != nil && !h.reported {
		h.reported = true
		h.failed(err)
	}
}

func (h *Heartbeat) silence(now time.Time) time.Duration {
	if len(h.beats) == 0 {
		return 0
	}
	oldest := slices.MinFunc(slices.Collect(maps.Values(h.beats)), time.Time.Compare)
	return now.Sub(oldest)
}

// replace renames a new file into place, so that the health check never reads half a number. It need not survive a crash of the host.
func replace(path string, beat time.Duration) error {
	next := path + ".next"
	if err := os.WriteFile(next, strconv.AppendInt(nil, int64(beat), 10), 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}
