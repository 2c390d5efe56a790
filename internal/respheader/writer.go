// Package respheader changes response headers of the next handler just before they are
// sent: the CORS headers, Cache-Control, and cookies that the handler must not set.
package respheader

import (
	"io"
	"net/http"
)

// HeaderFunc changes the headers of a response that are about to be sent. It may run more
// than once, because informational responses (1xx) precede the final one.
type HeaderFunc func(http.Header)

// HeaderWriter is an http.ResponseWriter that changes headers just before they are sent.
// It supports streaming, flushing, sending files, hijacking and trailers. The zero value
// is ready for Wrap; it belongs to one request.
type HeaderWriter struct {
	http.ResponseWriter
	correct  HeaderFunc  // or nil
	own      *OwnCookies // that the next handler cannot set, or nil
	before   []string    // lines of Set-Cookie that are not the next handler's
	accept   string      // of the WebSocket that was asked for, or ""
	sent     bool
	broken   bool // the next handler changed to another protocol
	bodiless bool // nothing of the body is sent
}

// Wrap sets the response that is written to.
func (r *HeaderWriter) Wrap(w http.ResponseWriter) { r.ResponseWriter = w }

// Add adds a function that changes headers; they run in order.
func (r *HeaderWriter) Add(c HeaderFunc) {
	first := r.correct
	if first == nil {
		r.correct = c
		return
	}
	r.correct = func(h http.Header) { first(h); c(h) }
}

// Writer returns the writer for the next handler: the wrapped response itself if there is
// nothing to change.
func (r *HeaderWriter) Writer() http.ResponseWriter {
	if r.correct == nil && r.accept == "" && r.own == nil && !r.bodiless {
		return r.ResponseWriter
	}
	return r
}

// Correct changes the headers now, unless they are sent. It is for responses that other
// handlers write, such as the error routes of the site.
func (r *HeaderWriter) Correct() {
	if r.sent {
		return
	}
	h := r.Header()
	if r.own != nil {
		r.own.remove(h, r.before)
	}
	if r.correct != nil {
		r.correct(h)
	}
	if r.bodiless {
		removeBody(h)
	}
}

// WriteHeader implements http.ResponseWriter.
func (r *HeaderWriter) WriteHeader(status int) {
	if r.refuses(status) {
		r.badGateway()
		return
	}
	r.Correct()
	// an informational answer is followed by another (RFC 9110, section 15.2)
	r.sent = r.sent || status >= http.StatusOK || status == http.StatusSwitchingProtocols
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *HeaderWriter) Write(p []byte) (int, error) {
	r.send()
	if r.bodiless {
		return len(p), nil
	}
	return r.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that files may still be sent without
// being copied.
func (r *HeaderWriter) ReadFrom(from io.Reader) (int64, error) {
	r.send()
	if r.bodiless {
		return io.Copy(io.Discard, from)
	}
	return io.Copy(r.ResponseWriter, from)
}

// FlushError is what http.ResponseController flushes with.
func (r *HeaderWriter) FlushError() error {
	r.send()
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (r *HeaderWriter) Flush() { _ = r.FlushError() }

// Unwrap lets http.ResponseController reach the server's own writer.
func (r *HeaderWriter) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// send marks the moment at which a handler sends headers without a status.
func (r *HeaderWriter) send() {
	r.Correct()
	r.sent = true
}

// AddAll adds every line of added to the headers of a response.
func AddAll(h, added http.Header) {
	for name, lines := range added {
		for _, line := range lines {
			h.Add(name, line)
		}
	}
}

// Interface guards.
var (
	_ http.Flusher  = (*HeaderWriter)(nil)
	_ http.Hijacker = (*HeaderWriter)(nil)
	_ io.ReaderFrom = (*HeaderWriter)(nil)
)
