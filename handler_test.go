package policyauth

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/deny"
)

// TestAnswers is the table of product.md's section 5, through the whole
// handler: R-401-1 to R-401-3, R-401-12, R-403-1, R-CACHE-1, T-01, T-59.
func TestAnswers(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite)
	tests := []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"anonymous", get("/"), 401},
		{"anonymous, public", get("/public/x"), 200},
		{"member", asUser(get("/"), "bob"), 200},
		{"member on the admin page", asUser(get("/admin/"), "bob"), 403},
		{"admin", asUser(get("/admin"), "alice"), 200},
		{"upper case is no way around", asUser(get("/ADMIN"), "bob"), 403},
		{"doubled slashes are no way around", asUser(get("/x//../admin"), "bob"), 400},
		{"a doubled slash", asUser(get("http://example.com//admin"), "bob"), 403},
		{"an encoded slash", asUser(get("/admin%2fx"), "bob"), 403},
		{"a parameter", asUser(get("/admin;x=1"), "bob"), 403},
		{"an encoded letter", asUser(get("/%61dmin"), "bob"), 403},
		{"dots", asUser(get("/public/%2e%2e/admin"), "alice"), 400},
		{"disabled", asUser(get("/"), "carol"), 401},
		{"expired", asUser(get("/"), "dave"), 401},
		{"unknown", asUser(get("/"), "eve"), 401},
		{"a bad credential on a public page", asUser(get("/public/x"), "eve"), 401},
		{"two credentials", get("/", "Authorization", "Basic eDp5", "Authorization", "Basic eDp5"), 400},
		{"another scheme", get("/", "Authorization", "Foo x"), 401},
		{"a query satisfies no path", get("/x?/public/"), 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			next := new(reached)
			recorder, err := ask(h, test.r, next)
			if err != nil {
				t.Fatal(err)
			}
			if recorder.Code != test.status {
				t.Fatalf("status %d, want %d", recorder.Code, test.status)
			}
			if (next.Request != nil) != (test.status == 200) {
				t.Error("the next handler ran although refused, or did not though allowed")
			}
			if test.status == 200 {
				return
			}
			header := recorder.Header()
			if strings.Contains(recorder.Body.String(), "protected") || header.Get("Cache-Control") != "no-store" || header.Get("X-Request-Id") == "" {
				t.Errorf("header %v, body %s", header, recorder.Body)
			}
			if (header.Get("WWW-Authenticate") != "") != (test.status == 401) {
				t.Errorf("challenge %q on a %d", header["Www-Authenticate"], test.status)
			}
		})
	}
}

// TestN56SameAnswer: a client cannot tell an unknown user, a wrong password and a
// disabled or expired account apart (R-401-7, W13) but the log, which never
// has a name that is not a user's.
func TestN56SameAnswer(t *testing.T) {
	w := newEnv(t)
	h, logs := w.site(basicSite)
	var bodies, reasons []string
	for _, name := range []string{"eve", "bob", "carol", "dave"} {
		r := asUser(get("/"), name)
		if name == "bob" {
			r.SetBasicAuth("bob", "wrong")
		}
		recorder, err := ask(h, r, new(reached))
		if err != nil {
			t.Fatal(err)
		}
		id := recorder.Header().Get("X-Request-Id")
		recorder.Header().Del("X-Request-Id")
		var dump bytes.Buffer
		_ = recorder.Header().Write(&dump)
		bodies = append(bodies, dump.String()+strings.ReplaceAll(recorder.Body.String(), id, "ID"))
		fields := logs.TakeAll()[0].ContextMap()
		reasons = append(reasons, fields["reason"].(string))
		if candidate, known := fields["candidate"]; known != (name != "eve") || known && candidate != name {
			t.Errorf("%s: the log names %v", name, candidate)
		}
	}
	for i, body := range bodies {
		if body != bodies[0] {
			t.Errorf("answer %d differs:\n%s\n%s", i, body, bodies[0])
		}
	}
	if got := strings.Join(reasons, " "); got != "user_unknown password_wrong account_disabled account_disabled" {
		t.Errorf("the log says %s", got)
	}
}

// TestThrottled: R-BA-9 through the handler; the right password does not help
// once too many were wrong.
func TestThrottled(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site("basic {\n users DIR/users.yaml\n throttle 3 5m\n }\n access DIR/access.yaml\n")
	for i := range 5 {
		r := get("/")
		r.SetBasicAuth("bob", "wrong")
		want := 401
		if i >= 3 {
			want = 429
		}
		recorder, _ := ask(h, r, new(reached))
		if recorder.Code != want {
			t.Errorf("try %d: %d, want %d", i+1, recorder.Code, want)
		}
	}
	recorder, _ := ask(h, asUser(get("/"), "bob"), new(reached))
	if recorder.Code != 429 || recorder.Header().Get("Retry-After") == "" {
		t.Errorf("the right password: %d %v", recorder.Code, recorder.Header())
	}
	if recorder, _ := ask(h, asUser(get("/"), "alice"), new(reached)); recorder.Code != 200 {
		t.Errorf("somebody else: %d", recorder.Code)
	}
}

// TestUpstream: what the next handler is told (T-26, T-27, T-48, R-BR-13).
func TestUpstream(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + "identity_headers {\n X-Auth-User username\n X-Auth-Roles roles\n }\n")
	next := new(reached)
	r := asUser(get("/", "X-Auth-User", "root", "X_Auth_Roles", "root", "X.Auth.User", "root", "Connection", "X-Auth-User"), "alice")
	if _, err := ask(h, r, next); err != nil {
		t.Fatal(err)
	}
	got := next.Request.Header
	if got.Get("X-Auth-User") != "alice" || got.Get("X-Auth-Roles") != "admin,member" || len(got["X-Auth-User"]) != 1 {
		t.Errorf("got %v", got)
	}
	for name, lines := range got {
		if strings.Contains(strings.Join(lines, ""), "root") || name == "Authorization" || name == "Connection" && lines[0] != "" {
			t.Errorf("%s: %q", name, lines)
		}
	}
	repl := next.Request.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if got := repl.ReplaceAll("{http.auth.user.id} {http.policy_auth.decision} {http.vars.policy_auth}", ""); got != "alice allow policy_auth" {
		t.Errorf("placeholders: %q", got)
	}
	next = new(reached)
	if _, err := ask(h, get("/public/", "X-Auth-User", "root"), next); err != nil || next.Request.Header.Get("X-Auth-User") != "" {
		t.Errorf("an anonymous caller's header came through: %v %v", next.Request.Header, err)
	}
}

// TestForwardCredentials: the accepted credential is passed on if the site says so.
func TestForwardCredentials(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + "forward_credentials\n")
	next := new(reached)
	if _, err := ask(h, asUser(get("/"), "bob"), next); err != nil || next.Request.Header.Get("Authorization") == "" {
		t.Errorf("not passed on: %v", err)
	}
	other, _ := w.site(basicSite)
	next = new(reached)
	if _, err := ask(other, get("/public/", "Authorization", "Foo bar"), next); err != nil || next.Request.Header.Get("Authorization") != "Foo bar" {
		t.Error("a scheme that is not ours was touched")
	}
}

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
func (failing) Match(*http.Request) bool                   { return false }

// TestInsecureTransport: R-HTTP-5, through the handler.
func TestInsecureTransport(t *testing.T) {
	w := newEnv(t)
	for block, want := range map[string]int{basicSite: 403, basicSite + "insecure_http\n": 200} {
		h, logs := w.site(block)
		r := asUser(get("http://example.com/"), "bob")
		r.RemoteAddr = "203.0.113.9:1234"
		recorder, _ := ask(h, r, new(reached))
		if recorder.Code != want {
			t.Errorf("%d, want %d", recorder.Code, want)
		}
		for _, entry := range logs.All() {
			if hint, _ := entry.ContextMap()["hint"].(string); want == 403 && !strings.Contains(hint, "insecure_http") {
				t.Errorf("the log gives no hint: %v", entry)
			}
			for _, field := range entry.Context {
				if strings.Contains(field.String, canary) {
					t.Errorf("the log holds the password: %v", field)
				}
			}
		}
	}
}

// TestN52Hint: behind a proxy that ends TLS and is not in trusted_proxies, the log
// names trusted_proxies and the peer's address, for a credential and on the
// sign-in page; without a proxy, it does not blame one.
func TestN52Hint(t *testing.T) {
	w := newEnv(t)
	for name, h := range map[string]struct{ block, path string }{
		"a credential": {basicSite, "/"},
		"a sign-in":    {strings.Replace(basicSite, "basic", "login form", 1), "/.policy_auth/login"},
	} {
		for proto, want := range map[string]string{"https": "trusted_proxies static 203.0.113.9", "http": "insecure_http", "": "insecure_http"} {
			site, logs := w.site(h.block)
			r := get("http://example.com" + h.path)
			if h.path == "/" {
				r = asUser(r, "bob")
			}
			r.RemoteAddr = "203.0.113.9:1234"
			if proto != "" {
				r.Header.Set("X-Forwarded-Proto", proto)
			}
			if recorder, _ := ask(site, r, new(reached)); recorder.Code != 403 {
				t.Errorf("%s: %d", name, recorder.Code)
			}
			hint := ""
			for _, entry := range logs.All() {
				if text, ok := entry.ContextMap()["hint"].(string); ok {
					hint = text
				}
			}
			if !strings.Contains(hint, want) || strings.Contains(hint, "203.0.113.9") != (proto == "https") {
				t.Errorf("%s, %q: the log hints at %q", name, proto, hint)
			}
		}
	}
}

// TestProxyHint: where rules ask for networks, the log names the peer whose forwarding
// headers hide the client's address, and only there.
func TestProxyHint(t *testing.T) {
	w := newEnv(t)
	w.Write("net.yaml", "rules:\n  - {paths: [/*], allow: [{networks: [10.0.0.0/8]}]}\n")
	w.Write("net.rego", "package caddy.authz\n\nimport data.caddy.helpers\n\nallow if helpers.in_network(\"10.0.0.0/8\")\n")
	w.Write("net-asked.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n")
	for _, test := range []struct {
		block, forwarded string
		want             bool
	}{
		{"access DIR/net.yaml", "10.1.1.1", true},
		{"access DIR/net.yaml", "", false},
		{"policies DIR/net.rego", "10.1.1.1", true},
		{"access DIR/net.yaml\npolicies DIR/net-asked.rego", "10.1.1.1", true},
		{"access DIR/access.yaml", "10.1.1.1", false},
		{"access DIR/access.yaml\npolicies DIR/net-asked.rego", "10.1.1.1", false},
	} {
		site, logs := w.site(test.block)
		r := get("/admin/")
		r.RemoteAddr = "203.0.113.9:1234"
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if recorder, _ := ask(site, r, new(reached)); recorder.Code != 401 && recorder.Code != 403 {
			t.Errorf("%s: %d", test.block, recorder.Code)
		}
		hint, _ := logs.FilterMessage("request refused").All()[0].ContextMap()["hint"].(string)
		if strings.Contains(hint, "trusted_proxies static 203.0.113.9") != test.want {
			t.Errorf("%s, %q: the log hints at %q", test.block, test.forwarded, hint)
		}
	}
}

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
	if recorder.Code != 401 || !strings.Contains(hint, "a cors block answers it") {
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

// TestErrorPaths: delegate, bare and conceal (R-403-3, R-PAGE-13, T-41).
func TestErrorPaths(t *testing.T) {
	w := newEnv(t)
	status := func(err error) int {
		if failure, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			return failure.StatusCode
		}
		return 0
	}
	t.Run("delegate", func(t *testing.T) {
		h, _ := w.site(basicSite + "error_pages delegate\n")
		r := get("/admin/secret.html")
		recorder, err := ask(h, r, new(reached))
		if status(err) != 401 || recorder.Body.Len() > 0 || recorder.Header().Get("WWW-Authenticate") == "" || recorder.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v %v %q", err, recorder.Header(), recorder.Body)
		}
		if r.URL.Path != deny.Path {
			t.Errorf("a file server among the error routes would serve %s", r.URL.Path)
		}
	})
	t.Run("bare", func(t *testing.T) {
		h, _ := w.site(basicSite + "error_pages bare\n")
		recorder, err := ask(h, get("/"), new(reached))
		if err != nil || recorder.Code != 401 || recorder.Body.Len() > 0 {
			t.Errorf("%v %d %q", err, recorder.Code, recorder.Body)
		}
	})
	t.Run("conceal", func(t *testing.T) {
		h, _ := w.site(basicSite + "conceal\n")
		nothing := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return caddyhttp.Error(http.StatusNotFound, errors.New("no such file"))
		})
		hidden, hiddenErr := ask(h, asUser(get("/admin/x"), "bob"), nothing)
		missing, missingErr := ask(h, asUser(get("/x"), "bob"), nothing)
		if status(hiddenErr) != 404 || status(missingErr) != 404 {
			t.Fatalf("%v, %v", hiddenErr, missingErr)
		}
		hidden.Header().Del("X-Request-Id")
		missing.Header().Del("X-Request-Id")
		var a, b bytes.Buffer
		_ = hidden.Header().Write(&a)
		_ = missing.Header().Write(&b)
		if a.String() != b.String() || !strings.Contains(a.String(), "no-store") {
			t.Errorf("told apart:\n%s\n%s", a.String(), b.String())
		}
		if recorder, _ := ask(h, get("/admin/x"), nothing); recorder.Code != 401 {
			t.Errorf("anonymous: %d", recorder.Code)
		}
	})
}

// TestJWT: a token is accepted, and each way to be refused says why in the log
// and nowhere else (R-BR-2 to R-BR-6, R-401-3, R-403-2, R-SU-1, T-51).
func TestJWT(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", `package caddy.authz

allow if input.request.path == "/"

allow := {"allow": false, "challenge": {"scope": ["a", "b"]}} if input.request.path == "/scope"

allow := {"allow": false, "challenge": {"acr_values": "phr", "max_age": 60}} if input.request.path == "/step-up"

allow := {"allow": false, "status": 451, "message": "Not <here>.", "headers": {"X-Why": "law"}} if input.request.path == "/451"

allow := {"allow": false, "redirect": {"to": "/welcome"}} if input.request.path == "/moved"

allow := {"allow": true, "headers": {"X-Tenant": "blue"}, "response_headers_to_add": {"X-Seen": "yes"}} if input.request.path == "/headers"

allow := {"allow": true, "headers": {"X-Auth-User": "root"}} if input.request.path == "/forged"

allow := x > 1 if {
	input.request.path == "/error"
	x := 1 / object.get(input.config, "zero", 0)
}
`)
	h, logs := w.site(jwtSite + "policies DIR/policies\n identity_headers {\n X-Auth-User id\n }\n")
	good := "Bearer " + jwtOf(t, nil)
	tests := []struct {
		name, path, authorization string
		status                    int
		challenge, reason         string
	}{
		{"good", "/", good, 200, "", ""},
		{"no token, public", "/", "", 200, "", ""},
		{"expired", "/", "Bearer " + jwtOf(t, jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}), 401, `error="invalid_token"`, "token_expired"},
		{"another audience", "/", "Bearer " + jwtOf(t, jwt.MapClaims{"aud": "other"}), 401, `error="invalid_token"`, "token_audience"},
		{"another issuer", "/", "Bearer " + jwtOf(t, jwt.MapClaims{"iss": "https://evil.example"}), 401, `error="invalid_token"`, "token_issuer"},
		{"tampered", "/", good + "A", 401, `error="invalid_token"`, "token_signature"},
		{"no token at all", "/", "Bearer nonsense", 401, `error="invalid_token"`, "token_malformed"},
		{"malformed", "/", "Bearer a b", 400, `error="invalid_request"`, "token_malformed"},
		{"missing scopes", "/scope", good, 403, `error="insufficient_scope", scope="a b"`, "insufficient_scope"},
		{"missing scopes, anonymous", "/scope", "", 401, `Bearer realm="restricted"`, "credentials_missing"},
		{"step up", "/step-up", good, 401, `error="insufficient_user_authentication", acr_values="phr", max_age="60"`, "step_up_required"},
		{"the policy's status", "/451", good, 451, "", "policy_denied"},
		{"the policy's redirect", "/moved", good, 303, "", "policy_denied"},
		{"the policy's redirect, anonymous", "/moved", "", 303, "", "policy_denied"},
		{"the policy's headers", "/headers", good, 200, "", ""},
		{"an identity header is not the policy's", "/forged", good, 500, "", "policy_error"},
		{"an error in the policy", "/error", good, 500, "", "policy_error"},
		{"nothing says allow", "/other", good, 403, "", "policy_undefined"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			logs.TakeAll()
			next := new(reached)
			r := get(test.path)
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			recorder, err := ask(h, r, next)
			if err != nil {
				t.Fatal(err)
			}
			if recorder.Code != test.status || (next.Request != nil) != (test.status == 200) {
				t.Fatalf("status %d, want %d", recorder.Code, test.status)
			}
			if got := recorder.Header().Get("WWW-Authenticate"); !strings.Contains(got, test.challenge) || (test.challenge == "") != (got == "") {
				t.Errorf("challenge %s, want %s", got, test.challenge)
			}
			entry := logs.TakeAll()[0]
			if got, _ := entry.ContextMap()["reason"].(string); got != test.reason {
				t.Errorf("reason %s, want %s", got, test.reason)
			}
			if body := recorder.Body.String(); strings.Contains(body, canary) || test.reason != "" && test.status != 403 && strings.Contains(body, `"`+test.reason+`"`) {
				t.Errorf("the body tells: %s", body)
			}
			switch test.path {
			case "/headers":
				if next.Request.Header.Get("X-Tenant") != "blue" || recorder.Header().Get("X-Seen") != "yes" {
					t.Error("the policy's headers are missing")
				}
			case "/451":
				if recorder.Header().Get("X-Why") != "law" || !strings.Contains(recorder.Body.String(), "Not ") {
					t.Errorf("%v %s", recorder.Header(), recorder.Body)
				}
			case "/moved":
				if recorder.Header().Get("Location") != "/welcome" || recorder.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%v", recorder.Header())
				}
			}
		})
	}
}

// TestAPIKey: all of keys.yaml through the handler.
//
// R-KEY-1, R-KEY-3, R-KEY-4
func TestAPIKey(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n"+
		"  - {id: ci, owner: build, roles: [admin], hash: \"sha256:"+sha(canary)+"\"}\n"+
		"  - {id: old, owner: build, expires: 2001-01-01T00:00:00Z, hash: \"sha256:"+sha(canary+"-old")+"\"}\n"+
		"  - {id: off, owner: build, disabled: true, hash: \"sha256:"+sha(canary+"-off")+"\"}\n"+
		"  - {id: far, owner: build, networks: [203.0.113.0/24], hash: \"sha256:"+sha(canary+"-far")+"\"}\n"+
		"  - {id: weak, owner: build, hash: \"sha256:"+sha(canary+"-weak")+"\"}\n")
	h, logs := w.site("api_key {\n keys DIR/keys.yaml\n }\n access DIR/access.yaml\n")
	for key, want := range map[string]int{canary: 200, canary + "-old": 401, canary + "-off": 401, canary + "-far": 401, canary + "-none": 401, "": 401, canary + "-weak": 403} {
		next := new(reached)
		recorder, err := ask(h, get("/admin/", "X-API-Key", key), next)
		if err != nil || recorder.Code != want {
			t.Errorf("%s: %d, want %d", key, recorder.Code, want)
		}
		if want == 401 && recorder.Header().Get("WWW-Authenticate") != `ApiKey realm="restricted", header="X-API-Key"` {
			t.Errorf("challenge %q", recorder.Header()["Www-Authenticate"])
		}
		if next.Request != nil && next.Request.Header.Get("X-API-Key") != "" {
			t.Error("the key reached the upstream")
		}
	}
	for _, entry := range logs.All() {
		for _, field := range entry.Context {
			if strings.Contains(field.String, canary) {
				t.Errorf("the log holds a key: %v", field)
			}
		}
	}
	if recorder, _ := ask(h, get("/", "X-API-Key", canary, "X-API-Key", canary), new(reached)); recorder.Code != 400 {
		t.Errorf("two keys: %d", recorder.Code)
	}
	if recorder, _ := ask(h, get("/?X-API-Key="+canary+"&api_key="+canary), new(reached)); recorder.Code != 401 {
		t.Errorf("a key in the query: %d", recorder.Code)
	}
}

// TestJWTPlaces: where a token may be (R-BR-7, R-BR-8, R-CACHE-5, R-CK-5,
// R-401-8, T-33). A dead cookie is cleared and leaves its owner anonymous; what
// is explicit is refused.
func TestJWTPlaces(t *testing.T) {
	w := newEnv(t)
	site := func(from string) *Handler {
		h, _ := w.site("jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n from " + from + "\n }\n access DIR/access.yaml\n")
		return h
	}
	good, dead := jwtOf(t, nil), jwtOf(t, jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})
	tests := []struct {
		name, from string
		r          *http.Request
		status     int
	}{
		{"header", "header Cf-Access-Jwt-Assertion", get("/", "Cf-Access-Jwt-Assertion", good), 200},
		{"header, dead", "header Cf-Access-Jwt-Assertion", get("/public/", "Cf-Access-Jwt-Assertion", dead), 401},
		{"header, twice", "header X-Token", get("/", "X-Token", good, "X-Token", good), 400},
		{"cookie", "cookie token", get("/", "Cookie", "theme=dark; token="+good), 200},
		{"cookie, dead", "cookie token", get("/", "Cookie", "token="+dead), 401},
		{"cookie, dead, public", "cookie token", get("/public/", "Cookie", "token="+dead), 200},
		{"cookie, twice", "cookie token", get("/", "Cookie", "token="+good+"; token="+good), 401},
		{"cookie, of another site's form", "cookie token", get("/", "Cookie", "token="+good, "Sec-Fetch-Site", "cross-site"), 200},
		{"query", "query access_token", get("/x?a=1&access_token=" + good + "&b=%2F"), 200},
		{"query, twice", "query access_token", get("/?access_token=" + good + "&access_token=" + good), 400},
		{"query, when it is off", "bearer", get("/?access_token=" + good), 401},
		{"password", "basic_password", basic(get("/"), "x", good), 200},
		{"password, no token", "basic_password", basic(get("/"), "x", "secret"), 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			next := new(reached)
			recorder, err := ask(site(test.from), test.r, next)
			if err != nil || recorder.Code != test.status {
				t.Fatalf("%d %v", recorder.Code, err)
			}
			cleared := strings.Contains(recorder.Header().Get("Set-Cookie"), "token=; Path=/; Max-Age=0")
			if want := strings.HasPrefix(test.name, "cookie, dead") || test.name == "cookie, twice"; cleared != want {
				t.Errorf("cleared %v: %q", cleared, recorder.Header()["Set-Cookie"])
			}
			if next.Request == nil {
				return
			}
			var dump bytes.Buffer
			_ = next.Request.Header.Write(&dump)
			if strings.Contains(dump.String()+next.Request.RequestURI+next.Request.URL.String(), good) {
				t.Errorf("the token reached the upstream: %s %s", dump.String(), next.Request.URL)
			}
			switch test.name {
			case "cookie":
				if next.Request.Header.Get("Cookie") != "theme=dark" {
					t.Errorf("other cookies: %q", next.Request.Header["Cookie"])
				}
			case "query":
				if next.Request.URL.RawQuery != "a=1&b=%2F" || recorder.Header().Get("Cache-Control") != "private" {
					t.Errorf("%s %v", next.Request.URL, recorder.Header())
				}
			}
		})
	}
	forged := get("/", "Cookie", "token="+good, "Sec-Fetch-Site", "cross-site")
	forged.Method = "POST"
	if recorder, _ := ask(site("cookie token"), forged, new(reached)); recorder.Code != 403 {
		t.Errorf("a form of another site with the cookie: %d", recorder.Code)
	}
}

// TestN12Forgers: too many bad signatures are answered 429; no good token is,
// whatever else came from the same client.
func TestN12Forgers(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(jwtSite + "access DIR/access.yaml\n")
	status := func(token, client string) int {
		r := get("/", "Authorization", "Bearer "+token)
		r.RemoteAddr = client + ":1234"
		r.TLS = new(tls.ConnectionState)
		recorder, err := ask(h, r, new(reached))
		if err != nil {
			t.Fatal(err)
		}
		return recorder.Code
	}
	good := jwtOf(t, nil)
	if got := status(good, "203.0.113.7"); got != 200 {
		t.Fatal(got)
	}
	forged := good[:len(good)-4] + "AAAA"
	_, signed, _ := strings.Cut(good, ".")
	cheap := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PS512"}`)) + "." + signed
	for range 200 { // nothing is computed for these, so that nobody is locked out by them
		if got := status(cheap, "203.0.113.7"); got != 401 {
			t.Fatal(got)
		}
	}
	counts := map[int]int{}
	for range 150 {
		counts[status(forged, "203.0.113.7")]++
	}
	if counts[401] < 100 || counts[401] > 110 || counts[429] < 40 {
		t.Errorf("got %v", counts)
	}
	if got := status(good, "203.0.113.7"); got != 200 {
		t.Errorf("a token that was verified before: %d", got)
	}
	for i := range 30 {
		if got := status(jwtOf(t, jwt.MapClaims{"sub": "other" + strconv.Itoa(i)}), "203.0.113.7"); got != 200 {
			t.Errorf("another token of the same client: %d", got)
		}
		if got := status(forged, "203.0.113.7"); got != 429 {
			t.Errorf("a forged one: %d", got)
		}
	}
	if got := status(forged, "203.0.113.8"); got != 401 {
		t.Errorf("a forged one of another client: %d", got)
	}
}

// TestNamelessForgers: a forged token that does not say who issued it
// costs as much to check as one that does, and is limited like it.
func TestNamelessForgers(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(strings.Replace(jwtSite, "https://id.example.com", "any", 1) + "access DIR/access.yaml\n")
	claims := jwt.MapClaims{"aud": "api", "sub": "svc", "exp": time.Now().Add(time.Hour).Unix()}
	forged, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(strings.Repeat("x", 32)))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[int]int{}
	for range 150 {
		recorder, err := ask(h, get("/", "Authorization", "Bearer "+forged), new(reached))
		if err != nil {
			t.Fatal(err)
		}
		counts[recorder.Code]++
	}
	if counts[401] < 100 || counts[401] > 110 || counts[429] < 40 {
		t.Errorf("got %v", counts)
	}
}

// TestOpaqueTarget: T-12, T-22, T-54. A request target that is no path is judged
// as none: the upstream would read it as one.
func TestOpaqueTarget(t *testing.T) {
	w := newEnv(t)
	w.Write("open.yaml", "rules:\n  - paths: [/admin/*]\n    allow: [{roles: [admin]}]\n  - allow: [{anyone: true}]\n")
	h, _ := w.site("access DIR/open.yaml\n")
	r := get("/")
	r.URL.Scheme, r.URL.Opaque, r.URL.Path = "http", "x:/admin/secret", ""
	next := new(reached)
	recorder, err := ask(h, r, next)
	if next.Request != nil || recorder.Code == 200 && err == nil {
		t.Errorf("it was let through: %d %v", recorder.Code, err)
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

// TestN10ReservedHeader: a policy that allows a request and sets or removes an
// identity header is a faulty policy: the request is denied, not forwarded.
func TestN10ReservedHeader(t *testing.T) {
	w := newEnv(t)
	for _, decision := range []string{`{"allow": true, "headers": {"x_auth_user": "admin"}}`, `{"allow": true, "request_headers_to_remove": ["X-Auth-User"]}`} {
		w.Write("policies/policy.rego", "package caddy.authz\n\nallow := "+decision+"\n")
		h, logs := w.site("basic {\n users DIR/users.yaml\n }\n policies DIR/policies\n identity_headers {\n X-Auth-User username\n }\n")
		next := new(reached)
		answer, err := ask(h, asUser(get("/mail"), "bob"), next)
		if statusOf(answer, err) != 500 || next.Request != nil {
			t.Errorf("%s: %d, reached %v", decision, answer.Code, next.Request != nil)
		}
		if logs.FilterField(zap.String("reason", "policy_error")).Len() == 0 {
			t.Errorf("%s: the log says %v", decision, logs.All())
		}
	}
}
