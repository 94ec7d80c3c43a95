// Package heartbeat carries the proof of life from the working threads to the health check, which is another process.
//
// There is no goroutine that beats: the thread that has done a slice of work writes the file, so that the file can only
// be young while work is being done.
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

// Heart collects the beats of the threads. It is safe for several goroutines.
type Heart struct {
	path   string
	failed func(error)

	mu      sync.Mutex
	beats   map[int]time.Time
	written time.Time
	muted   bool
	told    bool
}

// New writes its file at path. A write that fails is told to failed once, and tried again at every beat: then the health
// check says unhealthy, which is all that can be known from outside.
func New(path string, failed func(error)) *Heart {
	return &Heart{path: path, failed: failed, beats: map[int]time.Time{}}
}

// Start makes the first beat, so that no file of an earlier life is taken for this one's.
func (h *Heart) Start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.write(time.Now())
}

// Beat says that a thread has just done a slice of work. What reaches the file is the age of the thread that has been
// silent longest, so that one hung thread is not hidden by the others.
func (h *Heart) Beat(thread int) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beats[thread] = now
	if h.muted || now.Sub(h.written) < every {
		return
	}
	h.write(now)
}

// Rest takes a thread out until its next beat.
func (h *Heart) Rest(thread int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.beats, thread)
}

// Mute stops the file from being written while work goes on, or lets it be written again: the fault "unhealthy".
func (h *Heart) Mute(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.muted = on
}

func (h *Heart) write(now time.Time) {
	h.written = now
	boot, err := sinceBoot()
	if err == nil {
		err = replace(h.path, boot-h.silence(now))
	}
	if err != nil && !h.told {
		h.told = true
		h.failed(err)
	}
}

func (h *Heart) silence(now time.Time) time.Duration {
	if len(h.beats) == 0 {
		return 0
	}
	oldest := slices.MinFunc(slices.Collect(maps.Values(h.beats)), time.Time.Compare)
	return now.Sub(oldest)
}

// replace is a rename, so that the health check never reads half a number. It need not survive a crash of the host.
func replace(path string, beat time.Duration) error {
	next := path + ".next"
	if err := os.WriteFile(next, strconv.AppendInt(nil, int64(beat), 10), 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}
