package authn

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestParseResource: R-PRM-1, R-PRM-6. Where the description of a resource is
// comes from its identifier alone (RFC 9728, section 3.1).
func TestParseResource(t *testing.T) {
	tests := []struct{ name, identifier, want, err string }{
		{"a host", "https://h.example.com", "https://h.example.com/.well-known/oauth-protected-resource", ""},
		{"a host and a slash", "https://h.example.com/", "https://h.example.com/.well-known/oauth-protected-resource", ""},
		{"a path", "https://h.example.com/mcp", "https://h.example.com/.well-known/oauth-protected-resource/mcp", ""},
		{"a path that ends with a slash", "https://h.example.com/mcp/", "https://h.example.com/.well-known/oauth-protected-resource/mcp/", ""},
		{"an escaped path", "https://h.example.com/a%2Fb", "https://h.example.com/.well-known/oauth-protected-resource/a%2Fb", ""},
		{"a port", "https://h.example.com:8443/x", "https://h.example.com:8443/.well-known/oauth-protected-resource/x", ""},
		{"this machine", "http://localhost:8080", "http://localhost:8080/.well-known/oauth-protected-resource", ""},
		{"http", "http://h.example.com", "", "not an https URL"},
		{"no host", "https:///x", "", "not a URL"},
		{"no scheme", "h.example.com", "", "not a URL"},
		{"opaque", "https:h.example.com", "", "not a URL"},
		{"a bad escape", "https://h.example.com/%zz", "", "not a URL"},
		{"a user", "https://u@h.example.com", "", "a user, a query or a fragment"},
		{"a query", "https://h.example.com?x", "", "a user, a query or a fragment"},
		{"an empty query", "https://h.example.com?", "", "a user, a query or a fragment"},
		{"a fragment", "https://h.example.com#x", "", "a user, a query or a fragment"},
		{"an empty fragment", "https://h.example.com#", "", "a user, a query or a fragment"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseResource(test.identifier)
			switch {
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got %v, want %q", err, test.err)
			case test.err == "" && (err != nil || got.String() != test.want):
				t.Errorf("got %v %v, want %s", got, err, test.want)
			}
		})
	}
}

// TestServeMetadata: which requests are answered with the description of a resource.
func TestServeMetadata(t *testing.T) {
	j := &JWT{Issuer: "https://id.example.com", Resource: "https://api.example.com/mcp"}
	j.metadata, _ = parseResource(j.Resource)
	described, err := newMetadata([]Method{{Name: "jwt", Authenticator: j}})
	if err != nil {
		t.Fatal(err)
	}
	id := func() string { return "id" }
	for _, test := range []struct {
		method, path string
		served       bool
		status       int
	}{
		{"GET", metadataPath + "/mcp", true, 200},
		{"HEAD", metadataPath + "/mcp", true, 200},
		{"OPTIONS", metadataPath + "/mcp", true, 204},
		{"POST", metadataPath + "/mcp", true, 405},
		{"GET", metadataPath, true, 404},
		{"GET", metadataPath + "/other", true, 404},
		{"GET", metadataPath + "s/mcp", false, 200},
		{"GET", "/mcp", false, 200},
	} {
		w := httptest.NewRecorder()
		served := described.serve(w, httptest.NewRequest(test.method, "/", nil), test.path, id)
		if served != test.served || w.Code != test.status || (w.Body.Len() > 0) != (test.status == 200 && test.served) {
			t.Errorf("%s %s: served %t, %d %s", test.method, test.path, served, w.Code, w.Body)
		}
		if got := w.Header().Get("X-Request-Id"); (got == id()) != (test.status >= 400) {
			t.Errorf("%s %s: the request's ID is %q", test.method, test.path, got)
		}
	}
	if w := httptest.NewRecorder(); (metadata{}).serve(w, httptest.NewRequest("GET", "/", nil), metadataPath, id) {
		t.Error("a site without resources answers")
	}
}
