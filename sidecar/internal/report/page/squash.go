package page

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
)

// squasher compresses answers for those who take it. Its writers, which are big, are used again.
type squasher struct {
	writers sync.Pool
}

func newSquasher() *squasher {
	return &squasher{writers: sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails on an unknown level only
		return w
	}}}
}

// answer is a body under way.
type answer struct {
	io.Writer
	close func()
}

// open must be called before the headers are sent; the answer must be closed.
func (s *squasher) open(w http.ResponseWriter, r *http.Request) answer {
	w.Header().Add("Vary", "Accept-Encoding")
	if !takesGzip(r.Header.Get("Accept-Encoding")) {
		return answer{Writer: w, close: func() {}}
	}
	w.Header().Set("Content-Encoding", "gzip")
	squashed, _ := s.writers.Get().(*gzip.Writer)
	squashed.Reset(w)
	return answer{Writer: squashed, close: func() {
		_ = squashed.Close()
		s.writers.Put(squashed)
	}}
}

// takesGzip reads an Accept-Encoding header: gzip is named and not with a weight of 0.
func takesGzip(accepted string) bool {
	for choice := range strings.SplitSeq(accepted, ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(choice), " ", ""), ";")
		if name == "gzip" {
			return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
		}
	}
	return false
}
