package cors

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestPreflight: R-CORS-1, R-CORS-2, R-CORS-3, R-CORS-4, R-CORS-5, R-CORS-8,
// R-CORS-12, R-CORS-14, R-CORS-15, R-CORS-16, R-CORS-18, R-CORS-20, R-CORS-22,
// R-CACHE-1, T-44.
func TestPreflight(t *testing.T) {
	c := build(t, Config{Origins: []string{app}, Credentials: true, Headers: []string{"a", "b", "c"}, CredentialHeaders: []string{"Authorization", "Cookie"}})
	const names = "Access-Control-Request-Headers"
	long := strings.Repeat("a,", 5_000)
	tests := []struct {
		name   string
		r      *http.Request
		result Result
		status int
	}{
		{"PUT", preflight(app, "PUT"), Answered, 204},
		{"GET needs no listing", preflight(app, "GET"), Answered, 204},
		{"a path that there may not be", at("/nowhere", preflight(app, "PUT")), Answered, 204},
		{"the whole server", at("*", preflight(app, "PUT")), Answered, 204},
		{"a header", preflight(app, "PUT", names, "authorization"), Answered, 204},
		{"headers", preflight(app, "PUT", names, "a,authorization,b"), Answered, 204},
		{"headers in several lines", preflight(app, "PUT", names, "a", names, "b"), Answered, 204},
		{"headers with spaces", preflight(app, "PUT", names, "a, b, c"), Answered, 204},
		{"headers with empty members", preflight(app, "PUT", names, "a,,b,"), Answered, 204},
		{"no headers", preflight(app, "PUT", names, ""), Answered, 204},
		{"a header that is not listed", preflight(app, "PUT", names, "x"), Answered, 403},
		{"one of them is not listed", preflight(app, "PUT", names, "a,x"), Answered, 403},
		{"cookies are no script's", preflight(app, "PUT", names, "cookie"), Answered, 403},
		{"upper case is no browser's", preflight(app, "PUT", names, "A"), Answered, 403},
		{"very many headers", preflight(app, "PUT", names, long), Answered, 403},
		{"very many commas", preflight(app, "PUT", names, strings.Repeat(",", 10_000)), Answered, 403},
		{"very much space", preflight(app, "PUT", names, strings.Repeat(" ", 10_000)+"a"), Answered, 403},
		{"a method that is not listed", preflight(app, "PURGE"), Answered, 403},
		{"methods have case", preflight(app, "put"), Answered, 403},
		{"TRACE", preflight(app, "TRACE"), Answered, 403},
		{"no method", preflight(app, ""), Answered, 403},
		{"another origin", preflight("https://evil.example", "PUT"), Answered, 403},
		{"null", preflight("null", "PUT"), Answered, 403},
		{"an empty origin", preflight("", "PUT"), Answered, 403},
		{"two origins", preflight(app, "PUT", "Origin", "https://evil.example"), Answered, 403},
		{"the same origin twice", preflight(app, "PUT", "Origin", app), Answered, 403},
		{"private network access is not asked for any more", preflight(app, "PUT", "Access-Control-Request-Private-Network", "true"), Answered, 204},
		{"no Access-Control-Request-Method", request("OPTIONS", "Origin", app), Ordinary, 200},
		{"no Origin", request("OPTIONS", "Access-Control-Request-Method", "PUT"), Ordinary, 200},
		{"bare", request("OPTIONS"), Ordinary, 200},
		{"not OPTIONS", request("POST", "Origin", app, "Access-Control-Request-Method", "PUT"), Ordinary, 200},
		{"options", request("options", "Origin", app, "Access-Control-Request-Method", "PUT"), Ordinary, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result, recorder := handle(c, test.r)
			h := recorder.Header()
			if result != test.result || recorder.Code != test.status {
				t.Fatalf("got %v %d", result, recorder.Code)
			}
			if result == Answered && recorder.Body.Len() > 0 {
				t.Error("there is a body")
			}
			if result == Answered && (len(h["Location"]) > 0 || len(h["Www-Authenticate"]) > 0) {
				t.Errorf("no answer to a preflight: %v", h)
			}
			if recorder.Code == 403 && (len(owned(h)) > 0 || h.Get("Cache-Control") != "no-store") {
				t.Errorf("a refusal says too much: %v", h)
			}
			if recorder.Code == 204 {
				if h.Get("Access-Control-Allow-Origin") != app || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Max-Age") != "3600" {
					t.Errorf("got %v", h)
				}
			}
			if _, there := h["Access-Control-Allow-Private-Network"]; there {
				t.Error("private network access is answered")
			}
			for _, name := range []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"} {
				if test.r.Method == "OPTIONS" && !mentions(h, name) {
					t.Errorf("Vary does not name %s: %v", name, h["Vary"])
				}
			}
		})
	}
}

func mentions(h http.Header, name string) bool {
	return slices.Contains(list(h, "Vary", true), strings.ToLower(name))
}
