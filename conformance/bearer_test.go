package conformance

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
)

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

// TestJWTPlaces: where a token may be (R-BR-7, R-BR-8, R-CACHE-5, R-CK-5,
// R-401-8, T-33). A dead cookie is cleared and leaves its owner anonymous; what
// is explicit is refused.
func TestJWTPlaces(t *testing.T) {
	w := newEnv(t)
	site := func(from string) caddyhttp.MiddlewareHandler {
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

// TestN12ForgedTokens: too many bad signatures are answered 429; no good token is,
// whatever else came from the same client.
func TestN12ForgedTokens(t *testing.T) {
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
	for range 200 { // no signature is computed for these, so they lock out no client
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

// TestForgedTokensWithoutIssuer: a forged token that does not say who issued it
// costs as much to check as one that does, and is limited like it.
func TestForgedTokensWithoutIssuer(t *testing.T) {
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

// TestScopes: R-CH-12, R-BR-10, R-BR-11: a policy's scopes are sent as far as there
// is room, in whole words; one that cannot be sent at all is the policy's error.
func TestScopes(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", refusals)
	h, _ := w.site(jwtSite + "policies DIR/policies\n")
	for path, want := range map[string]int{"/many": 403, "/quote": 500, "/umlaut": 500, "/empty": 500} {
		recorder, err := ask(h, get(path, "Authorization", "Bearer "+jwtOf(t, nil)), new(reached))
		if err != nil || recorder.Code != want {
			t.Fatalf("%s: %d %v", path, recorder.Code, err)
		}
		challenges, err := challengetest.Read(recorder.Header())
		if err != nil || (len(challenges) == 1) != (want == 403) {
			t.Fatal(challenges, err)
		}
		if want != 403 {
			continue
		}
		scopes := strings.Fields(challenges[0].Params["scope"])
		if len(scopes) < 10 || challenges[0].Params["error"] != "insufficient_scope" || slices.ContainsFunc(scopes, func(s string) bool { return !strings.HasPrefix(s, "scope-number-") }) {
			t.Errorf("many scopes became %q", scopes)
		}
	}
}

// unread is a body that must not be read.
type unread struct{ read bool }

func (u *unread) Read([]byte) (int, error) {
	u.read = true
	return 0, errors.New("it was read")
}

// TestTokensInBodyOrQuery: R-BR-8, R-BR-9, R-401-10: what looks like a token in a body or,
// unless it is configured, in a query is none; it is the application's.
func TestTokensInBodyOrQuery(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(jwtSite + "access DIR/access.yaml\n")
	token := jwtOf(t, nil)
	for _, contentType := range []string{"application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", ""} {
		body := new(unread)
		r := post("/", "Content-Type", contentType, "Expect", "100-continue")
		r.Body, r.ContentLength = io.NopCloser(body), 100
		if recorder, err := ask(h, r, new(reached)); err != nil || recorder.Code != 401 || body.read {
			t.Errorf("%s: %d %v, read: %v", contentType, recorder.Code, err, body.read)
		}
	}
	next := new(reached)
	r := post("/public/?access_token="+token+"&a=1", "Content-Type", "application/x-www-form-urlencoded")
	content := "access_token=" + token
	r.Body = io.NopCloser(strings.NewReader(content))
	if _, err := ask(h, r, next); err != nil || next.Request == nil {
		t.Fatal(err)
	}
	left, err := io.ReadAll(next.Request.Body)
	if err != nil || string(left) != content || next.Request.URL.RawQuery != "access_token="+token+"&a=1" {
		t.Errorf("the application got %q and %s, %v", left, next.Request.URL, err)
	}
	enabled, _ := w.site(jwtFrom("query access_token") + "access DIR/access.yaml\n")
	if recorder, _ := ask(enabled, post("/?access_token="+token), new(reached)); recorder.Code != 401 {
		t.Errorf("a token in the query of a POST: %d", recorder.Code)
	}
}

// foreignSite is a site with sessions and tokens, whose upstream has tokens of
// its own.
const foreignSite = "jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n unknown_issuer pass\n }\n" + formSite

// appToken returns a token that an application made for itself.
func appToken(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(strings.Repeat("app", 20)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// rawToken returns what has the form of a token with some payload.
func rawToken(payload string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + part([]byte(payload)) + "." + part([]byte("signature"))
}

// TestN46ForeignBearer: beside a session, a bearer token of the application's
// own passes untouched; what may be one of ours, and what has no session beside
// it, is judged.
func TestN46ForeignBearer(t *testing.T) {
	w := newEnv(t)
	w.Write("policy/policy.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if {\n\tinput.identity.authenticated\n\tnot startswith(input.request.path, \"/own/\")\n}\n\nallow if {\n\tinput.identity.method == \"session\"\n\tinput.request.foreign_bearer\n}\n")
	h, _ := w.site(strings.Replace(foreignSite, "access DIR/access.yaml", "policies DIR/policy", 1))
	p := visitor(t, h)
	if answer := p.SignIn("/mail", "alice", canary); answer.Code != 303 {
		t.Fatal(answer.Code)
	}
	hour := time.Now().Add(time.Hour).Unix()
	home := appToken(t, jwt.MapClaims{"iss": "6f1e5c0a9a574c52", "exp": hour})
	tests := []struct {
		name, token string
		signedIn    bool
		method      string
		more        []string
		status      int
		foreign     bool
	}{
		{"N-46 an application's token", home, true, "GET", nil, 200, true},
		{"N-46 no token at all", "llat-0123456789abcdef", true, "GET", nil, 200, true},
		{"N-46 one of ours", jwtOf(t, nil), true, "GET", nil, 200, false},
		{"S-25 no session", home, false, "GET", nil, 401, false},
		{"S-25 no token and no session", "llat-0123456789abcdef", false, "GET", nil, 401, false},
		{"S-25 our issuer, forged", appToken(t, jwt.MapClaims{"iss": "https://id.example.com", "exp": hour}), true, "GET", nil, 401, false},
		{"S-25 our issuer in capitals", appToken(t, jwt.MapClaims{"iss": "HTTPS://ID.example.com", "exp": hour}), true, "GET", nil, 401, false},
		{"S-25 our issuer and a slash", appToken(t, jwt.MapClaims{"iss": "https://id.example.com/", "exp": hour}), true, "GET", nil, 401, false},
		{"S-25 no issuer", appToken(t, jwt.MapClaims{"exp": hour}), true, "GET", nil, 401, false},
		{"S-25 a number as issuer", rawToken(`{"iss":1}`), true, "GET", nil, 401, false},
		{"S-25 two issuers", rawToken(`{"iss":"a","iss":"b"}`), true, "GET", nil, 401, false},
		{"S-25 a list of issuers", rawToken(`{"iss":["a"]}`), true, "GET", nil, 401, false},
		{"S-25 three parts that are no token", "a.b.c", true, "GET", nil, 401, false},
		{"S-25 five parts", "a.b.c.d.e", true, "GET", nil, 401, false},
		{"S-25 another site's form", home, true, "POST", []string{"Sec-Fetch-Site", "cross-site"}, 403, false},
		{"S-25 another origin's form", home, true, "POST", []string{"Origin", "https://evil.example"}, 403, false},
		{"S-25 the site's own form", home, true, "POST", []string{"Sec-Fetch-Site", "same-origin"}, 200, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := "/mail"
			if test.foreign {
				path = "/own/mail" // allowed by input.request.foreign_bearer alone
			}
			r := secure(get(path, append(test.more, "Authorization", "Bearer "+test.token)...))
			r.Method = test.method
			if test.signedIn {
				r.AddCookie(&http.Cookie{Name: "__Host-policy_auth", Value: p.Cookies["__Host-policy_auth"]})
			}
			next := new(reached)
			recorder, err := ask(h, r, next)
			if err != nil || recorder.Code != test.status {
				t.Fatalf("%d %v %s", recorder.Code, err, recorder.Body)
			}
			if !test.foreign {
				return
			}
			if got := next.Request.Header; got.Get("Authorization") != "Bearer "+test.token || got.Get("Cookie") != "" {
				t.Errorf("the upstream is told %v", got)
			}
		})
	}
	// a request without such a token has no foreign_bearer
	r := secure(get("/own/mail"))
	r.AddCookie(&http.Cookie{Name: "__Host-policy_auth", Value: p.Cookies["__Host-policy_auth"]})
	if recorder, _ := ask(h, r, new(reached)); recorder.Code != 403 {
		t.Errorf("without a token: %d", recorder.Code)
	}
}

// TestS25Load: unknown_issuer pass is refused where no token is unknown, or no
// session makes anybody known.
func TestS25Load(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - id: ci\n    hash: \"sha256:"+sha("key-"+canary)+"\"\n    owner: ci\n")
	jwtAny := "jwt any {\n secret " + jwtSecret + "2\n audience api\n }\n"
	tests := []struct{ name, site, want string }{
		{"S-25 keys in bearer tokens", foreignSite + "api_key {\n keys DIR/keys.yaml\n from bearer\n }\n", "api_key takes bearer tokens of any form"},
		{"S-25 any issuer beside it", foreignSite + jwtAny, "jwt any knows every issuer"},
		{"N-46 no login", strings.Replace(foreignSite, formSite, basicSite, 1), "no login makes one"},
		{"N-46 a login elsewhere", strings.Replace(foreignSite, formSite, basicSite+loginSite, 1), "no login makes one"},
		{"N-46 keys in a header", foreignSite + "api_key {\n keys DIR/keys.yaml\n }\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.provision(test.site)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// jwtFrom is a site that takes tokens from a place.
func jwtFrom(place string) string {
	return strings.Replace(jwtSite, " audience api\n", " audience api\n from "+place+"\n", 1)
}
