package metrics

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// other stands for all that is beyond a bound. No cleaned value is equal to it.
	other = mark + "other"
	// nothing stands where a note says nothing: an empty label is none to Prometheus.
	nothing = "none"
	// mark sets the hash off in a value that was changed. Docker's names do not have it.
	mark = "~"
	// mostBytes of a value are shown.
	mostBytes = 128
	// mostWords are the values of a label that Stoker's own words fill. It has fewer than half as many.
	mostWords = 64
)

// clean makes a value that is valid, printable and short, so that no container can break or swell the page. Different values stay
// different: one that had to be changed carries a hash of what it was.
func clean(s string) string {
	if len(s) <= mostBytes && !strings.Contains(s, mark) && printable(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	short := strings.ToValidUTF8(s[:min(len(s), mostBytes)], string(utf8.RuneError))
	short = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, short)
	return fmt.Sprintf("%s%s%x", short, mark, sum[:8])
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}

// said puts a word where nothing is said.
func said[W ~string](w W) W {
	if w == "" {
		return nothing
	}
	return w
}

// shown is one of Stoker's own words as a value, or other.
func shown[W ~string](w W) string {
	if w == other {
		return other
	}
	return clean(string(w))
}

// words keeps a label to a bounded number of values, whoever feeds it.
type words struct {
	mu    sync.Mutex
	known map[string]string // as handed in, and as shown
}

// of is the value for s: s itself cleaned, or other when there are too many already.
func (w *words) of(s string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if shown, ok := w.known[s]; ok {
		return shown
	}
	if len(w.known) >= mostWords {
		return other
	}
	if w.known == nil {
		w.known = map[string]string{}
	}
	w.known[s] = clean(said(s))
	return w.known[s]
}
