package exchange

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// matcher is a request matcher that is a function.
type matcher func(*http.Request) (bool, error)

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m matcher) MatchWithError(r *http.Request) (bool, error) { return m(r) }

// opened returns an exchange for a request, as Caddy passes it on.
func opened(r *http.Request) (*http.Request, *Exchange) {
	recorder := httptest.NewRecorder()
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorder, nil)
	return r, Open(recorder, r, new(request.Config))
}

// TestMatches: a request is one to judge if any reading of it, or it with another possible
// method, matches. Afterwards the request is as it was.
func TestMatches(t *testing.T) {
	path := func(want string) matcher {
		return func(r *http.Request) (bool, error) { return r.URL.Path == want, nil }
	}
	query := func(want string) matcher {
		return func(r *http.Request) (bool, error) { return r.URL.RawQuery == want, nil }
	}
	method := func(want string) matcher {
		return func(r *http.Request) (bool, error) { return r.Method == want, nil }
	}
	host := func(want, path string) matcher {
		return func(r *http.Request) (bool, error) { return r.Host == want && r.URL.Path == path, nil }
	}
	for _, test := range []struct {
		name, method, target string
		header               http.Header
		matcher              matcher
		want                 bool
	}{
		{"as it is", "GET", "/admin", nil, path("/admin"), true},
		{"another path", "GET", "/other", nil, path("/admin"), false},
		{"an escaped slash", "GET", "/x%2fadmin", nil, path("/x/admin"), true},
		{"the query of an escaped path", "GET", "/x%2fadmin?a=b", nil, query("a=b"), true},
		{"another query", "GET", "/x%2fadmin?a=b", nil, query("a=c"), false},
		{"another method by a header", "POST", "/a", http.Header{"X-Http-Method-Override": {"DELETE"}}, method("DELETE"), true},
		{"another method by a parameter", "POST", "/a?_method=delete", nil, method("DELETE"), true},
		{"no other method", "POST", "/a", nil, method("DELETE"), false},
		{"a destination", "COPY", "/a", http.Header{"Destination": {"/admin"}}, host("example.com", "/admin"), true},
		{"a destination on another host", "COPY", "/a", http.Header{"Destination": {"http://other.example/admin"}}, host("other.example", "/admin"), true},
		{"no path of this host", "COPY", "/a", http.Header{"Destination": {"http://other.example/admin"}}, host("example.com", "/admin"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.target, nil)
			maps.Copy(r.Header, test.header)
			r, ex := opened(r)
			before, beforeURL := *r, *r.URL
			got, err := ex.Matches(r, caddyhttp.MatcherSets{{test.matcher}})
			if got != test.want || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
			if r.Method != before.Method || r.URL != before.URL || *r.URL != beforeURL || r.Host != before.Host {
				t.Errorf("the request has become %s %s %s", r.Method, r.Host, r.URL)
			}
			if all, err := ex.Matches(r, nil); !all || err != nil {
				t.Errorf("without matchers: %v, %v", all, err)
			}
		})
	}
}

// TestMatchesErrors: the error of a matcher is returned, whichever reading causes it.
func TestMatchesErrors(t *testing.T) {
	failure := errors.New("it failed")
	for _, path := range []string{"/x%2fadmin", "/x/admin"} {
		r, ex := opened(httptest.NewRequest("GET", "/x%2fadmin", nil))
		asked := 0
		matched, err := ex.Matches(r, caddyhttp.MatcherSets{{matcher(func(r *http.Request) (bool, error) {
			if asked++; path == "/x%2fadmin" && asked == 1 || path == "/x/admin" && asked > 1 && r.URL.Path == path {
				return false, failure
			}
			return false, nil
		})}})
		if matched || !errors.Is(err, failure) {
			t.Errorf("%s: %v, %v", path, matched, err)
		}
	}
}

// TestMatchesUnreadable: a request that cannot be read as its origin would is always judged.
func TestMatchesUnreadable(t *testing.T) {
	tunnel := httptest.NewRequest("CONNECT", "example.com:443", nil)
	long := httptest.NewRequest("GET", "/a%2f"+strings.Repeat("a", 40_000), nil)
	escaped := httptest.NewRequest("GET", "/%2525252525252561dmin", nil)
	destination := httptest.NewRequest("COPY", "/a", nil)
	destination.Header.Set("Destination", "::")
	for name, r := range map[string]*http.Request{"tunnel": tunnel, "long path": long, "path escaped too often": escaped, "bad destination": destination} {
		r, ex := opened(r)
		if matched, err := ex.Matches(r, caddyhttp.MatcherSets{{matcher(func(*http.Request) (bool, error) { return false, nil })}}); !matched || err != nil {
			t.Errorf("%s: got %v, %v", name, matched, err)
		}
	}
}

// TestMatchesBounded: a request with many readings and methods is judged before any matcher
// is asked about each pair.
func TestMatchesBounded(t *testing.T) {
	const many = "/a%25252fb%2f//c;d/e%252ff;g"
	for methods, want := range map[int]bool{1: false, 8: false, 15: true} {
		r := httptest.NewRequest("POST", many, nil)
		for i := range methods {
			r.Header.Add("X-Http-Method-Override", "M"+strconv.Itoa(i))
		}
		r, ex := opened(r)
		readings := len(ex.Request.Readings())
		all, counted := ex.Request.PossibleMethods()
		if ex.Request.Unreadable() || !counted || want != (readings*len(all) > maxMatches) {
			t.Fatalf("%d readings, %d methods, %t", readings, len(all), counted)
		}
		asked := 0
		matched, err := ex.Matches(r, caddyhttp.MatcherSets{{matcher(func(*http.Request) (bool, error) { asked++; return false, nil })}})
		if matched != want || err != nil || want && asked > 1 {
			t.Errorf("%d methods: %v, %v after %d questions", methods, matched, err, asked)
		}
	}
}

// TestShared: the handlers of one request share their state, and an identity header is
// recorded once.
func TestShared(t *testing.T) {
	r, first := opened(httptest.NewRequest("GET", "/", nil))
	first.Shared.AddIdentityHeader("x-user")
	first.Shared.AddIdentityHeader("x-user")
	second := Open(httptest.NewRecorder(), r, new(request.Config))
	if second.Shared != first.Shared || !second.Shared.HasIdentityHeader("x-user") || second.Shared.HasIdentityHeader("x-other") || len(second.Shared.identityHeaders) != 1 {
		t.Errorf("got %+v", second.Shared)
	}
	_, other := opened(httptest.NewRequest("GET", "/", nil))
	if other.Shared == first.Shared || other.Shared.HasIdentityHeader("x-user") {
		t.Error("another request has the state of this one")
	}
	bare := Open(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), new(request.Config))
	if bare.Shared == nil {
		t.Error("a request without variables has no state")
	}
}

// TestConsumeHeaderAgain: the latest value of a header that is consumed twice is restored,
// once.
func TestConsumeHeaderAgain(t *testing.T) {
	s := new(Shared)
	s.ConsumeHeader(http.Header{"Authorization": {"Basic old"}}, "Authorization")
	s.ConsumeHeader(http.Header{"Authorization": {"Basic new"}}, "Authorization")
	h := http.Header{}
	if s.Restore(h); h.Get("Authorization") != "Basic new" || len(s.headers) != 1 {
		t.Errorf("restored %v, %d headers", h, len(s.headers))
	}
}
