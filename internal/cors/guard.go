package cors

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// Guard returns a writer for the next handler whose answer has the headers that
// Handle prepared in w and no other Access-Control-*: what an upstream sets
// would stand beside ours, and browsers refuse an answer that has two
// (R-CORS-17). It is called after Handle, and only for an Ordinary request.
//
// The writer supports http.ResponseController.
func (c *CORS) Guard(w http.ResponseWriter) http.ResponseWriter {
	if c.upstream {
		return w
	}
	g := &guard{ResponseWriter: w}
	for name, lines := range w.Header() {
		if isOwned(name) && len(lines) == 1 {
			g.owned = append(g.owned, field{name, lines[0]})
		}
	}
	if _, varies := c.plain.header["Vary"]; varies {
		g.vary = "Origin"
	}
	return g
}

// guard is a response whose CORS headers are set again before it is sent.
type guard struct {
	http.ResponseWriter
	owned []field
	vary  string
	sent  bool
}

type field struct{ name, value string }

// restore makes the headers what they are to be, unless they are sent.
func (g *guard) restore() {
	if g.sent {
		return
	}
	h := g.Header()
	removeOwned(h)
	for _, f := range g.owned {
		h[f.name] = []string{f.value}
	}
	if g.vary != "" && !names(h["Vary"], g.vary) {
		h["Vary"] = append(slices.Clone(h["Vary"]), g.vary)
	}
}

// names reports whether lines of Vary name a header (RFC 9110, section 12.5.5).
func names(lines []string, header string) bool {
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, header) {
				return true
			}
		}
	}
	return false
}

// WriteHeader implements http.ResponseWriter.
func (g *guard) WriteHeader(status int) {
	g.restore()
	// an informational answer is followed by another (RFC 9110, section 15.2)
	g.sent = g.sent || status >= http.StatusOK || status == http.StatusSwitchingProtocols
	g.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (g *guard) Write(p []byte) (int, error) {
	g.send()
	return g.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that files may still be sent without
// being copied.
func (g *guard) ReadFrom(r io.Reader) (int64, error) {
	g.send()
	return io.Copy(g.ResponseWriter, r)
}

// FlushError is what http.ResponseController flushes with.
func (g *guard) FlushError() error {
	g.send()
	return http.NewResponseController(g.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (g *guard) Flush() { _ = g.FlushError() }

// Unwrap lets http.ResponseController reach the server's own writer.
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// send marks the moment at which a handler sends headers without a status.
func (g *guard) send() {
	g.restore()
	g.sent = true
}

// Interface guards.
var (
	_ http.Flusher  = (*guard)(nil)
	_ io.ReaderFrom = (*guard)(nil)
)
