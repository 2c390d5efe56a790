package cors

import (
	"net/http"
	"sync"
)

// recorder takes what the library writes, so that none of its own slices, which
// it shares between requests, gets into a real response (T-67).
type recorder struct {
	header http.Header
	status int
}

// recorders are those that are not in use, empty.
var recorders = sync.Pool{New: func() any { return &recorder{header: make(http.Header, 8), status: http.StatusNoContent} }}

// run returns what the library answers to a request.
func run(h http.Handler, r *http.Request) *recorder {
	rec, _ := recorders.Get().(*recorder)
	h.ServeHTTP(rec, r)
	return rec
}

// free gives the recorder back. Nothing of it may be in use.
func (rec *recorder) free() {
	clear(rec.header)
	rec.status = http.StatusNoContent
	recorders.Put(rec)
}

// Header implements http.ResponseWriter.
func (rec *recorder) Header() http.Header { return rec.header }

// Write implements http.ResponseWriter; nothing of a body is kept.
func (rec *recorder) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (rec *recorder) WriteHeader(status int) { rec.status = status }

// copyTo copies headers: Vary is added to, the others are replaced. All values
// share one new array, in slices that cannot grow into each other.
func copyTo(h, from http.Header) {
	size := len(h["Vary"])
	for _, lines := range from {
		size += len(lines)
	}
	values := make([]string, 0, size)
	for name, lines := range from {
		start := len(values)
		if name == "Vary" {
			values = append(values, h[name]...)
		}
		values = append(values, lines...)
		h[name] = values[start:len(values):len(values)]
	}
}
