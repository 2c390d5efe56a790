package cors

import (
	"net/http"
	"strings"
	"testing"
)

// TestN54Refusal: what of a preflight is not allowed is named, and an allowed
// request has no refusal.
func TestN54Refusal(t *testing.T) {
	c, err := New(Config{Origins: []string{"https://app.example.com"}, Methods: []string{"GET", "PUT"}, Headers: []string{"x-app"}})
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := New(Config{Upstream: true})
	if err != nil {
		t.Fatal(err)
	}
	const app = "https://app.example.com"
	tests := []struct {
		name string
		cors *CORS
		verb string
		head []string // name, value, ...
		want Refusal
	}{
		{"an allowed request", c, "GET", []string{"Origin", app}, Refusal{}},
		{"no origin", c, "OPTIONS", nil, Refusal{}},
		{"an origin", c, "GET", []string{"Origin", "https://evil.example"}, Refusal{"origin", "https://evil.example"}},
		{"null", c, "GET", []string{"Origin", "null"}, Refusal{"origin", "null"}},
		{"two origins", c, "GET", []string{"Origin", app, "Origin", app}, Refusal{"origin", app + ", " + app}},
		{"a preflight's origin", c, "OPTIONS", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, Refusal{"origin", "https://evil.example"}},
		{"a method", c, "OPTIONS", []string{"Origin", app, "Access-Control-Request-Method", "PURGE"}, Refusal{"method", "PURGE"}},
		{"a header", c, "OPTIONS", []string{"Origin", app, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-app, x-other"}, Refusal{"header", "x-other"}},
		{"too many headers", c, "OPTIONS", []string{"Origin", app, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", strings.Repeat("x-app,", maxProbes) + "x-other"}, Refusal{"preflight", ""}},
		{"the upstream answers", upstream, "OPTIONS", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, Refusal{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{Method: test.verb, Header: http.Header{}}
			for i := 0; i+1 < len(test.head); i += 2 {
				r.Header.Add(test.head[i], test.head[i+1])
			}
			if got := test.cors.Refusal(r); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}
