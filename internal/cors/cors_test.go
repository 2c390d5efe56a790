package cors

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func build(t testing.TB, config Config) *CORS {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// site is a protected site as the handler has it: CORS first, then 401 unless
// there is a token, then the upstream, which sets CORS headers of its own.
type site struct {
	cors     *CORS
	judged   int // requests that reached authentication
	upstream int // requests that reached the upstream
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch s.cors.Handle(w, r, testID) {
	case Answered:
		return
	case Pass:
		s.upstream++
		return
	}
	s.judged++
	h := w.Header()
	h.Set("X-Request-Id", "1")
	if r.Header.Get("Authorization") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="restricted"`)
		h.Set("Retry-After", "1")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte("why"))
		return
	}
	s.upstream++
	w = guarded(s.cors, w)
	w.Header().Add("Access-Control-Allow-Origin", "*")
	w.Header().Add("Access-Control-Allow-Credentials", "true")
	_, _ = w.Write([]byte("data"))
}

const app = "https://app.example.com"

func request(method string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "https://api.example.com/p", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func preflight(origin, method string, headers ...string) *http.Request {
	return request(http.MethodOptions, append([]string{"Origin", origin, "Access-Control-Request-Method", method}, headers...)...)
}

func at(path string, r *http.Request) *http.Request {
	r.URL.Path = path
	return r
}

func handle(c *CORS, r *http.Request) (Result, *httptest.ResponseRecorder) {
	recorder := httptest.NewRecorder()
	return c.Handle(recorder, r, testID), recorder
}

// owned returns the CORS headers of an answer.
func owned(h http.Header) http.Header {
	result := http.Header{}
	for name, lines := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			result[name] = lines
		}
	}
	return result
}

// TestFetch: what a script of some page sees of a protected site (R-CORS-1,
// R-CORS-6, R-CORS-7, R-CORS-8, R-CORS-9, R-CORS-10, R-CORS-11, R-CORS-12,
// R-CORS-15, R-CORS-17, R-CORS-21, T-43).
func TestFetch(t *testing.T) {
	credentialed := Config{Origins: []string{app}, Credentials: true, CredentialHeaders: []string{"Authorization", "X-Api-Key"}, Expose: []string{"X-Total"}}
	public := Config{Origins: []string{"*"}, CredentialHeaders: []string{"Authorization"}}
	subdomains := Config{Origins: []string{"https://*.example.com", "http://localhost:*"}}
	star := Config{Origins: []string{app}, Methods: []string{"*"}, Headers: []string{"*"}, Expose: []string{"*"}, CredentialHeaders: []string{"Authorization"}}
	token := map[string]string{"Authorization": "Bearer x"}
	tests := []struct {
		name        string
		config      Config
		origin      string
		credentials bool
		method      string
		headers     map[string]string
		status      int // 0: the browser lets nothing through
	}{
		{"a script reads its 401", credentialed, app, true, "GET", nil, 401},
		{"a script reads its 401 without credentials too", credentialed, app, false, "GET", nil, 401},
		{"a 401 to DELETE", credentialed, app, true, "DELETE", nil, 401},
		{"a token", credentialed, app, true, "GET", token, 200},
		{"a token and JSON", credentialed, app, true, "PATCH", map[string]string{"Authorization": "Bearer x", "Content-Type": "application/json"}, 200},
		{"a key", credentialed, app, true, "PUT", map[string]string{"X-Api-Key": "x"}, 401},
		{"a header that is not listed", credentialed, app, true, "GET", map[string]string{"X-Other": "x"}, 0},
		{"a method that is not listed", credentialed, app, true, "PURGE", token, 0},
		{"methods have case", credentialed, app, true, "patch", token, 0},
		{"another origin", credentialed, "https://evil.example", true, "GET", token, 0},
		{"another origin, simple", credentialed, "https://evil.example", true, "GET", nil, 0},
		{"null", credentialed, "null", true, "GET", nil, 0},
		{"everybody", public, "https://anybody.example", false, "GET", nil, 401},
		{"everybody with a token", public, "https://anybody.example", false, "PUT", token, 200},
		{"everybody but with credentials", public, "https://anybody.example", true, "GET", nil, 0},
		{"everybody but null", public, "null", false, "GET", nil, 0},
		{"everybody but null, preflight", public, "null", false, "PUT", token, 0},
		{"a subdomain", subdomains, "https://a.b.example.com", false, "GET", nil, 401},
		{"the apex is no subdomain", subdomains, "https://example.com", false, "GET", nil, 0},
		{"any port of localhost", subdomains, "http://localhost:5173", false, "PUT", token, 200},
		{"localhost with TLS is another origin", subdomains, "https://localhost:5173", false, "PUT", token, 0},
		{"any method, any header", star, app, false, "PURGE", map[string]string{"X-Other": "x", "Authorization": "Bearer x"}, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &site{cors: build(t, test.config)}
			got, err := browser{test.origin, test.credentials, s}.fetch(test.method, test.headers)
			if (err != nil) != (test.status == 0) || got.status != test.status {
				t.Fatalf("got %d, %v, want %d", got.status, err, test.status)
			}
			if got.preflight && err != nil && s.judged+s.upstream > 0 {
				t.Error("a request was sent after its preflight had failed")
			}
			for _, name := range []string{"Www-Authenticate", "Retry-After", "X-Request-Id"} {
				if test.status == 401 && got.readable.Get(name) == "" {
					t.Errorf("the script cannot read %s", name)
				}
			}
			if test.status == 401 && got.body != "why" {
				t.Errorf("the script reads %q", got.body)
			}
		})
	}
}

// TestOrigins: a matching origin is equal byte for byte, or one subdomain (R-CORS-6, R-CORS-11, R-CORS-12, T-43).
func TestOrigins(t *testing.T) {
	exact := build(t, Config{Origins: []string{"https://app.example", "https://app.example:8443"}, Credentials: true})
	subdomains := build(t, Config{Origins: []string{"https://*.app.example"}, Credentials: true})
	tests := []struct {
		origin            string
		exact, subdomains bool
	}{
		{"https://app.example", true, false},
		{"https://app.example:8443", true, false},
		{"https://a.app.example", false, true},
		{"https://a.b.app.example", false, true},
		{"http://app.example", false, false},
		{"https://app.example.evil.com", false, false},
		{"https://evilapp.example", false, false},
		{"https://evil-app.example", false, false},
		{"https://app.example:444", false, false},
		{"https://app.example:443", false, false},
		{"https://app.example:84430", false, false},
		{"HTTPS://APP.EXAMPLE", false, false},
		{"https://APP.EXAMPLE", false, false},
		{"https://app.example/", false, false},
		{"https://app.example.", false, false},
		{"https://app.example%60.evil", false, false},
		{"https://app.example_.evil", false, false},
		{"https://app.example?", false, false},
		{"https://app.example#", false, false},
		{"https://app.example\x00", false, false},
		{"https://user@app.example", false, false},
		{"https://evil/.app.example", false, false},
		{"https://evil#.app.example", false, false},
		{"https://.app.example", false, false},
		{"https://a..app.example", false, false},
		{"https://*.app.example", false, false},
		{"https://app.example,https://evil.example", false, false},
		{"https://app.example, https://app.example", false, false},
		{" https://app.example", false, false},
		{"app.example", false, false},
		{"//app.example", false, false},
		{"*", false, false},
		{"null", false, false},
		{"", false, false},
		{"https://" + strings.Repeat("a.", 10_000) + "app.example", false, false},
	}
	for _, test := range tests {
		t.Run(test.origin[:min(len(test.origin), 60)], func(t *testing.T) {
			for _, c := range []struct {
				cors *CORS
				want bool
			}{{exact, test.exact}, {subdomains, test.subdomains}} {
				want := http.Header{}
				if c.want {
					want.Set("Access-Control-Allow-Origin", test.origin)
					want.Set("Access-Control-Allow-Credentials", "true")
					want.Set("Access-Control-Expose-Headers", "dpop-nonce,retry-after,www-authenticate,x-request-id")
				}
				r := request("GET")
				r.Header["Origin"] = []string{test.origin}
				_, recorder := handle(c.cors, r)
				got := owned(recorder.Header())
				for _, lines := range got["Access-Control-Expose-Headers"] {
					names := strings.Split(lines, ",")
					slices.Sort(names)
					got.Set("Access-Control-Expose-Headers", strings.Join(names, ","))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if allowed := c.cors.Allowed(test.origin); allowed != c.want {
					t.Errorf("Allowed: got %v", allowed)
				}
			}
		})
	}
}

// TestUpstream: the next handler answers preflights and sets all headers (T-44).
func TestUpstream(t *testing.T) {
	c := build(t, Config{Upstream: true, CredentialHeaders: []string{"Authorization"}})
	for name, test := range map[string]struct {
		r    *http.Request
		want Result
	}{
		"preflight": {preflight(app, "PUT"), Pass}, "null": {preflight("null", "PUT"), Pass},
		"ordinary": {request("GET", "Origin", app), Ordinary}, "bare OPTIONS": {request("OPTIONS"), Ordinary},
	} {
		t.Run(name, func(t *testing.T) {
			result, recorder := handle(c, test.r)
			if result != test.want || len(recorder.Header()) > 0 {
				t.Errorf("got %v %v", result, recorder.Header())
			}
		})
	}
	if c.Allowed(app) {
		t.Error("an origin is allowed that nobody named")
	}
	if w := httptest.NewRecorder(); c.Guard(w.Header()) != nil {
		t.Error("the upstream's own headers are guarded against")
	}
}

// TestAllowed: only a named origin that may use credentials counts as the
// site's own for what browsers attach (R-CSRF-1).
func TestAllowed(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		want   bool
	}{
		"with credentials":    {Config{Origins: []string{app}, Credentials: true}, true},
		"without credentials": {Config{Origins: []string{app}}, false},
		"everybody":           {Config{Origins: []string{"*"}}, false},
		"another":             {Config{Origins: []string{"https://other.example.com"}, Credentials: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := build(t, test.config).Allowed(app); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func testID() string { return "id-1" }

// TestNames: an origin counts as named if it is allowed, with or without credentials.
func TestNames(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		origin string
		want   bool
	}{
		"with credentials":    {Config{Origins: []string{app}, Credentials: true}, app, true},
		"without credentials": {Config{Origins: []string{app}}, app, true},
		"any origin":          {Config{Origins: []string{"*"}}, app, true},
		"any but null":        {Config{Origins: []string{"*"}}, "null", false},
		"another":             {Config{Origins: []string{"https://other.example.com"}, Credentials: true}, app, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := build(t, test.config).Names(test.origin); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
