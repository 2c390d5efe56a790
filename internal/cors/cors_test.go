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
	switch s.cors.Handle(w, r) {
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
	w = s.cors.Guard(w)
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
	return c.Handle(recorder, r), recorder
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
// R-CORS-6, R-CORS-8 to R-CORS-11, R-CORS-15, R-CORS-17, R-CORS-21, T-43).
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
					want.Set("Access-Control-Expose-Headers", "retry-after,www-authenticate,x-request-id")
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

// TestPreflight: R-CORS-1 to R-CORS-5, R-CORS-14 to R-CORS-16, R-CORS-18, R-CORS-20, R-CORS-22, T-44.
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

// TestVary: R-CORS-5: Origin is named on all answers, allowed or not, unless
// everybody may; R-CACHE-2: what is there stays.
func TestVary(t *testing.T) {
	one, everybody := build(t, Config{Origins: []string{app}}), build(t, Config{Origins: []string{"*"}})
	for name, r := range map[string]*http.Request{
		"no origin": request("GET"), "allowed": request("GET", "Origin", app), "refused": request("GET", "Origin", "https://evil.example"),
		"null": request("GET", "Origin", "null"), "two": request("GET", "Origin", app, "Origin", app), "OPTIONS": request("OPTIONS"),
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			before := []string{"Accept-Encoding", "", ""}[:1] // with room to grow
			recorder.Header()["Vary"] = before
			one.Handle(recorder, r)
			if !mentions(recorder.Header(), "Origin") || !mentions(recorder.Header(), "Accept-Encoding") {
				t.Errorf("got %v", recorder.Header()["Vary"])
			}
			if grown := before[:3]; grown[1] != "" {
				t.Error("it wrote into somebody else's slice")
			}
		})
	}
	for name, r := range map[string]*http.Request{"no origin": request("GET"), "some origin": request("GET", "Origin", app)} {
		t.Run("everybody, "+name, func(t *testing.T) {
			_, recorder := handle(everybody, r)
			if h := recorder.Header(); h.Get("Access-Control-Allow-Origin") != "*" || len(h["Vary"]) > 0 || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("got %v", h)
			}
		})
	}
	for name, r := range map[string]*http.Request{"null": request("GET", "Origin", "null"), "two": request("GET", "Origin", app, "Origin", app)} {
		t.Run("everybody but "+name, func(t *testing.T) {
			_, recorder := handle(everybody, r)
			if h := recorder.Header(); len(owned(h)) > 0 || !mentions(h, "Origin") {
				t.Errorf("got %v", h)
			}
		})
	}
}

// TestShared: T-67, R-CORS-19: whatever is done to one answer's headers shows
// in no later answer.
func TestShared(t *testing.T) {
	configs := map[string]Config{
		"credentials": {Origins: []string{app}, Credentials: true, Headers: []string{"a", "b"}},
		"everybody":   {Origins: []string{"*"}, Methods: []string{"*"}, Headers: []string{"*", "authorization"}, Expose: []string{"*"}},
		"subdomains":  {Origins: []string{"https://*.example.com"}, MaxAge: -1},
	}
	requests := func() []*http.Request {
		return []*http.Request{
			request("GET"), request("GET", "Origin", app), request("OPTIONS"), request("OPTIONS", "Origin", app), request("GET", "Origin", "null"),
			preflight(app, "PUT"), preflight(app, "PURGE"), preflight(app, "PUT", "Access-Control-Request-Headers", "a,b"), preflight("null", "PUT"),
		}
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			c := build(t, config)
			for i, r := range requests() {
				_, first := handle(c, r)
				want := first.Header().Clone()
				for name, lines := range first.Header() {
					for j := range lines {
						lines[j] = "edited"
					}
					_ = append(lines, "grown") // into whatever lies behind it
					first.Header()[name] = append(lines[:0], "edited again")
				}
				for name, lines := range r.Header {
					if lines[0] == "edited" || lines[0] == "edited again" {
						t.Errorf("request %d: an edit of the answer shows in the request's %s", i, name)
					}
				}
				_, second := handle(c, requests()[i])
				if diff := cmp.Diff(want, second.Header()); diff != "" {
					t.Errorf("request %d (-first +second)\n%s", i, diff)
				}
			}
		})
	}
}

// TestOthersHeaders: one kind of header, one line: what was set before does not
// stay beside ours, nor open an answer that we keep closed (R-CORS-6, R-CORS-17).
func TestOthersHeaders(t *testing.T) {
	c := build(t, Config{Origins: []string{app}})
	for name, r := range map[string]*http.Request{
		"allowed": request("GET", "Origin", app), "refused": request("GET", "Origin", "https://evil.example"),
		"preflight": preflight(app, "PUT"), "refused preflight": preflight("https://evil.example", "PUT"),
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			recorder.Header().Set("Access-Control-Allow-Origin", "*")
			recorder.Header().Set("Access-Control-Allow-Credentials", "true")
			recorder.Header().Set("Server", "Caddy")
			c.Handle(recorder, r)
			h := recorder.Header()
			var want []string
			if r.Header.Get("Origin") == app {
				want = []string{app}
			}
			if diff := cmp.Diff(want, h["Access-Control-Allow-Origin"]); diff != "" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Server") != "Caddy" {
				t.Errorf("got %v", h)
			}
		})
	}
}

// TestUpstream: the next handler answers preflights and sets all headers.
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
	if w := httptest.NewRecorder(); c.Guard(w) != http.ResponseWriter(w) {
		t.Error("the upstream's own headers are guarded against")
	}
}

// TestAllowed: browsers attach credentials for origins that may use them alone.
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

// BenchmarkHandle measures what every request pays, and what a script's does.
func BenchmarkHandle(b *testing.B) {
	c := build(b, Config{Origins: []string{app}, Credentials: true})
	for name, r := range map[string]*http.Request{
		"no origin": request("GET"), "allowed": request("GET", "Origin", app),
		"preflight": preflight(app, "PUT", "Access-Control-Request-Headers", "authorization"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := &recorder{header: http.Header{}}
			for b.Loop() {
				delete(w.header, "Vary")
				c.Handle(w, r)
			}
		})
	}
}

// TestAllocations: a request without Origin costs one allocation, its Vary.
func TestAllocations(t *testing.T) {
	c, r, w := build(t, Config{Origins: []string{app}}), request("GET"), &recorder{header: http.Header{}}
	got := testing.AllocsPerRun(100, func() {
		delete(w.header, "Vary")
		c.Handle(w, r)
	})
	if got > 1 {
		t.Errorf("got %v allocations", got)
	}
}
