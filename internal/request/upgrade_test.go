package request

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const handshakeKey = "dGhlIHNhbXBsZSBub25jZQ=="

// handshake is a request that opens a WebSocket, but for what change does to it.
func handshake(change func(*http.Request)) *http.Request {
	r := httptest.NewRequest("GET", "/ws", nil)
	r.Header = http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {handshakeKey},
	}
	change(r)
	return r
}

// connect is an extended CONNECT for a protocol.
func connect(major int, protocol string) *http.Request {
	r := httptest.NewRequest("GET", "/ws", nil)
	r.Method, r.ProtoMajor, r.ProtoMinor, r.ContentLength = "CONNECT", major, 0, -1
	r.Header = http.Header{"Sec-Websocket-Version": {"13"}}
	switch {
	case major == 3 && protocol != "":
		r.Proto = protocol
	case protocol != "":
		r.Proto, r.Header[":protocol"] = "HTTP/2.0", []string{protocol}
	}
	return r
}

// TestN01Upgrade: which protocol a request may change to, and which CONNECT
// nobody gets.
func TestN01Upgrade(t *testing.T) {
	set := func(name string, lines ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = lines }
	}
	tests := []struct {
		name    string
		r       *http.Request
		want    string
		refused bool
	}{
		{"a WebSocket", handshake(func(*http.Request) {}), "websocket", false},
		{"in capitals", handshake(set("Upgrade", "WebSocket")), "websocket", false},
		{"N-01 h2c", handshake(set("Upgrade", "h2c")), "", false},
		{"N-01 HTTP/2.0", handshake(set("Upgrade", "HTTP/2.0")), "", false},
		{"TLS", handshake(set("Upgrade", "TLS/1.0")), "", false},
		{"N-01 h2c and websocket", handshake(set("Upgrade", "h2c, websocket")), "websocket", false},
		{"in two lines", handshake(set("Upgrade", "h2c", "websocket")), "websocket", false},
		{"named by the site", handshake(set("Upgrade", "h2c, spdy/3.1, tcp")), "SPDY/3.1", false},
		{"of another version", handshake(set("Upgrade", "SPDY/2")), "", false},
		{"the first counts", handshake(set("Upgrade", "tcp, websocket")), "tcp", false},
		{"websocket with a version", handshake(set("Upgrade", "websocket/13")), "", false},
		{"empty", handshake(set("Upgrade", "", ",", " ,\t")), "", false},
		{"quoted", handshake(set("Upgrade", `"websocket"`)), "", false},
		{"without Connection", handshake(set("Connection", "keep-alive")), "", false},
		{"S-07 another version of WebSocket", handshake(set("Sec-Websocket-Version", "8")), "", false},
		{"S-07 two versions", handshake(set("Sec-Websocket-Version", "13", "8")), "", false},
		{"S-07 no key", handshake(set("Sec-Websocket-Key")), "", false},
		{"S-07 a short key", handshake(set("Sec-Websocket-Key", "dGhlIHNhbXBsZQ==")), "", false},
		{"S-07 a long key", handshake(set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZSEh")), "", false},
		{"S-07 a key that is none", handshake(set("Sec-Websocket-Key", strings.Repeat("!", 24))), "", false},
		{"S-07 two keys", handshake(set("Sec-Websocket-Key", handshakeKey, handshakeKey)), "", false},
		{"S-07 a POST", handshake(func(r *http.Request) { r.Method = "POST" }), "", false},
		{"S-07 a body", handshake(func(r *http.Request) { r.ContentLength = 3 }), "", false},
		{"S-07 a body of unknown length", handshake(func(r *http.Request) { r.ContentLength = -1 }), "", false},
		{"HTTP/1.0", handshake(func(r *http.Request) { r.ProtoMinor = 0 }), "", false},
		{"over HTTP/2, which has no Upgrade", handshake(func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }), "", false},
		{"CONNECT, HTTP/2", connect(2, "websocket"), "websocket", false},
		{"CONNECT, HTTP/3", connect(3, "websocket"), "websocket", false},
		{"CONNECT in capitals, which the web server does not take for one", connect(2, "WebSocket"), "", true},
		{"CONNECT for h2c", connect(2, "h2c"), "", true},
		{"CONNECT for UDP", connect(3, "connect-udp"), "", true},
		{"CONNECT for what the site names", connect(2, "tcp"), "tcp", false},
		{"CONNECT for what the site names, HTTP/3", connect(3, "tcp"), "tcp", false},
		{"plain CONNECT", connect(1, ""), "", true},
		{"plain CONNECT, HTTP/2", connect(2, ""), "", true},
		{"plain CONNECT with an Upgrade", func() *http.Request {
			r := handshake(func(*http.Request) {})
			r.Method = "CONNECT"
			return r
		}(), "", true},
		{"a version of HTTP as protocol", connect(3, "HTTP/3.0"), "", true},
		{"S-07 CONNECT of another version", func() *http.Request {
			r := connect(2, "websocket")
			r.Header.Set("Sec-Websocket-Version", "7")
			return r
		}(), "websocket", true},
		{"the preface of HTTP/2", httptest.NewRequest("PRI", "/", nil), "", true},
		{"plain", httptest.NewRequest("GET", "/", nil), "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := New(test.r, Metadata{ID: func() string { return "" }}, &Config{Upgrades: []string{"SPDY/3.1", "tcp"}})
			fields := req.Fields(req.Readings()[0], AllFields)
			if got := req.Upgrade(); got != test.want || req.UpgradeRefused() != test.refused || fields.Upgrade != strings.ToLower(test.want) || fields.WebSocket != (test.want == "websocket") {
				t.Errorf("%q, refused %v, input has %q %v", got, req.UpgradeRefused(), fields.Upgrade, fields.WebSocket)
			}
			method := test.r.Method
			if method == "CONNECT" && test.want == "websocket" {
				method = "GET" // as the upstream gets it
			}
			if fields.Method != method || strings.Contains(fields.Protocol, "websocket") {
				t.Errorf("input has %s, %s", fields.Method, fields.Protocol)
			}
		})
	}
}

// TestS07CheckUpgrade: what a site may not let through.
func TestS07CheckUpgrade(t *testing.T) {
	for token, want := range map[string]string{
		"tcp": "", "SPDY/3.1": "", "connect-udp": "", "h2c": "tunnel", "H2C": "tunnel", "http/2.0": "tunnel", "HTTP/3": "tunnel", "http": "tunnel",
		"TLS/1.0": "tunnel", "tls": "tunnel", "connect-ip": "tunnel", "websocket": "no mention", "WebSocket": "no mention",
		"*": "not a protocol", "a b": "not a protocol", "": "not a protocol", "a/": "not a protocol", "/1": "not a protocol", "tcp,h2c": "not a protocol", "tcp/*": "not a protocol",
	} {
		if err := CheckUpgrade(token); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// TestWebSocket: R-CSRF-2 needs to know, over each version of HTTP.
func TestWebSocket(t *testing.T) {
	for _, r := range []*http.Request{handshake(func(*http.Request) {}), connect(2, "websocket"), connect(3, "websocket")} {
		if !IsWebSocket(r) {
			t.Errorf("HTTP/%d: no WebSocket", r.ProtoMajor)
		}
	}
	for _, r := range []*http.Request{httptest.NewRequest("GET", "/", nil), connect(2, ""), connect(3, "tcp"), connect(2, "tcp")} {
		if IsWebSocket(r) {
			t.Errorf("HTTP/%d %s: a WebSocket", r.ProtoMajor, r.Method)
		}
	}
}

// FuzzUpgrade: whatever Upgrade and Connection say, only what the site names
// passes.
func FuzzUpgrade(f *testing.F) {
	for _, seed := range []string{"h2c", "h2c, websocket", "websocket", "TCP", " ,\x00", "websocket\x00", "h2c;q=1,tcp"} {
		f.Add("Upgrade, HTTP2-Settings", seed)
	}
	f.Fuzz(func(t *testing.T, connection, protocols string) {
		r := handshake(func(*http.Request) {})
		r.Header["Connection"], r.Header["Upgrade"] = []string{connection}, strings.Split(protocols, "\n")
		switch got := parseUpgrade(r, UpgradeHeader, []string{"tcp"}); {
		case got.refused:
			t.Errorf("%q is refused", protocols)
		case got.token == "tcp" || got.token == "websocket":
			if !strings.Contains(strings.ToLower(protocols), got.token) || !strings.Contains(strings.ToLower(connection), "upgrade") {
				t.Errorf("%q gives %s", protocols, got.token)
			}
		case got.token != "":
			t.Errorf("%q gives %s", protocols, got.token)
		}
	})
}
