package policyauth

import (
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap/zaptest/observer"
)

// TestN54Preflights: a refused preflight and an origin that is not allowed are in
// the log, with what is not allowed and the id that the answer has; requests of
// the site's own pages are not.
func TestN54Preflights(t *testing.T) {
	tests := []struct {
		name, verb string
		header     []string
		refused    string // what the line names; "" for no line
		value      string
	}{
		{"an allowed preflight", "OPTIONS", []string{"Origin", origin, "Access-Control-Request-Method", "PUT"}, "", ""},
		{"a preflight of another origin", "OPTIONS", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, "origin", "https://evil.example"},
		{"a preflight with another method", "OPTIONS", []string{"Origin", origin, "Access-Control-Request-Method", "PURGE"}, "method", "PURGE"},
		{"a preflight with another header", "OPTIONS", []string{"Origin", origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-other"}, "header", "x-other"},
		{"a request of another origin", "GET", []string{"Origin", "https://evil.example"}, "origin", "https://evil.example"},
		{"a request of the site's own page", "POST", []string{"Origin", "https://example.com"}, "", ""},
		{"no page", "GET", nil, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := newEnv(t).site(basicSite + corsSite)
			r := httptest.NewRequest(test.verb, "https://example.com/x", nil)
			for i := 0; i+1 < len(test.header); i += 2 {
				r.Header.Add(test.header[i], test.header[i+1])
			}
			recorder, err := ask(h, r, new(reached))
			if err != nil {
				t.Fatal(err)
			}
			lines := logs.Filter(func(e observer.LoggedEntry) bool { return strings.Contains(e.Message, "by cors") }).All()
			if test.refused == "" {
				if len(lines) > 0 {
					t.Errorf("%v", lines)
				}
				return
			}
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			fields := lines[0].ContextMap()
			if fields["refused"] != test.refused || fields["value"] != test.value || fields["request_id"] == "" || fields["request_id"] != recorder.Header().Get("X-Request-Id") {
				t.Errorf("%v, the answer's id is %q", fields, recorder.Header().Get("X-Request-Id"))
			}
		})
	}
}
