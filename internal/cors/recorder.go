package cors

import "net/http"

// recorder takes what the library writes, so that none of its own slices, which
// it shares between requests, gets into a real response (T-67).
type recorder struct {
	header http.Header
	status int
}

func run(h http.Handler, r *http.Request) *recorder {
	rec := &recorder{header: make(http.Header, 4), status: http.StatusNoContent}
	h.ServeHTTP(rec, r)
	return rec
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
