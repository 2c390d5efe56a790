package cors

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// guarded returns a response as the next handler gets it.
func guarded(c *CORS, w http.ResponseWriter) http.ResponseWriter {
	rail := new(respheader.HeaderWriter)
	rail.Wrap(w)
	if correct := c.Guard(w.Header()); correct != nil {
		rail.Add(correct)
	}
	return rail.Writer()
}

// TestGuard: R-CORS-17, recurring bug 3 of section 6.2: an upstream that sets
// CORS headers too changes nothing, however its answer begins.
func TestGuard(t *testing.T) {
	begin := map[string]func(http.ResponseWriter){
		"WriteHeader":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"both":          func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK); _, _ = w.Write([]byte("data")) },
		"informational": func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); w.WriteHeader(http.StatusOK) },
		"Write":         func(w http.ResponseWriter) { _, _ = w.Write([]byte("data")) },
		"Copy":          func(w http.ResponseWriter) { _, _ = io.Copy(w, io.LimitReader(strings.NewReader("data"), 9)) },
		"Flush":         func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"Flusher":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	}
	allowed := http.Header{
		"Access-Control-Allow-Origin":      {app},
		"Access-Control-Allow-Credentials": {"true"},
		"Access-Control-Expose-Headers":    {"dpop-nonce,retry-after,www-authenticate,x-request-id"},
	}
	c := build(t, Config{Origins: []string{app}, Credentials: true})
	for name, begin := range begin {
		for origin, want := range map[string]http.Header{app: allowed, "https://evil.example": {}, "": {}} {
			t.Run(name+" "+origin, func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c.Handle(w, r, testID)
					w = guarded(c, w)
					h := w.Header()
					h.Add("Access-Control-Allow-Origin", "https://evil.example")
					h.Set("Access-Control-Allow-Credentials", "true")
					h.Set("Access-Control-Allow-Methods", "PUT")
					h["Vary"] = []string{"Accept-Encoding"}
					begin(w)
				}))
				defer server.Close()
				r, err := http.NewRequest("GET", server.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				if origin != "" {
					r.Header.Set("Origin", origin)
				}
				got, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer got.Body.Close()
				if diff := cmp.Diff(want, owned(got.Header)); diff != "" || got.StatusCode != http.StatusOK {
					t.Errorf("%d (-want +got)\n%s", got.StatusCode, diff)
				}
				if !mentions(got.Header, "Origin") || !mentions(got.Header, "Accept-Encoding") {
					t.Errorf("Vary: %v", got.Header["Vary"])
				}
			})
		}
	}
}

// TestGuardVary: Origin is not named twice, and * says it all.
func TestGuardVary(t *testing.T) {
	c := build(t, Config{Origins: []string{app}})
	for _, vary := range [][]string{{"Origin"}, {"Accept, origin"}, {"*"}, {"Accept", "ORIGIN"}} {
		recorder := httptest.NewRecorder()
		recorder.Header()["Vary"] = vary
		guarded(c, recorder).WriteHeader(http.StatusOK)
		if diff := cmp.Diff(vary, recorder.Header()["Vary"]); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// TestGuardHijack: a WebSocket gets at its connection.
func TestGuardHijack(t *testing.T) {
	c := build(t, Config{Origins: []string{app}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.Handle(w, r, testID)
		w = guarded(c, w)
		w.WriteHeader(http.StatusSwitchingProtocols)
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		connection.Close()
	}))
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	got, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("got %d", got.StatusCode)
	}
}

// BenchmarkGuard measures what a guarded answer pays.
func BenchmarkGuard(b *testing.B) {
	c := build(b, Config{Origins: []string{app}, Credentials: true})
	b.ReportAllocs()
	w := &recorder{header: http.Header{}}
	c.Handle(w, request("GET"), testID)
	for b.Loop() {
		guarded(c, w).WriteHeader(http.StatusOK)
	}
}
