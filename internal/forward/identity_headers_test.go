package forward

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// allKinds make every step look at the headers.
const allKinds = ^request.HeaderKinds(0)

func newHeaders(t testing.TB, fieldOf map[string]string) *IdentityHeaders {
	t.Helper()
	h, err := NewIdentityHeaders(fieldOf, "")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestStrip: T-26, T-27, R-BR-13. A client's identity headers are gone in every
// spelling, whatever becomes of the request.
func TestStrip(t *testing.T) {
	h := newHeaders(t, map[string]string{"X-Auth-User": "username", "Remote-User": "id"})
	for _, name := range []string{"X-Auth-User", "x-auth-user", "X_Auth_User", "X-Auth_User", "x.auth.user", "X AUTH USER", "Remote.User", "REMOTE_USER"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header[name] = []string{"admin"}
		r.Trailer = http.Header{name: nil}
		r.Header["X-Auth-Username"] = []string{"mine"}
		h.Strip(r, new(exchange.Shared), false, allKinds)
		if len(r.Header) != 1 || len(r.Trailer) != 0 {
			t.Errorf("%s: header %v, trailer %v", name, r.Header, r.Trailer)
		}
	}
}

// TestS22Reserve: S-22. A reserved header is removed like an identity header, and stays
// what SetToken made it.
func TestS22Reserve(t *testing.T) {
	h := newHeaders(t, map[string]string{"X-Auth-User": "username"})
	if err := h.Reserve("X-Identity-JWT"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x_auth.user", "X-Identity-Jwt", "Connection", "a b"} {
		if h.Reserve(name) == nil {
			t.Errorf("%s is reserved", name)
		}
	}
	r, shared := httptest.NewRequest("GET", "/", nil), new(exchange.Shared)
	r.Header["x_identity_jwt"], r.Trailer = []string{"forged"}, http.Header{"X-Identity-Jwt": nil}
	h.Strip(r, shared, false, allKinds)
	if len(r.Header) != 0 || len(r.Trailer) != 0 || !h.Reserved("X.Identity.JWT") {
		t.Errorf("header %v, trailer %v", r.Header, r.Trailer)
	}
	h.SetToken(r, "X-Identity-JWT", "token", shared)
	h.Strip(r, shared, false, allKinds) // of a second handler
	if got := r.Header["X-Identity-Jwt"]; len(got) != 1 || got[0] != "token" {
		t.Errorf("header %v", r.Header)
	}
	h.Set(r, authenticator.Anonymous(), shared, allKinds) // for another caller
	h.SetToken(r, "X-Identity-JWT", "", shared)
	if len(r.Header) != 0 {
		t.Errorf("the header of another caller stays: %v", r.Header)
	}
}

// TestStripRewriting: T-25. No stranger tells the next handler another path than
// the one that was judged; a trusted proxy may.
func TestStripRewriting(t *testing.T) {
	h := newHeaders(t, nil)
	for _, name := range []string{"X-Original-Url", "X-Rewrite-Url", "x_original_url", "X.Rewrite.Url"} {
		for _, trusted := range []bool{false, true} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header[name] = []string{"/admin"}
			h.Strip(r, new(exchange.Shared), trusted, allKinds)
			if _, there := r.Header[name]; there != trusted {
				t.Errorf("%s, trusted %v: there %v", name, trusted, there)
			}
		}
	}
}

// TestConnection: T-28. A client cannot have the next hop drop what we set.
func TestConnection(t *testing.T) {
	h := newHeaders(t, map[string]string{"X-Auth-User": "username"})
	shared := []string{"keep-alive, X-Auth-User", "x_auth_user,close"}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Connection"] = shared
	h.Strip(r, new(exchange.Shared), false, allKinds)
	if got := strings.Join(r.Header["Connection"], "|"); got != "keep-alive|close" {
		t.Errorf("Connection is %q", got)
	}
	if shared[0] != "keep-alive, X-Auth-User" {
		t.Error("the access log's copy was changed")
	}
	setPolicyHeaders(r, http.Header{"X-Tenant": {"a"}}, nil, new(exchange.Shared))
	r.Header["Connection"] = []string{"X-Tenant"}
	setPolicyHeaders(r, http.Header{"X-Tenant": {"a"}}, nil, new(exchange.Shared))
	if got := r.Header.Get("Connection"); got != "" {
		t.Errorf("Connection is %q after a policy set the header", got)
	}
}

// TestSet: T-29 and product.md's list of what is left out.
func TestSet(t *testing.T) {
	tests := []struct {
		name  string
		id    authenticator.Identity
		field string
		want  string
		left  bool
	}{
		{"text", authenticator.Identity{Username: "alice"}, "username", "alice", false},
		{"empty", authenticator.Identity{}, "username", "", false},
		{"list", authenticator.Identity{Roles: []string{"a", "b"}}, "roles", "a,b", false},
		{"no items", authenticator.Identity{Roles: []string{}}, "roles", "", false},
		{"S-26 an item that would pass for two", authenticator.Identity{Roles: []string{"x,admin"}}, "roles", "x%2Cadmin", false},
		{"CR LF", authenticator.Identity{Name: "a\r\nX-Admin: 1"}, "name", "", true},
		{"NUL", authenticator.Identity{Name: "a\x00"}, "name", "", true},
		{"N-45 not ASCII", authenticator.Identity{Name: "Zoë"}, "name", "Zo%C3%AB", false},
		{"N-45 a space at the end", authenticator.Identity{Username: "alice "}, "username", "alice%20", false},
		{"N-45 a tab", authenticator.Identity{Username: "a\tb"}, "username", "a%09b", false},
		{"S-26 a percent sign", authenticator.Identity{Name: "100%"}, "name", "100%25", false},
		{"S-26 one empty item is not none", authenticator.Identity{Roles: []string{""}}, "roles", "", true},
		{"a claim", authenticator.Identity{Claims: map[string]any{"team": "blue"}}, "claims.team", "blue", false},
		{"a claim by pointer", authenticator.Identity{Claims: map[string]any{"https://x/y": []any{"a", "b"}}}, "claims./https:~1~1x~1y", "a,b", false},
		{"a nested claim", authenticator.Identity{Claims: map[string]any{"a": map[string]any{"b": json.Number("12345678901234567890")}}}, "claims.a.b", "12345678901234567890", false},
		{"a boolean claim", authenticator.Identity{Claims: map[string]any{"ok": true}}, "claims.ok", "true", false},
		{"an object", authenticator.Identity{Claims: map[string]any{"o": map[string]any{}}}, "claims.o", "", true},
		{"a list of lists", authenticator.Identity{Claims: map[string]any{"o": []any{[]any{"a"}}}}, "claims.o", "", true},
		{"no such claim", authenticator.Identity{Claims: map[string]any{}}, "claims.o", "", false},
		// T-48
		{"a placeholder stays text", authenticator.Identity{Name: "{env.SECRET}"}, "name", "{env.SECRET}", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			left := newHeaders(t, map[string]string{"X-Value": test.field}).Set(r, &test.id, new(exchange.Shared), allKinds)
			if got := strings.Join(r.Header["X-Value"], "|"); got != test.want || (len(left) > 0) != test.left {
				t.Errorf("got %q, left out %v", got, left)
			}
		})
	}
}

// TestNew: a name or field that cannot work is an error that says so (T-63).
func TestNew(t *testing.T) {
	for want, fieldOf := range map[string]map[string]string{
		"is not a header's name":    {"X Auth": "id"},
		"belongs to the connection": {"Transfer_Encoding": "id"},
		"unknown identity field":    {"X-Auth": "usrname"},
		"named twice":               {"X-Auth": "id", "X_Auth": "name"},
		"empty name":                {"X-Auth": "claims.a..b"},
	} {
		if _, err := NewIdentityHeaders(fieldOf, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", fieldOf, err, want)
		}
	}
}

// TestCheck: a policy writes no header of the connection's and no identity header.
func TestCheck(t *testing.T) {
	h := newHeaders(t, map[string]string{"X-Auth-User": "username"})
	for _, name := range []string{"Host", "content-length", "Connection", "Transfer-Encoding", "x_auth_user", "X-Auth-User", ":path", "a b", ""} {
		if h.Check(http.Header{name: {"x"}}, nil) == nil || h.Check(nil, []string{name}) == nil {
			t.Errorf("%q passes", name)
		}
	}
	if err := h.Check(http.Header{"X-Tenant": {"x"}}, []string{"Cookie"}); err != nil {
		t.Error(err)
	}
}

// TestApply: what a policy sets replaces each spelling; its slices stay its own (T-67).
func TestApply(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"X-Tenant": {"evil"}, "X_Tenant": {"evil"}, "X-Old": {"1"}, "X_Old": {"1"}}
	set := http.Header(map[string][]string{"x-tenant": {"blue"}})
	setPolicyHeaders(r, set, []string{"X-Old"}, new(exchange.Shared))
	r.Header["X-Tenant"][0] += "!"
	if diff := cmp.Diff(http.Header{"X-Tenant": {"blue!"}}, r.Header); diff != "" {
		t.Error(diff)
	}
	if lines := map[string][]string(set)["x-tenant"]; lines[0] != "blue" {
		t.Error("the decision's own slice was handed out")
	}
}

// TestSecondHandler: a second handler keeps the identity headers that the first one set,
// and removes a client's in other names (T-65).
func TestSecondHandler(t *testing.T) {
	first := newHeaders(t, map[string]string{"X-User": "username"})
	second := newHeaders(t, map[string]string{"X-User": "username", "X-Name": "name"})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"X-User": {"evil"}, "X-Name": {"evil"}}
	shared := new(exchange.Shared)
	first.Strip(r, shared, false, allKinds)
	first.Set(r, &authenticator.Identity{Username: "alice"}, shared, allKinds)
	second.Strip(r, shared, false, allKinds)
	if diff := cmp.Diff(http.Header{"X-User": {"alice"}}, r.Header); diff != "" {
		t.Error(diff)
	}
}

func TestWithdraw(t *testing.T) {
	h := http.Header{"Authorization": {"x"}, "Cookie": {"x"}, "Proxy-Authorization": {"x"}, "X-Api-Key": {"x"}, "Origin": {"o"}}
	withdraw(h, []string{"X-API-Key"})
	if diff := cmp.Diff(http.Header{"Origin": {"o"}}, h); diff != "" {
		t.Error(diff)
	}
}

// FuzzSet is the header rail: whatever an identity holds, what reaches the
// upstream is one line of printable ASCII (T-29, T-66).
func FuzzSet(f *testing.F) {
	f.Add("alice", "a", "b")
	f.Add("a\r\nb", ",", " ")
	f.Fuzz(func(t *testing.T, name, one, two string) {
		h := newHeaders(t, map[string]string{"X-Name": "name", "X-Roles": "roles"})
		r := httptest.NewRequest("GET", "/", nil)
		h.Set(r, &authenticator.Identity{Name: name, Roles: []string{one, two}}, new(exchange.Shared), allKinds)
		for _, lines := range r.Header {
			if len(lines) != 1 || !isPrintable(lines[0]) {
				t.Errorf("got %q", lines)
			}
		}
		if roles := r.Header.Get("X-Roles"); roles != "" && strings.Count(roles, ",") != 1 {
			t.Errorf("two roles became %q", roles)
		}
	})
}

// TestStripAllocations: stripping is on the way of every request.
func TestStripAllocations(t *testing.T) {
	h := newHeaders(t, map[string]string{"X-Auth-User": "username", "X-Auth-Roles": "roles"})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"x"}, "Connection": {"keep-alive"}}
	shared := new(exchange.Shared)
	if got := testing.AllocsPerRun(100, func() { h.Strip(r, shared, false, allKinds) }); got > 2 {
		t.Errorf("%v allocations", got)
	}
}

// TestN10UndeclaredTrailers: an identity header among the trailers is gone once the
// body has been read, though the request did not declare it; other trailers stay.
func TestN10UndeclaredTrailers(t *testing.T) {
	h := newHeaders(t, map[string]string{"X-Auth-User": "username"})
	for _, name := range []string{"X-Auth-User", "X_auth.user"} {
		trailer := http.Header{"X-Checksum": nil}
		r := httptest.NewRequest("PUT", "/", nil)
		r.Trailer = trailer
		r.Body = &lateTrailers{trailer: trailer, late: http.Header{name: {"admin"}, "X-Checksum": {"1"}}}
		h.Strip(r, new(exchange.Shared), false, allKinds)
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(http.Header{"X-Checksum": {"1"}}, r.Trailer); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// lateTrailers is a body at whose end trailers turn up, as net/http has it.
type lateTrailers struct{ trailer, late http.Header }

func (b *lateTrailers) Read([]byte) (int, error) {
	maps.Copy(b.trailer, b.late)
	return 0, io.EOF
}

func (b *lateTrailers) Close() error { return nil }

// TestN10Check: a policy that sets or removes a reserved header is refused, in each
// spelling of it, and the error names it.
func TestN10Check(t *testing.T) {
	h := newHeaders(t, map[string]string{"X-Auth-User": "username"})
	for _, name := range []string{"X-Auth-User", "x-auth-user", "X_Auth_User", "x.auth.user"} {
		for _, err := range []error{h.Check(http.Header{name: {"admin"}}, nil), h.Check(nil, []string{name})} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := h.Check(http.Header{"X-Auth-Username": {"x"}}, []string{"X-Auth"}); err != nil {
		t.Error(err)
	}
}

// TestS23Authorization: S-23. A reserved Authorization is left to the methods of the site,
// and removed before the next handler, in every spelling, unless a handler set it.
func TestS23Authorization(t *testing.T) {
	h := newHeaders(t, nil)
	if err := h.ReserveAuthorization(); err != nil || !h.Reserved("authorization") || len(h.Names()) != 0 {
		t.Fatal(err, h.Names())
	}
	r, shared := httptest.NewRequest("GET", "/", nil), new(exchange.Shared)
	r.Header["Authorization"], r.Header["AUTHORIZATION"] = []string{"Basic a"}, []string{"Basic b"}
	h.Strip(r, shared, false, allKinds)
	if len(r.Header) != 2 {
		t.Errorf("removed before a method could read it: %v", r.Header)
	}
	h.StripAuthorization(r, shared)
	if len(r.Header) != 0 {
		t.Errorf("left: %v", r.Header)
	}
	h.SetToken(r, "Authorization", "Bearer token", shared)
	h.StripAuthorization(r, shared)
	if r.Header.Get("Authorization") != "Bearer token" {
		t.Errorf("ours is gone: %v", r.Header)
	}
	for token, want := range map[string]string{"Bearer token": "Bearer token", "": ""} {
		shared = new(exchange.Shared)
		shared.ConsumeHeader(http.Header{"Authorization": {"Basic a"}}, "Authorization")
		h.SetToken(r, "authorization", token, shared)
		if shared.Remove(r.Header); r.Header.Get("Authorization") != want {
			t.Errorf("where an earlier handler consumed a credential: %v, want %q", r.Header, want)
		}
	}
	r.Header.Set("Authorization", "Basic a")
	newHeaders(t, nil).StripAuthorization(r, new(exchange.Shared))
	if r.Header.Get("Authorization") == "" {
		t.Error("a site without upstream_token removes it")
	}
}
