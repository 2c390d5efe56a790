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

// webSocket is the one upgrade that is possible on every site: policies see the
// request that opens it, and the connection carries nothing but its messages.
const webSocket = "websocket"

// tunnelProtocols are protocols that carry further requests, or whole networks, which
// no policy would see: cleartext HTTP/2 and its kin (RFC 7540, section 3.2), TLS
// within HTTP (RFC 2817) and IP (RFC 9484). A site cannot let them through.
var tunnelProtocols = []string{"h2c", "h2", "h3", "http", "tls", "connect-ip"}

// CheckUpgrade returns an error if a site cannot name a protocol among those
// that may pass, beside websocket.
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

// isProtocol reports whether a text is a protocol's name, with or without a
// version (RFC 9110, section 7.8). Both have the characters of a header's name.
func isProtocol(text string) bool {
	name, version, versioned := strings.Cut(text, "/")
	return httpguts.ValidHeaderFieldName(name) && (!versioned || httpguts.ValidHeaderFieldName(version))
}

// upgrade is what a request wants to make of its connection.
type upgrade struct {
	token   string // as the next handler gets it, or ""
	refused bool   // a CONNECT that no handler gets
}

// parseUpgrade returns the first protocol that a request may change to: websocket or
// one that the site names. Others are ignored, as RFC 9110, section 7.8, has it;
// a CONNECT is nothing without its protocol, so that another one is refused.
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

// allowedProtocol returns a protocol in the spelling of the site if it may pass, else "".
// Of a CONNECT, whose protocols are compared exactly (RFC 8441, section 4), it is
// given as it was sent.
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

// connectProtocol returns the protocol of an extended CONNECT (RFC 8441, RFC 9220), or
// "" for a plain one. HTTP/3 has it where others have the version of HTTP.
func connectProtocol(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2 && len(r.Header[":protocol"]) == 1:
		return r.Header[":protocol"][0]
	case r.ProtoMajor == 3 && !strings.HasPrefix(r.Proto, "HTTP/"):
		return r.Proto
	}
	return ""
}

// isWebSocketHandshake reports whether a request opens a WebSocket (RFC 6455, section
// 4.2.1). What a server would not take for one must not pass as one: it would be
// answered like any request, on a connection that is no longer read as such.
func isWebSocketHandshake(r *http.Request) bool {
	keys := r.Header["Sec-Websocket-Key"]
	if r.Method != http.MethodGet || r.ContentLength != 0 || !hasOnlyLine(r.Header, "Sec-Websocket-Version", "13") || len(keys) != 1 || len(keys[0]) != 24 {
		return false
	}
	var nonce [18]byte
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(keys[0]))
	return err == nil && n == 16
}

// hasOnlyLine reports whether a header has one line, and which.
func hasOnlyLine(h http.Header, name, line string) bool {
	lines := h[name]
	return len(lines) == 1 && strings.TrimSpace(lines[0]) == line
}

// Upgrade returns the protocol that the request may change its connection to, in
// the spelling in which the next handler gets it, or "".
func (r *Request) Upgrade() string { return r.upgrade.token }

// UpgradeRefused reports whether the request is a CONNECT that no handler may get.
func (r *Request) UpgradeRefused() bool { return r.upgrade.refused }

// IsWebSocketConnect reports whether the request opens a WebSocket by CONNECT. The web
// server turns it into a GET for the upstream, and as that it is judged.
func (r *Request) IsWebSocketConnect() bool {
	return r.http.Method == http.MethodConnect && r.upgrade.token == webSocket
}

// IsWebSocketHandshake reports whether the request opens a WebSocket by Upgrade, whose key
// the upstream answers. One by CONNECT has no key (RFC 8441, section 5).
func (r *Request) IsWebSocketHandshake() bool {
	return r.upgrade.token == webSocket && r.http.Method != http.MethodConnect
}

// protocol returns the version of HTTP, also of an extended CONNECT.
func (r *Request) protocol() string {
	if r.http.ProtoMajor == 3 {
		return "HTTP/3.0"
	}
	return r.http.Proto
}

// IsWebSocket reports whether r asks for a WebSocket, by Upgrade (RFC 6455,
// section 4.1) or by extended CONNECT (RFC 8441, section 4; RFC 9220).
func IsWebSocket(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return connectProtocol(r) == webSocket
	}
	return httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], webSocket)
}
