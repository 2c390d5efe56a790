package request

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// webSocket is the only upgrade that every site supports: policies see the handshake, and
// the connection then carries only WebSocket messages.
const webSocket = "websocket"

// tunnelProtocols carry further requests or network traffic that no policy would see:
// cleartext HTTP/2 and other versions of HTTP (RFC 7540, section 3.2), TLS within HTTP
// (RFC 2817) and IP (RFC 9484). A site cannot allow them.
var tunnelProtocols = []string{"h2c", "h2", "h3", "http", "tls", "connect-ip"}

// CheckUpgrade returns an error if a site cannot allow upgrades to a protocol.
func CheckUpgrade(token string) error {
	name, _, _ := strings.Cut(strings.ToLower(token), "/")
	switch {
	case name == webSocket:
		return errors.New("websocket needs no mention: policies see it, and it may pass where they allow it")
	case slices.Contains(tunnelProtocols, name):
		return fmt.Errorf("%s can never pass: it is a tunnel for requests that no policy sees; remove it", token)
	case !isProtocol(token) || strings.Contains(token, "*"):
		return fmt.Errorf("%.60q is not a protocol's name such as tcp or SPDY/3.1", token)
	}
	return nil
}

// isProtocol reports whether a text is the name of a protocol, with or without a version
// (RFC 9110, section 7.8). Both are tokens, like header names.
func isProtocol(text string) bool {
	name, version, versioned := strings.Cut(text, "/")
	return httpguts.ValidHeaderFieldName(name) && (!versioned || httpguts.ValidHeaderFieldName(version))
}

// upgrade is the protocol to which a request may change its connection.
type upgrade struct {
	token   string // in the spelling for the next handler, or ""
	refused bool   // a CONNECT that is not forwarded
}

// parseUpgrade returns the first protocol of a request that is websocket or that the site
// allows. It ignores others (RFC 9110, section 7.8), except for CONNECT, which is refused:
// it has no meaning without its protocol.
func parseUpgrade(r *http.Request, kinds HeaderKinds, allowed []string) upgrade {
	switch {
	case r.Method == http.MethodConnect:
		token := allowedProtocol(connectProtocol(r), allowed)
		return upgrade{token, token == "" || token == webSocket && !hasOnlyLine(r.Header, "Sec-Websocket-Version", "13")}
	case r.Method == "PRI": // the preface of HTTP/2 (RFC 9113, section 3.4)
		return upgrade{refused: true}
	case !kinds.Has(UpgradeHeader), len(r.Header["Upgrade"]) == 0, r.ProtoMajor != 1, r.ProtoMinor == 0, !httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade"):
		return upgrade{}
	}
	for _, line := range r.Header["Upgrade"] {
		for token := range strings.SplitSeq(line, ",") {
			token = allowedProtocol(strings.ToLower(strings.TrimSpace(token)), allowed)
			if token != "" && (token != webSocket || isWebSocketHandshake(r)) {
				return upgrade{token: token}
			}
		}
	}
	return upgrade{}
}

// allowedProtocol returns a protocol in the site's spelling if the site allows it, or "". The
// protocol of a CONNECT is compared as it was sent (RFC 8441, section 4).
func allowedProtocol(protocol string, allowed []string) string {
	if protocol == webSocket {
		return webSocket
	}
	for _, token := range allowed {
		if strings.EqualFold(token, protocol) {
			return token
		}
	}
	return ""
}

// connectProtocol returns the protocol of an extended CONNECT (RFC 8441, RFC 9220), or ""
// for a plain CONNECT. In HTTP/3 it is in Request.Proto.
func connectProtocol(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2 && len(r.Header[":protocol"]) == 1:
		return r.Header[":protocol"][0]
	case r.ProtoMajor == 3 && !strings.HasPrefix(r.Proto, "HTTP/"):
		return r.Proto
	}
	return ""
}

// isWebSocketHandshake reports whether a request is a valid WebSocket handshake (RFC 6455,
// section 4.2.1). An invalid one must not pass as an upgrade: the upstream would treat it
// as an ordinary request on a connection that is no longer parsed as HTTP.
func isWebSocketHandshake(r *http.Request) bool {
	keys := r.Header["Sec-Websocket-Key"]
	if r.Method != http.MethodGet || r.ContentLength != 0 || !hasOnlyLine(r.Header, "Sec-Websocket-Version", "13") || len(keys) != 1 || len(keys[0]) != 24 {
		return false
	}
	var nonce [18]byte
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(keys[0]))
	return err == nil && n == 16
}

// hasOnlyLine reports whether a header has exactly one line, with the given text.
func hasOnlyLine(h http.Header, name, line string) bool {
	lines := h[name]
	return len(lines) == 1 && strings.TrimSpace(lines[0]) == line
}

// Upgrade returns the protocol to which the request may change its connection, in the
// spelling for the next handler, or "".
func (r *Request) Upgrade() string { return r.upgrade.token }

// UpgradeRefused reports whether the request is a CONNECT that must not be forwarded.
func (r *Request) UpgradeRefused() bool { return r.upgrade.refused }

// IsWebSocketConnect reports whether the request opens a WebSocket by CONNECT. Caddy turns
// it into a GET for the upstream, so that policies see a GET.
func (r *Request) IsWebSocketConnect() bool {
	return r.http.Method == http.MethodConnect && r.upgrade.token == webSocket
}

// IsWebSocketHandshake reports whether the request opens a WebSocket by Upgrade, with a
// Sec-WebSocket-Key for the upstream. CONNECT has no key (RFC 8441, section 5).
func (r *Request) IsWebSocketHandshake() bool {
	return r.upgrade.token == webSocket && r.http.Method != http.MethodConnect
}

// protocol returns the version of HTTP, also for an extended CONNECT.
func (r *Request) protocol() string {
	if r.http.ProtoMajor == 3 {
		return "HTTP/3.0"
	}
	return r.http.Proto
}

// IsWebSocket reports whether r requests a WebSocket, by Upgrade (RFC 6455,
// section 4.1) or by extended CONNECT (RFC 8441, section 4; RFC 9220).
func IsWebSocket(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return connectProtocol(r) == webSocket
	}
	return httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], webSocket)
}
