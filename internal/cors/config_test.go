package cors

import (
	"strings"
	"testing"
	"time"
)

// TestNewErrors: what is unsafe or of no effect is no policy, and the error
// names the bad word (R-CORS-7, R-CORS-11, R-CORS-12, R-CORS-13,
// R-CORS-15, R-CORS-16, T-43, T-63).
func TestNewErrors(t *testing.T) {
	origins := []string{app}
	tests := []struct {
		name   string
		config Config
		want   []string
	}{
		{"no origins", Config{}, []string{"origins: name at least one", app}},
		{"no origins but an empty list", Config{Origins: []string{}}, []string{"origins: name at least one"}},
		{"an empty origin", Config{Origins: []string{""}}, []string{`origins: "" is not an origin`}},
		{"null", Config{Origins: []string{"null"}}, []string{"origins: null is the origin of sandboxed"}},
		{"null among others", Config{Origins: []string{app, "null"}}, []string{"origins: null is the origin of sandboxed"}},
		{"a path", Config{Origins: []string{app + "/"}}, []string{`"https://app.example.com/" is not an origin`, "want scheme, host and port"}},
		{"the scheme's own port", Config{Origins: []string{app + ":443"}}, []string{`:443" is not an origin`, "no default port"}},
		{"no scheme", Config{Origins: []string{"app.example.com"}}, []string{`"app.example.com" is not an origin`}},
		{"a pattern", Config{Origins: []string{"https://app*.example.com"}}, []string{`"https://app*.example.com" is not`}},
		{"h*", Config{Origins: []string{"h*"}}, []string{`"h*" is not`}},
		{"a placeholder", Config{Origins: []string{"{env.ORIGIN}"}}, []string{`"{env.ORIGIN}" is not`}},
		{"two in one", Config{Origins: []string{"https://a.example,https://b.example"}}, []string{"is not an origin"}},
		{"not ASCII", Config{Origins: []string{"https://größe.example"}}, []string{"is not an origin"}},
		{"upper case", Config{Origins: []string{"https://APP.example"}}, []string{"is not an origin"}},
		{"a file", Config{Origins: []string{"file:///"}}, []string{`"file:///" is not an origin`}},
		{"a public suffix", Config{Origins: []string{"https://*.github.io"}}, []string{`"https://*.github.io"`, "public suffix"}},
		{"a top-level domain", Config{Origins: []string{"https://*.com"}}, []string{`"https://*.com"`, "public suffix"}},
		{"several bad ones", Config{Origins: []string{"x", app, "y"}}, []string{`"x"`, `; origins: "y"`}},
		{"* with credentials", Config{Origins: []string{"*"}, Credentials: true}, []string{"origins: * does not go with credentials"}},
		{"* methods with credentials", Config{Origins: origins, Methods: []string{"*"}, Credentials: true}, []string{"methods: *"}},
		{"* headers with credentials", Config{Origins: origins, Headers: []string{"a", "*"}, Credentials: true}, []string{"headers: *"}},
		{"* exposed with credentials", Config{Origins: origins, Expose: []string{"*"}, Credentials: true}, []string{"expose: *"}},
		{"http with credentials", Config{Origins: []string{"http://app.example.com"}, Credentials: true}, []string{`"http://app.example.com"`, "use https"}},
		{"no methods", Config{Origins: origins, Methods: []string{}}, []string{"methods: the list is empty"}},
		{"no headers", Config{Origins: origins, Headers: []string{}}, []string{"headers: the list is empty"}},
		{"nothing exposed", Config{Origins: origins, Expose: []string{}}, []string{"expose: the list is empty"}},
		{"TRACE", Config{Origins: origins, Methods: []string{"TRACE"}}, []string{`methods: "TRACE" is closed to scripts`}},
		{"CONNECT", Config{Origins: origins, Methods: []string{"CONNECT"}}, []string{`"CONNECT"`}},
		{"TRACK", Config{Origins: origins, Methods: []string{"TRACK"}}, []string{`"TRACK"`}},
		{"lower case", Config{Origins: origins, Methods: []string{"patch"}}, []string{`"patch" is not PATCH`, "case-sensitive"}},
		{"no method", Config{Origins: origins, Methods: []string{"GET,PUT"}}, []string{`"GET,PUT" is not a method`}},
		{"no header's name", Config{Origins: origins, Headers: []string{"a b"}}, []string{`headers: "a b" is not a header's name`}},
		{"a browser's header", Config{Origins: origins, Headers: []string{"Cookie"}}, []string{`headers: "Cookie" is set by browsers`}},
		{"an answer's header", Config{Origins: origins, Headers: []string{"Access-Control-Allow-Origin"}}, []string{"headers: ", "no place in a request"}},
		{"no exposed name", Config{Origins: origins, Expose: []string{"é"}}, []string{`expose: "é" is not`}},
		{"cookies exposed", Config{Origins: origins, Expose: []string{"Set-Cookie"}}, []string{`expose: "Set-Cookie" is shown to scripts by no browser`}},
		{"a request's header", Config{Origins: origins, Expose: []string{"Origin"}}, []string{`expose: "Origin" has no place in a response`}},
		{"too long", Config{Origins: origins, MaxAge: 24*time.Hour + 1}, []string{"max_age: 24h", "at most 24h0m0s"}},
		{"upstream with origins", Config{Upstream: true, Origins: origins}, []string{"upstream: "}},
		{"upstream with credentials", Config{Upstream: true, Credentials: true}, []string{"upstream: "}},
		{"upstream with an age", Config{Upstream: true, MaxAge: 1}, []string{"upstream: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := New(test.config)
			if err == nil || c != nil {
				t.Fatal("it was accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "cors:") {
				t.Errorf("not in the house's form: %q", err)
			}
		})
	}
}

// TestNew: what is allowed, and what it does to a preflight (R-CORS-13, R-CORS-16).
func TestNew(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		age    string
	}{
		{"default age", Config{Origins: []string{app}}, "3600"},
		{"no age", Config{Origins: []string{app}, MaxAge: -1}, "0"},
		{"less than a second", Config{Origins: []string{app}, MaxAge: time.Millisecond}, "1"},
		{"a minute", Config{Origins: []string{app}, MaxAge: time.Minute}, "60"},
		{"the longest", Config{Origins: []string{app}, MaxAge: 24 * time.Hour}, "86400"},
		{"http without credentials", Config{Origins: []string{app, "http://app.example.com"}}, "3600"},
		{"http on loopback with credentials", Config{Origins: []string{app, "http://localhost:*", "http://127.0.0.1:3000", "http://[::1]"}, Credentials: true}, "3600"},
		{"a method of one's own", Config{Origins: []string{app}, Methods: []string{"PUT", "PURGE"}}, "3600"},
		{"authorization twice", Config{Origins: []string{app}, Headers: []string{"Authorization"}, CredentialHeaders: []string{"authorization"}}, "3600"},
		{"exposed twice", Config{Origins: []string{app}, Expose: []string{"retry-after", "Content-Type"}}, "3600"},
		{"* beside an origin", Config{Origins: []string{app, "*"}}, "3600"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, recorder := handle(build(t, test.config), preflight(app, "PUT"))
			if recorder.Code != 204 || recorder.Header().Get("Access-Control-Max-Age") != test.age {
				t.Errorf("got %d %v", recorder.Code, recorder.Header())
			}
		})
	}
}

// TestNewAliasing: the caller's lists are its own.
func TestNewAliasing(t *testing.T) {
	keys := []string{"Cookie", "X-Api-Key"}
	build(t, Config{Origins: []string{app}, CredentialHeaders: keys})
	if keys[0] != "Cookie" || keys[1] != "X-Api-Key" {
		t.Errorf("got %v", keys)
	}
}
