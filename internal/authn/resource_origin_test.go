package authn

import (
	"net/http"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// TestN48RefuseOrigin: where a resource is, and who may call it.
//
// R-CSRF-3
func TestN48RefuseOrigin(t *testing.T) {
	friend := func(origin string) bool { return origin == "https://friend.example" }
	tests := []struct {
		name, resource, path, origin string
		refused                      bool
	}{
		{"N-48 the resource", "/mcp", "/mcp", "https://evil.example", true},
		{"N-48 one reading of two", "/mcp", "/x|/mcp/y", "https://evil.example", true},
		{"N-48 a whole site", "", "/", "https://evil.example", true},
		{"N-48 beside it", "/mcp", "/mcp2", "https://evil.example", false},
		{"N-48 above it", "/mcp/a", "/mcp", "https://evil.example", false},
		{"N-48 a friend", "/mcp", "/mcp", "https://friend.example", false},
		{"N-48 two lines of friends", "/mcp", "/mcp", "https://friend.example|https://friend.example", true},
		{"N-48 itself", "/mcp", "/mcp", "https://API.example.com", false},
		{"N-48 itself and a friend", "/mcp", "/mcp", "https://api.example.com|https://friend.example", true},
		{"N-48 itself at another port", "/mcp", "/mcp", "https://api.example.com:8443", true},
		{"N-48 itself over plain HTTP", "/mcp", "/mcp", "http://api.example.com", true},
		{"N-48 itself with a path", "/mcp", "/mcp", "https://api.example.com/", true},
		{"N-48 the host of a request by DNS rebinding", "/mcp", "/mcp", "https://rebound.example", true},
		{"N-48 null", "/mcp", "/mcp", "null", true},
		{"N-48 an empty one", "/mcp", "/mcp", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &Chain{metadata: metadata{resources: []protectedResource{newProtectedResource("https://api.example.com:443" + test.resource)}}}
			var readings []request.Reading
			for path := range strings.SplitSeq(test.path, "|") {
				readings = append(readings, request.Reading{Path: path})
			}
			r := &http.Request{Host: "rebound.example", Header: http.Header{"Origin": strings.Split(test.origin, "|")}}
			outcome, refused := c.RefuseOrigin(r, readings, friend)
			if refused != test.refused || refused && outcome.Reason != authenticator.ReasonOriginRefused {
				t.Errorf("%v %+v", refused, outcome)
			}
		})
	}
}

// TestN48OriginOf: an origin is written as browsers write it (RFC 6454, section 6.2).
func TestN48OriginOf(t *testing.T) {
	for resource, want := range map[string]string{
		"https://API.example.com/mcp":      "https://api.example.com",
		"https://api.example.com:443/mcp":  "https://api.example.com",
		"https://api.example.com:8443/mcp": "https://api.example.com:8443",
		"http://localhost:80":              "http://localhost",
		"http://localhost:443/mcp":         "http://localhost:443",
		"http://[::1]:8080/mcp":            "http://[::1]:8080",
	} {
		if got := newProtectedResource(resource).origin; got != want {
			t.Errorf("N-48 %s: %s, want %s", resource, got, want)
		}
	}
}
