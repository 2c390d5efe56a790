package authn

import (
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
