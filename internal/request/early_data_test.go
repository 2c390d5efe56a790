package request

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestS03TooEarly: what an attacker could send again is not taken early.
func TestS03TooEarly(t *testing.T) {
	request := func(method string, complete bool, header http.Header) *http.Request {
		r := httptest.NewRequest(method, "/", nil)
		r.Header, r.TLS = header, &tls.ConnectionState{HandshakeComplete: complete}
		return r
	}
	said := http.Header{"Early-Data": {"1"}}
	socket := handshake(func(r *http.Request) { r.Header.Set("Early-Data", "1") })
	tests := []struct {
		name string
		r    *http.Request
		want bool
	}{
		{"a POST in time", request("POST", true, nil), false},
		{"a GET before the handshake", request("GET", false, nil), false},
		{"a HEAD before the handshake", request("HEAD", false, nil), false},
		{"S-03 a POST before the handshake", request("POST", false, nil), true},
		{"S-03 OPTIONS before the handshake", request("OPTIONS", false, nil), true},
		{"S-03 a GET that is a DELETE", request("GET", false, http.Header{"X_http_method_override": {"DELETE"}}), true},
		{"S-03 a POST of which a proxy says so", request("POST", true, said), true},
		{"a GET of which a proxy says so", request("GET", true, said), false},
		{"S-03 whatever it says", request("DELETE", true, http.Header{"Early-Data": {""}}), true},
		{"S-03 a WebSocket", socket, true},
		{"S-03 a DPoP proof", request("GET", false, http.Header{"Dpop": {"a.b.c"}}), true},
		{"S-03 the scheme DPoP", request("GET", true, http.Header{"Early-Data": {"1"}, "Authorization": {"dpop a"}}), true},
		{"S-03 a proof in time", request("GET", true, http.Header{"Dpop": {"a.b.c"}}), false},
		{"a bearer token before the handshake", request("GET", false, http.Header{"Authorization": {"Bearer a"}}), false},
		{"plain HTTP", httptest.NewRequest("POST", "/", nil), false},
	}
	for _, test := range tests {
		if got := New(test.r, Metadata{}, new(Config)).TooEarly(); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
