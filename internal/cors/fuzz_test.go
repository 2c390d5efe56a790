package cors

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzOrigin: T-66. No byte of an Origin opens an answer that the two named
// origins and the subdomains do not open.
func FuzzOrigin(f *testing.F) {
	for _, origin := range []string{app, "https://a.b.example.org", "https://example.org", "null", "", "https://app.example.com:443", "https://app.example.com.evil", "http://[::1]:80", "https://-.example.org", "\x00"} {
		f.Add(origin)
	}
	c := build(f, Config{Origins: []string{app, "https://other.example:8443", "https://*.example.org"}, Credentials: true})
	f.Fuzz(func(t *testing.T, origin string) {
		r := request("GET")
		r.Header["Origin"] = []string{origin}
		_, recorder := handle(c, r)
		h := recorder.Header()
		got := h["Access-Control-Allow-Origin"]
		if len(got) > 1 || len(got) == 1 && got[0] != origin || (len(got) == 1) != (h.Get("Access-Control-Allow-Credentials") == "true") {
			t.Fatalf("%q: got %v", origin, h)
		}
		if !mentions(h, "Origin") || c.Allowed(origin) != (len(got) == 1) {
			t.Fatalf("%q: got %v", origin, h)
		}
		if len(got) == 1 && !expected(origin) {
			t.Fatalf("%q is allowed", origin)
		}
	})
}

// expected is a second opinion on FuzzOrigin's three patterns.
func expected(origin string) bool {
	if origin == app || origin == "https://other.example:8443" {
		return true
	}
	label, ok := strings.CutSuffix(origin, ".example.org")
	label, ok2 := strings.CutPrefix(label, "https://")
	plain := func(r rune) bool {
		return r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z'
	}
	return ok && ok2 && label != "" && strings.IndexFunc(label, func(r rune) bool { return !plain(r) }) < 0
}

// FuzzPreflight: T-66. A stranger's preflight is answered, with 204 and all that
// a browser needs or with 403 and nothing.
func FuzzPreflight(f *testing.F) {
	f.Add(app, "PUT", "authorization", false)
	f.Add(app, "put", "a,,b", true)
	f.Add("null", "", "\t , ,", false)
	f.Add("https://a.example.com", "TRACE", strings.Repeat("a,", 100), true)
	c := build(f, Config{Origins: []string{app}, Credentials: true, Headers: []string{"a", "b"}, CredentialHeaders: []string{"Authorization"}})
	f.Fuzz(func(t *testing.T, origin, method, names string, twice bool) {
		r := request(http.MethodOptions)
		r.Header["Origin"] = []string{origin}
		r.Header["Access-Control-Request-Method"] = []string{method}
		r.Header["Access-Control-Request-Headers"] = []string{names}
		if twice {
			r.Header["Access-Control-Request-Headers"] = []string{names, names}
		}
		recorder := httptest.NewRecorder()
		if c.Handle(recorder, r, testID) != Answered {
			t.Fatal("it was not answered")
		}
		h := recorder.Header()
		switch recorder.Code {
		case http.StatusForbidden:
			if len(owned(h)) > 0 {
				t.Fatalf("got %v", h)
			}
			return
		case http.StatusNoContent:
		default:
			t.Fatalf("got %d", recorder.Code)
		}
		if origin != app || !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, method) {
			t.Fatalf("%q %q is allowed", origin, method)
		}
		for _, name := range list(r.Header, "Access-Control-Request-Headers", false) {
			if !slices.Contains([]string{"a", "b", "authorization"}, name) {
				t.Fatalf("%q is allowed", name)
			}
		}
		b := browser{origin: origin, credentials: true, site: &site{cors: c}}
		if err := b.preflight(method, list(r.Header, "Access-Control-Request-Headers", false)); err != nil && !twice && wellFormed(names) {
			t.Fatalf("%q %q: a browser does not take the answer", method, names)
		}
	})
}

// wellFormed reports whether names are as browsers write them.
func wellFormed(names string) bool {
	return names != "" && strings.IndexFunc(names, func(r rune) bool { return r != ',' && (r < 'a' || r > 'z') }) < 0 &&
		!strings.Contains(names, ",,") && !strings.HasPrefix(names, ",") && !strings.HasSuffix(names, ",")
}
