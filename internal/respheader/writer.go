// Package response corrects the headers of the next handler's answer on its way
// out: whose scripts may read it and which caches may keep it are not the
// upstream's alone to say.
package respheader

import (
	"io"
	"net/http"
)

// HeaderFunc changes the headers of an answer that are about to be sent. It may
// run more than once for one answer, since informational ones go before.
type HeaderFunc func(http.Header)

// HeaderWriter is a response whose headers are corrected just before they are sent. What
// is streamed, flushed, sent from a file, hijacked or said in trailers passes
// as it is. The zero value is ready for Wrap; it belongs to one request.
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

// Wrap sets whose headers are corrected.
func (r *HeaderWriter) Wrap(w http.ResponseWriter) { r.ResponseWriter = w }

// Add adds a correction; they run in order.
func (r *HeaderWriter) Add(c HeaderFunc) {
	first := r.correct
	if first == nil {
		r.correct = c
		return
	}
	r.correct = func(h http.Header) { first(h); c(h) }
}

// Writer returns what the next handler writes to: the wrapped response itself
// if there is nothing to correct.
func (r *HeaderWriter) Writer() http.ResponseWriter {
	if r.correct == nil && r.accept == "" && r.own == nil && !r.bodiless {
		return r.ResponseWriter
	}
	return r
}

// Correct makes the headers what they are to be, unless they are sent. It is for
// answers that other handlers write, such as the site's error routes.
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
