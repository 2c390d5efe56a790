package respheader

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strings"
)

// acceptGUID is what a server adds to a WebSocket's key (RFC 6455, section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// ExpectWebSocket replaces a 101 by 502 unless it has the Sec-WebSocket-Accept of the
// client's key. A server that does not speak the protocol would read what follows as
// requests that no policy has judged (S-07).
func (r *HeaderWriter) ExpectWebSocket(key string) {
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // RFC 6455 asks for it
	r.accept = base64.StdEncoding.EncodeToString(sum[:])
}

// refuses reports whether a status is a 101 that does not answer the key.
func (r *HeaderWriter) refuses(status int) bool {
	if status != http.StatusSwitchingProtocols || r.accept == "" {
		return false
	}
	var answers []string
	for name, lines := range r.Header() {
		if strings.EqualFold(name, "Sec-WebSocket-Accept") { // Caddy writes it as RFC 6455 does
			answers = append(answers, lines...)
		}
	}
	return len(answers) != 1 || answers[0] != r.accept
}

// badGateway answers instead of the next handler.
func (r *HeaderWriter) badGateway() {
	h := r.Header()
	for name := range h {
		if folded := strings.ToLower(name); folded == "upgrade" || folded == "connection" || strings.HasPrefix(folded, "sec-websocket-") {
			delete(h, name)
		}
	}
	h.Set("Content-Length", "0")
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close")
	r.broken = true
	r.WriteHeader(http.StatusBadGateway)
}

// errNoWebSocket is why a connection is not handed over.
var errNoWebSocket = errors.New("the upstream's 101 does not answer the WebSocket's key")

// Hijack implements http.Hijacker.
func (r *HeaderWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	switch {
	case r.broken:
		return nil, nil, errNoWebSocket
	case r.bodiless:
		return nil, nil, http.ErrNotSupported
	}
	return http.NewResponseController(r.ResponseWriter).Hijack()
}
