package testenv

import (
	"net/http"
	"strings"
	"testing"
)

// TestInspect: what all other tests rely on sees what it is for.
func TestInspect(t *testing.T) {
	refusal := func(header ...string) http.Header {
		h := http.Header{"Cache-Control": {"no-store"}, "X-Request-Id": {"1"}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Add(header[i], header[i+1])
		}
		return h
	}
	const basic, bearer = `Basic realm="a"`, `Bearer realm="a"`
	tests := []struct {
		name   string
		status int
		header http.Header
		want   string // "" if there is nothing wrong
	}{
		{"a 401", 401, refusal("WWW-Authenticate", basic, "WWW-Authenticate", bearer), ""},
		{"a 403", 403, refusal(), ""},
		{"a redirect", 303, refusal("Location", "/"), ""},
		{"a preflight's answer", 204, http.Header{}, ""},
		{"no challenge", 401, refusal(), "without a challenge"},
		{"no grammar", 401, refusal("WWW-Authenticate", "Basic realm=a"), "not quoted"},
		{"no grammar on a 403", 403, refusal("WWW-Authenticate", `Bearer error="\""`), "error"},
		{"a list", 401, refusal("WWW-Authenticate", basic+", "+bearer), "on a line"},
		{"another order", 401, refusal("WWW-Authenticate", bearer, "WWW-Authenticate", basic), "first challenge is not Basic"},
		{"too long", 401, refusal("WWW-Authenticate", `Basic realm="`+strings.Repeat("a", 4<<10)+`"`), "bytes"},
		{"a place to go", 401, refusal("WWW-Authenticate", basic, "Location", "/"), "Location"},
		{"a proxy's status", 407, refusal(), "proxy"},
		{"a proxy's challenge", 401, refusal("WWW-Authenticate", basic, "Proxy-Authenticate", basic), "proxy"},
		{"may be stored", 403, http.Header{"X-Request-Id": {"1"}}, "Cache-Control"},
		{"may be stored after all", 403, refusal("Cache-Control", "public"), "Cache-Control"},
		{"a redirect that may be stored", 303, http.Header{"X-Request-Id": {"1"}}, "Cache-Control"},
		{"no id", 404, http.Header{"Cache-Control": {"no-store"}}, "id"},
		{"a validator", 403, refusal("ETag", `"a"`), "Etag"},
		{"a date", 403, refusal("Last-Modified", "x"), "Last-Modified"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Inspect(test.status, test.header)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
