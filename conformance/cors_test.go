package conformance

import (
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap/zaptest/observer"
)

// TestCORS: R-CORS-1, R-CORS-2, R-CORS-9, T-44, T-67, through the handler.
func TestCORS(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + "cors {\n origins https://app.example.com\n credentials\n }\n")
	preflight := get("/", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT")
	preflight.Method = "OPTIONS"
	next := new(reached)
	recorder, _ := ask(h, preflight, next)
	if recorder.Code != 204 || next.Request != nil || recorder.Header().Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("preflight: %d %v", recorder.Code, recorder.Header())
	}
	bare := get("/")
	bare.Method = "OPTIONS"
	if recorder, _ := ask(h, bare, new(reached)); recorder.Code != 401 {
		t.Errorf("a bare OPTIONS: %d", recorder.Code)
	}
	for path, status := range map[string]int{"/": 401, "/public/": 200, "/a/../b": 400} {
		recorder, _ = ask(h, get(path, "Origin", "https://app.example.com"), new(reached))
		header := recorder.Header()
		if recorder.Code != status || header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: %d %v", path, recorder.Code, header)
		}
		for name := range header {
			header[name][0] = "edited in place"
		}
	}
	recorder, _ = ask(h, get("/", "Origin", "https://evil.example"), new(reached))
	if recorder.Header().Get("Access-Control-Allow-Origin") != "" || !strings.Contains(strings.Join(recorder.Header()["Vary"], ","), "Origin") {
		t.Errorf("a refused origin: %v", recorder.Header())
	}
	// R-CSRF-1: a form of another site with the password that the browser attached
	form := asUser(get("/", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), "bob")
	form.Method = "POST"
	if recorder, _ := ask(h, form, new(reached)); recorder.Code != 403 {
		t.Errorf("a form of another site: %d", recorder.Code)
	}
	form = asUser(get("/", "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site"), "bob")
	form.Method = "POST"
	if recorder, _ := ask(h, form, new(reached)); recorder.Code != 200 {
		t.Errorf("a script of an allowed origin: %d", recorder.Code)
	}
}

// TestPreflightWithoutCORS: it is judged like any request, and the log says
// what is missing.
func TestPreflightWithoutCORS(t *testing.T) {
	w := newEnv(t)
	h, logs := w.site(basicSite)
	preflight := get("/", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT")
	preflight.Method = "OPTIONS"
	recorder, _ := ask(h, preflight, new(reached))
	hint, _ := logs.All()[0].ContextMap()["hint"].(string)
	if recorder.Code != 401 || !strings.Contains(hint, "add a cors block") {
		t.Errorf("%d, %q", recorder.Code, hint)
	}
}

// TestCORSUpstream: the upstream answers preflights, which bring no credential.
func TestCORSUpstream(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + "cors upstream\n")
	preflight := asUser(get("/", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT", "Cookie", "a=b"), "bob")
	preflight.Method = "OPTIONS"
	next := new(reached)
	recorder, err := ask(h, preflight, next)
	if err != nil || next.Request == nil {
		t.Fatal("the upstream was not asked", err)
	}
	if recorder.Code != 200 || recorder.Body.Len() > 0 { // N-04
		t.Errorf("%d %q", recorder.Code, recorder.Body)
	}
	if got := next.Request.Header; got.Get("Authorization")+got.Get("Cookie") != "" {
		t.Errorf("credentials came through: %v", got)
	}
}

// TestN10Preflight: a preflight that the upstream answers brings it no credential
// of any method, wherever it is.
func TestN10Preflight(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: ci, owner: build, hash: \"sha256:"+sha("key-"+canary)+"\"}\n")
	h, _ := w.site(basicSite + keySite + "cors upstream\n")
	preflight := preflightOf("Authorization", basicOf("bob"), "X-Api-Key", "key-"+canary, "Cookie", "a="+canary, "Proxy-Authorization", basicOf("bob"))
	next := new(reached)
	if _, err := ask(h, preflight, next); err != nil || next.Request == nil {
		t.Fatal("the upstream was not asked", err)
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "Proxy-Authorization"} {
		if lines := next.Request.Header[name]; lines != nil {
			t.Errorf("%s came through: %q", name, lines)
		}
	}
}

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
