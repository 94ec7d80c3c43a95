package metrics

import (
	"net/http"
	"strconv"
)

// Handler serves the metrics in Prometheus' text format, whatever else is asked for. It answers GET and HEAD. The whole page is
// made before any of it is written, so that a client that does not read holds a page of text for as long as the server lets it,
// and nothing else. Nothing is compressed: the page is small, and the CPU is the workers'.
func (m *Metrics) Handler() http.Handler { return http.HandlerFunc(m.serve) }

func (m *Metrics) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "read-only: GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	page := m.sheet().text()
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(page)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(page)
	}
}
