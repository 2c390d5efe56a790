package policyauth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestMatcher: T-70, a request that the matcher does not name passes unjudged,
// but never with a forged identity.
func TestMatcher(t *testing.T) {
	w := newEnv(t)
	h, err := w.provision(basicSite + "identity_headers {\n X-Auth-User username\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/ours/*"}}}
	next := new(reached)
	if _, err := ask(h, get("/theirs", "X-Auth-User", "root"), next); err != nil || next.Request == nil || next.Request.Header.Get("X-Auth-User") != "" {
		t.Errorf("outside of the matcher: %v", err)
	}
	if recorder, _ := ask(h, get("/ours/x"), new(reached)); recorder.Code != 401 {
		t.Errorf("inside: %d", recorder.Code)
	}
	h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{failing{}}}
	next = new(reached)
	if _, err := ask(h, get("/ours/x"), next); err == nil || next.Request != nil {
		t.Error("a matcher that failed let a request pass")
	}
}

// failing is a matcher that fails.
type failing struct{}

func (failing) MatchWithError(*http.Request) (bool, error) { return false, errors.New("failed") }

func (failing) Match(*http.Request) bool { return false }

// TestN02MatcherRewritten: a matcher is asked about each reading of the path that the
// next handler sees, too.
func TestN02MatcherRewritten(t *testing.T) {
	w := newEnv(t)
	h, err := w.provision("basic {\n users DIR/users.yaml\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/ours/*"}}}
	for now, want := range map[string]int{"/ours/x": 401, "/%256furs/x": 401, "/theirs/%2578": 200} {
		r := get("/theirs/x")
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, *r))
		r.URL, err = r.URL.Parse(now)
		if err != nil {
			t.Fatal(err)
		}
		if recorder, err := ask(h, r, new(reached)); err != nil || recorder.Code != want {
			t.Errorf("%s: %d %v, want %d", now, recorder.Code, err, want)
		}
	}
}

// TestN07MatcherDestination: a matcher is asked about where a request points to, whatever
// its method.
func TestN07MatcherDestination(t *testing.T) {
	w := newEnv(t)
	h, err := w.provision("basic {\n users DIR/users.yaml\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	paths := caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/ours/*"}}}
	hosts := caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchHost{"b.example"}}}
	for _, test := range []struct {
		name, destination string
		matchers          caddyhttp.MatcherSets
		want              int
	}{
		{"inside", "/ours/x", paths, 401},
		{"a reading inside", "/theirs//..;/ours%2fx", paths, 400},
		{"decoded", "https://example.com/%256furs/x", paths, 401},
		{"outside", "/theirs/y", paths, 200},
		{"unreadable", "//ours/x", paths, 400},
		{"another host", "http://b.example/x", hosts, 401},
		{"own host", "/x", hosts, 200},
	} {
		h.matchers = test.matchers
		next := new(reached)
		r := get("/theirs/x", "Destination", test.destination)
		if recorder, err := ask(h, r, next); err != nil || recorder.Code != test.want {
			t.Errorf("%s: %d %v, want %d", test.name, recorder.Code, err, test.want)
		}
		if next.Request != nil && (next.Request.URL.Path != "/theirs/x" || next.Request.Host != "example.com") {
			t.Errorf("%s: the next handler sees %s %s", test.name, next.Request.Host, next.Request.URL)
		}
	}
}

// TestN04MatcherScripts: a matcher is asked about a script, what follows it, and a
// destination below a prefix of the path.
func TestN04MatcherScripts(t *testing.T) {
	w := newEnv(t)
	h, err := w.provision("basic {\n users DIR/users.yaml\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/admin.php", "/admin/*", "/dav/private/*"}}}
	for _, test := range []struct {
		target string
		header []string
		want   int
	}{
		{"/admin.php/x", nil, 401},
		{"/index.php/admin/x", nil, 401},
		{"/index.php/users", nil, 200},
		{"/dav/mine/a", []string{"Destination", "/private/b"}, 401},
		{"/dav/mine/a", []string{"Destination", "/mine/b"}, 200},
	} {
		if recorder, err := ask(h, get(test.target, test.header...), new(reached)); err != nil || recorder.Code != test.want {
			t.Errorf("%s %v: %d %v, want %d", test.target, test.header, recorder.Code, err, test.want)
		}
	}
}

// TestS06HiddenParameter: what a policy removes from the query or sets there must not
// come out of the path afterwards.
func TestS06HiddenParameter(t *testing.T) {
	w := newEnv(t)
	w.Write("p/p.rego", "package caddy.authz\n\ndecision := {\"allow\": true, \"query_parameters_to_remove\": [\"debug\"], \"query_parameters_to_set\": {\"user\": \"x\"}}\n")
	h, err := w.provision("basic {\n users DIR/users.yaml\n }\n policies DIR/p {\n decision data.caddy.authz.decision\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{"/a?debug=1": 200, "/a%3fdebug=1": 400, "/a%253f%255fx%26user=y": 400, "/a%3fother": 200} {
		if recorder, err := ask(h, get(target), new(reached)); err != nil || recorder.Code != want {
			t.Errorf("%s: %d %v, want %d", target, recorder.Code, err, want)
		}
	}
}

// TestMatcherReadings: T-12 to T-17, T-54, T-70. No spelling of a path slips past
// the matcher, and nobody is judged for what no reading asks for.
func TestMatcherReadings(t *testing.T) {
	w := newEnv(t)
	h, err := w.provision("basic {\n users DIR/users.yaml\n }\n allow_ambiguous_paths backslash\n")
	if err != nil {
		t.Fatal(err)
	}
	h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/ours/*"}}}
	tests := map[string]int{
		"/ours/x": 401, "/OURS/x": 401, "/ours;v=1/x": 401, "/ours%2fx": 401, "//ours/x": 401, "/ours%5cx": 401, "/%6furs/x": 401,
		"/%256furs/x": 401, "/ours%252fx": 401, "/ours%253bx/x": 401, "/ours/x%3f": 401, // N-02, N-03
		"/theirs/x": 200, "/theirs;v=1/x": 200, "/theirs/ours/x": 200, "/theirs%2fours/x": 200,
		"/theirs/%2e%2e/ours/x": 400, "/theirs/../ours/x": 400, "/theirs/../x": 200,
	}
	for target, want := range tests {
		next := new(reached)
		recorder, err := ask(h, get(target), next)
		if err != nil || recorder.Code != want {
			t.Errorf("%s: %d %v, want %d", target, recorder.Code, err, want)
		}
		if next.Request != nil && next.Request.URL.RequestURI() != target {
			t.Errorf("%s: the next handler sees %s", target, next.Request.URL.RequestURI())
		}
	}
	for _, host := range []string{"a:80:80", "..", ".example.com"} {
		r := get("/theirs/x")
		r.Host = host
		if recorder, _ := ask(h, r, new(reached)); recorder.Code != 400 {
			t.Errorf("host %s: %d", host, recorder.Code)
		}
	}
}

// TestN04MatcherMethods: a matcher is asked about each method that an application may
// take for the request's, and about both queries if a handler changed that.
func TestN04MatcherMethods(t *testing.T) {
	w := newEnv(t)
	h, err := w.provision("basic {\n users DIR/users.yaml\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	methods := caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchMethod{"PUT", "DELETE"}}}
	queries := caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchQuery{"ours": []string{"1"}}}}
	for _, test := range []struct {
		name, method, target, now string
		header                    []string
		matchers                  caddyhttp.MatcherSets
		want                      int
	}{
		{"nothing", "GET", "/", "GET /", nil, methods, 200},
		{"an override", "POST", "/", "POST /", []string{"X-Http-Method-Override", "delete"}, methods, 401},
		{"in the query", "POST", "/?.method=put", "POST /?.method=put", nil, methods, 401},
		{"another override", "POST", "/?_method=patch", "POST /?_method=patch", []string{"X-Http-Method-Override", "GET"}, methods, 200},
		{"too many", "POST", "/", "POST /", []string{"X-Http-Method", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"}, methods, 401},
		{"N-04 changed from", "PUT", "/", "GET /", nil, methods, 401},
		{"N-04 changed to", "GET", "/", "PUT /", nil, methods, 401},
		{"N-04 a query changed from", "GET", "/?ours=1", "GET /?theirs=1", nil, queries, 401},
		{"N-04 a query changed to", "GET", "/?theirs=1", "GET /?ours=1", nil, queries, 401},
		{"N-04 another query", "GET", "/?ours=2", "GET /?theirs=1", nil, queries, 200},
	} {
		h.matchers = test.matchers
		r := get(test.target, test.header...)
		r.Method, r.RemoteAddr = test.method, "127.0.0.1:1234"
		recorder, next := httptest.NewRecorder(), new(reached)
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorder, nil)
		method, now, _ := strings.Cut(test.now, " ")
		if r.Method = method; now != test.target {
			r.URL, _ = r.URL.Parse(now)
		}
		if err := h.ServeHTTP(recorder, r, next); err != nil || recorder.Code != test.want {
			t.Errorf("%s: %d %v, want %d", test.name, recorder.Code, err, test.want)
		}
		if next.Request != nil && next.Request.Method+" "+next.Request.URL.RequestURI() != test.now {
			t.Errorf("%s: the next handler sees %s %s", test.name, next.Request.Method, next.Request.URL)
		}
	}
}

// writingMatcher is a matcher of another plugin that writes a header.
type writingMatcher string

func (m writingMatcher) MatchWithError(r *http.Request) (bool, error) {
	r.Header[string(m)] = []string{"root"}
	return true, nil
}

// TestMatcherWrites: T-26. An identity header that a matcher writes, in any spelling, does
// not stand beside ours.
func TestMatcherWrites(t *testing.T) {
	w := newEnv(t)
	h, err := w.provision(basicSite + "identity_headers {\n X-Auth-User username\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"X_auth_user", "x-auth-user", "X-Auth-User"} {
		h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{writingMatcher(name)}}
		next := new(reached)
		if _, err := ask(h, asUser(get("/"), "alice"), next); err != nil || next.Request == nil {
			t.Fatal(name, err)
		}
		for got, lines := range next.Request.Header {
			if slices.Contains(lines, "root") {
				t.Errorf("%s passes as %s: %q", name, got, lines)
			}
		}
	}
}

// TestStrippedForwarding: T-25. Policies are not told of a rewriting header that is removed.
func TestStrippedForwarding(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if not input.client.forwarded_untrusted\n")
	h, _ := w.site("policies DIR/policies\n")
	for header, allowed := range map[string]bool{"X-Original-Url": true, "X_rewrite_url": true, "X-Forwarded-For": false, "X-Real-Ip": false} {
		recorder, err := ask(h, get("/", header, "192.0.2.1"), new(reached))
		if err != nil || (recorder.Code == http.StatusOK) != allowed {
			t.Errorf("%s: %d %v", header, recorder.Code, err)
		}
	}
}
