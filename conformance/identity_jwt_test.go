package conformance

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// identityBlock is a block that issues JWTs for the upstream.
const identityBlock = "identity_jwt {\n issuer https://app.example.com\n audience wiki\n }\n"

// TestS22IdentityJWT: S-22. The upstream gets a JWT of identified callers alone, with the
// configured issuer, whatever the client sends; no method of ours takes it for a
// credential, with the same keys, issuer and audience.
func TestS22IdentityJWT(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + identityBlock)
	spoofed := func(r *http.Request) *http.Request {
		r.Host = "evil.example.com"
		for _, name := range []string{"X-Identity-JWT", "x-identity-jwt", "X_Identity_Jwt", "X-Identity-Jwt"} {
			r.Header[name] = []string{"forged"}
		}
		r.Header["Connection"] = []string{"keep-alive, X-Identity-JWT"}
		return r
	}
	jwtOf := func(r *http.Request) string {
		t.Helper()
		next := new(reached)
		recorder, err := ask(h, spoofed(r), next)
		if err != nil || recorder.Code != 200 {
			t.Fatal(recorder.Code, err)
		}
		if strings.Contains(next.Request.Header.Get("Connection"), "Identity") {
			t.Error("the next hop would drop the header")
		}
		var values []string
		for name, lines := range next.Request.Header {
			if strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "X-Identity-JWT") {
				values = append(values, lines...)
			}
		}
		return strings.Join(values, "|")
	}
	if token := jwtOf(get("/public/x")); token != "" {
		t.Errorf("an anonymous caller has %s", token)
	}
	token := jwtOf(asUser(get("/"), "alice"))
	recorder, err := ask(h, get("/.policy_auth/jwks"), new(reached))
	var set jose.JSONWebKeySet
	if err != nil || json.Unmarshal(recorder.Body.Bytes(), &set) != nil || len(set.Keys) == 0 {
		t.Fatal(err, recorder.Body)
	}
	if recorder, err := ask(h, post("/.policy_auth/jwks"), new(reached)); err != nil || recorder.Code != 405 {
		t.Errorf("POST of the keys: %v, %v", recorder, err)
	}
	w.Write("jwks.json", recorder.Body.String())
	claims := jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return set.Key(t.Header["kid"].(string))[0].Key, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("https://app.example.com"), jwt.WithAudience("wiki"), jwt.WithExpirationRequired())
	if err != nil || claims["sub"] != "alice" || claims["method"] != "basic" {
		t.Errorf("%v: %v", err, claims)
	}
	other, logs := w.site("jwt https://app.example.com {\n jwks_file DIR/jwks.json\n audience wiki\n }\n")
	for _, test := range []struct {
		token, reason string
	}{{token, "token_type"}, {"a." + token[strings.Index(token, ".")+1:], "token_malformed"}} {
		recorder, err := ask(other, get("/", "Authorization", "Bearer "+test.token), new(reached))
		if status := statusOf(recorder, err); status != 401 || logs.TakeAll()[0].ContextMap()["reason"] != test.reason {
			t.Errorf("%s: %d", test.reason, status)
		}
	}
}

// TestS22OtherRequests: S-22. The header is removed also from requests that the matcher
// excludes and from preflights that pass, and a policy cannot set it.
func TestS22OtherRequests(t *testing.T) {
	w := newEnv(t)
	w.Match = `[{"path": ["/private/*"]}]`
	h, _ := w.site(basicSite + identityBlock + "cors upstream\n")
	preflight := get("/private/x", "Origin", origin, "Access-Control-Request-Method", "PUT")
	preflight.Method = http.MethodOptions
	for name, r := range map[string]*http.Request{"excluded": get("/x"), "preflight": preflight} {
		r.Header.Set("X-Identity-JWT", "forged")
		next := new(reached)
		if _, err := ask(h, r, next); err != nil || next.Request == nil || next.Request.Header.Get("X-Identity-JWT") != "" {
			t.Errorf("%s: %v %v", name, err, next.Request)
		}
	}
	w.Match = ""
	w.Write("sets.rego", "package caddy.authz\n\nallow := {\"allow\": true, \"headers\": {\"x_identity_jwt\": \"forged\"}}\n")
	h, _ = w.site("policies DIR/sets.rego\n" + identityBlock)
	if recorder, err := ask(h, get("/"), new(reached)); statusOf(recorder, err) != 500 {
		t.Errorf("a policy sets the header: %d", statusOf(recorder, err))
	}
}

// TestS22NoOrigin: S-22. A site whose origin is not known does not load; nor does one
// whose method reads its credential from the header.
func TestS22NoOrigin(t *testing.T) {
	w := newEnv(t)
	for want, block := range map[string]string{
		"issuer: cannot be derived":            "identity_jwt {\n audience wiki\n }\n",
		"reads its credential from the header": "identity_jwt {\n audience wiki\n issuer https://a.example.com\n header x_api.key\n }\n",
		"is one of identity_headers":           "identity_headers {\n X_Identity_JWT id\n }\n" + identityBlock,
	} {
		w.Write("keys.yaml", "keys:\n  - {id: a, hash: \"sha256:"+sha(canary)+"\", owner: a}\n")
		if _, err := w.Provision(keySite + block); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
