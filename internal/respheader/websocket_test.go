package respheader

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// The key and its answer in RFC 6455, section 1.3.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// TestS07Accept: a 101 that does not answer the key becomes 502, and the connection
// is not handed over.
func TestS07Accept(t *testing.T) {
	tests := []struct {
		name, header string
		lines        []string
		status       int
	}{
		{"right", "Sec-WebSocket-Accept", []string{accept}, 101},
		{"right, as Go writes it", "Sec-Websocket-Accept", []string{accept}, 101},
		{"S-07 wrong", "Sec-WebSocket-Accept", []string{"x" + accept[1:]}, 502},
		{"S-07 none", "X-Other", []string{accept}, 502},
		{"S-07 two", "Sec-WebSocket-Accept", []string{accept, accept}, 502},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				var rail HeaderWriter
				rail.Wrap(w)
				rail.ExpectWebSocket(key)
				out := rail.Writer()
				out.Header()[test.header] = test.lines
				out.Header().Set("Upgrade", "websocket")
				out.Header().Set("Connection", "Upgrade")
				out.WriteHeader(http.StatusSwitchingProtocols)
				connection, _, err := http.NewResponseController(out).Hijack()
				if (err == nil) != (test.status == 101) {
					t.Errorf("the connection is handed over: %v", err)
				}
				if err == nil {
					_ = connection.Close()
				}
			}))
			defer server.Close()
			r, _ := http.NewRequest("GET", server.URL, nil)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil || answer.StatusCode != test.status || answer.Header.Get("Upgrade") != "" && test.status == 502 {
				t.Fatalf("%v %v", answer, err)
			}
			_ = answer.Body.Close()
		})
	}
}

// TestRailOtherStatus: an upstream that opens no WebSocket answers as it likes.
func TestRailOtherStatus(t *testing.T) {
	recorder := httptest.NewRecorder()
	var rail HeaderWriter
	rail.Wrap(recorder)
	rail.ExpectWebSocket(key)
	rail.Writer().WriteHeader(http.StatusForbidden)
	if recorder.Code != http.StatusForbidden {
		t.Errorf("%d", recorder.Code)
	}
}
