package authn

import (
	"net/http"
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
		{"N-48 itself", "/mcp", "/mcp", "https://API.example.com", false},
		{"N-48 itself at another port", "/mcp", "/mcp", "https://api.example.com:8443", true},
		{"N-48 null", "/mcp", "/mcp", "null", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &Chain{metadata: metadata{paths: []string{test.resource}}}
			readings := []request.Reading{{Path: test.path}}
			if len(test.path) > 2 && test.path[:3] == "/x|" {
				readings = []request.Reading{{Path: "/x"}, {Path: test.path[3:]}}
			}
			r := &http.Request{Host: "api.example.com", Header: http.Header{"Origin": {test.origin}}}
			outcome, refused := c.RefuseOrigin(r, readings, friend)
			if refused != test.refused || refused && outcome.Reason != authenticator.ReasonOriginRefused {
				t.Errorf("%v %+v", refused, outcome)
			}
		})
	}
}
