//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// tokenIssuer is an issuer that publishes keys and signs tokens as they come.
type tokenIssuer struct {
	*httptest.Server
	ec *ecdsa.PrivateKey
	ed ed25519.PrivateKey
}

// newTokenIssuer starts an issuer whose key set has, beside its two keys, some
// that cannot verify anything.
func newTokenIssuer(t testing.TB) *tokenIssuer {
	t.Helper()
	i := new(tokenIssuer)
	var err error
	if i.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
		_, i.ed, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i.keys("")) })
	mux.HandleFunc("/bundle", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i.keys("jwt-svid")) })
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// keys is the key set; use is what its keys are for, or "".
func (i *tokenIssuer) keys(use string) string {
	encode := base64.RawURLEncoding.EncodeToString
	point, _ := i.ec.PublicKey.Bytes()
	member := ""
	if use != "" {
		member = fmt.Sprintf(`,"use":%q`, use)
	}
	return fmt.Sprintf(`{"keys":[
		{"kty":"EC","crv":"P-256","kid":"ec","x":%q,"y":%q%s},
		{"kty":"OKP","crv":"Ed25519","alg":"Ed25519","kid":"ed","x":%q%s},
		{"kty":"OKP","crv":"X25519","kid":"x","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"},
		{"kty":"EC","crv":"P-256","use":"enc","kid":"enc","x":%q,"y":%q},
		{"kty":"EC","crv":"secp256k1","kid":"k1","x":%q,"y":%q},
		{"kty":"RSA","kid":"roca","e":"AQAB","n":%q}]}`,
		encode(point[1:33]), encode(point[33:]), member, encode(i.ed.Public().(ed25519.PublicKey)), member,
		encode(point[1:33]), encode(point[33:]), encode(point[1:33]), encode(point[33:]), encode(rocaModulus()))
}

// rocaModulus is a number with the fingerprint of ROCA: a power of 65537 modulo
// each prime up to 167.
func rocaModulus() []byte {
	product := big.NewInt(2)
	for p := int64(3); p <= 167; p += 2 {
		if prime := big.NewInt(p); prime.ProbablyPrime(0) {
			product.Mul(product, prime)
		}
	}
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.Sub(n, new(big.Int).Mod(n, product)).Add(n, product)
	return n.Add(n, new(big.Int).Exp(big.NewInt(65537), big.NewInt(1<<40), product)).Bytes()
}

// sign signs good claims, changed: nil as a value removes a claim. Members of
// the header follow as pairs; "" removes one.
func (i *tokenIssuer) sign(t testing.TB, algorithm string, changes map[string]any, header ...string) string {
	t.Helper()
	claims := map[string]any{"iss": i.URL, "aud": "api", "sub": "u1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	head := map[string]any{"alg": algorithm, "typ": "JWT", "kid": "ec"}
	var method jwt.SigningMethod = jwt.SigningMethodES256
	var key any = i.ec
	if algorithm != "ES256" {
		method, key, head["kid"] = jwt.SigningMethodEdDSA, i.ed, "ed"
	}
	for n := 0; n+1 < len(header); n += 2 {
		head[header[n]] = header[n+1]
		if header[n+1] == "" {
			delete(head, header[n])
		}
	}
	encode := func(value any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := encode(head) + "." + encode(claims)
	signature, err := method.Sign(signed, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// callerPolicy answers a known caller with who they are.
const callerPolicy = `package caddy.authz

default allow := false

allow := {"allow": true, "dynamic_metadata": {"caller": json.marshal(object.remove(input.identity, ["claims"]))}} if {
	input.identity.authenticated
}
`

// serveTokens runs a site whose answer is the caller, with a debug log.
func serveTokens(t testing.TB, method string) (*server, func(token string) (int, map[string]any, string)) {
	t.Helper()
	w := newEnv(t)
	w.Write("p/caller.rego", callerPolicy)
	admin, listen := "127.0.0.1:"+port(t), port(t)
	w.Write("Caddyfile", fmt.Sprintf("{\n debug\n admin %s\n auto_https off\n}\nhttp://127.0.0.1:%s {\n policy_auth {\n%s\n policies %s/p\n }\n respond {http.policy_auth.vars.caller}\n}\n",
		admin, listen, strings.ReplaceAll(method, "DIR", w.Dir), w.Dir))
	s := start(t, w.Dir, "Caddyfile", admin)
	return s, func(token string) (int, map[string]any, string) {
		status, _, body := do(t, "GET", "http://127.0.0.1:"+listen+"/", "", "Authorization", "Bearer "+token, "Accept", "application/json")
		var caller map[string]any
		if status == 200 {
			if err := json.Unmarshal([]byte(body), &caller); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
		}
		return status, caller, body
	}
}

// null is a claim that is there and null.
var nullClaim = json.RawMessage("null")

// Tokens as providers make them, on one site: what their claims give, and which
// are refused.
func TestE2E_N21_N22_N25_N26_N05_N09_Tokens(t *testing.T) {
	issuer := newTokenIssuer(t)
	s, ask := serveTokens(t, "jwt "+issuer.URL+" {\n audience api\n map id oid sub\n }")
	object := func(pairs ...any) map[string]any {
		o := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			o[pairs[i].(string)] = pairs[i+1]
		}
		return o
	}
	list := func(items ...any) []any { return append([]any{}, items...) }
	for name, test := range map[string]struct {
		algorithm string
		claims    map[string]any
		want      map[string]any // fields of the caller
		reason    string         // or why there is none
	}{
		"N-21 nulls": {"ES256", object("groups", nullClaim, "roles", nullClaim, "scope", nullClaim, "preferred_username", nullClaim, "name", nullClaim,
			"email", nullClaim, "amr", nullClaim, "acr", nullClaim, "oid", nullClaim), object("id", "u1", "kind", "user", "roles", list(), "unknown", list()), ""},
		"N-22 Supabase":            {"ES256", object("amr", list(object("method", "password", "timestamp", 1))), object("amr", list("password"), "unknown", list()), ""},
		"N-22 AD FS":               {"ES256", object("auth_time", "2026-01-02T03:04:05.678Z", "acr", 1, "amr", "pwd"), object("auth_time", 1767323045.0, "acr", "1", "amr", list("pwd")), ""},
		"S-10 roles of objects":    {"ES256", object("roles", list(object("name", "admin"))), object("roles", list(), "unknown", list("roles")), ""},
		"S-10 overage":             {"ES256", object("_claim_names", object("groups", "src1")), object("groups", list(), "unknown", list("claims", "groups")), ""},
		"S-11 a mapped id":         {"ES256", object("oid", 7), nil, "token_malformed"},
		"N-25 Auth0":               {"ES256", object("gty", "client-credentials", "sub", "app@clients", "azp", "app"), object("kind", "client"), ""},
		"N-25 Entra ID":            {"ES256", object("idtyp", "app", "azp", "app"), object("kind", "client"), ""},
		"N-25 Okta":                {"ES256", object("sub", "app", "cid", "app"), object("kind", "client", "id", "app"), ""},
		"N-25 Keycloak":            {"ES256", object("azp", "app", "preferred_username", "service-account-app"), object("kind", "client"), ""},
		"N-25 in doubt":            {"ES256", object("client_id", "app", "scope", "read"), object("kind", "unknown", "unknown", list("kind")), ""},
		"N-25 a person":            {"ES256", object("client_id", "app", "scope", "openid read"), object("kind", "user", "unknown", list()), ""},
		"N-26 EdDSA":               {"EdDSA", nil, object("id", "u1"), ""},
		"N-26 Ed25519":             {"Ed25519", nil, object("id", "u1"), ""},
		"N-05 jkt":                 {"ES256", object("cnf", object("jkt", "x")), nil, "token_unbound"},
		"N-05 x5t":                 {"ES256", object("cnf", object("x5t#S256", "x")), nil, "token_unbound"},
		"N-05 jwk":                 {"ES256", object("cnf", object("jwk", object("kty", "EC"))), nil, "token_unbound"},
		"N-05 acting for somebody": {"ES256", object("act", object("sub", "proxy")), object("id", "u1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, caller, body := ask(issuer.sign(t, test.algorithm, test.claims))
			if test.reason != "" {
				var problem struct {
					RequestID string `json:"request_id"`
				}
				if err := json.Unmarshal([]byte(body), &problem); err != nil || status != 401 {
					t.Fatalf("got %d %s, want 401", status, body)
				}
				eventually(t, "a line with the reason "+test.reason, func() bool {
					return slices.ContainsFunc(strings.Split(s.logged(), "\n"), func(line string) bool {
						return strings.Contains(line, problem.RequestID) && strings.Contains(line, test.reason)
					})
				})
				return
			}
			for field, want := range test.want {
				if got := caller[field]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%d: %s is %v, want %v", status, field, got, want)
				}
			}
		})
	}
	for what, text := range map[string]string{"foreign claims": "roles: a list of something else", "the key with the fingerprint of ROCA": "ROCA"} {
		eventually(t, "a line about "+what, func() bool { return strings.Contains(s.logged(), text) })
	}
	if _, _, body := do(t, "GET", s.admin+"/policy_auth/keys", ""); slices.ContainsFunc([]string{`"enc"`, `"k1"`, `"kid":"x"`, `"roca"`}, func(kid string) bool { return strings.Contains(body, kid) }) {
		t.Errorf("keys that cannot verify are in use: %s", body)
	}
}

// Workloads of SPIFFE: keys of a bundle, no iss, typ JOSE.
func TestE2E_N27_SPIFFE(t *testing.T) {
	issuer := newTokenIssuer(t)
	_, ask := serveTokens(t, "jwt any {\n jwks_url "+issuer.URL+"/bundle\n audience api\n }")
	svid := map[string]any{"iss": nil, "iat": nil, "sub": "spiffe://example.org/web"}
	for name, test := range map[string]struct {
		header []string
		claims map[string]any
		want   int
	}{
		"N-27 JOSE":             {[]string{"typ", "JOSE"}, svid, 200},
		"N-27 no type":          {[]string{"typ", ""}, svid, 200},
		"N-27 no kid":           {[]string{"kid", ""}, svid, 401},
		"N-27 another audience": {nil, map[string]any{"iss": nil, "sub": "spiffe://example.org/web", "aud": "other"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			status, caller, body := ask(issuer.sign(t, "ES256", test.claims, test.header...))
			if status != test.want || status == 200 && (caller["id"] != "spiffe://example.org/web" || caller["kind"] != "client") {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
}

// Roles as ZITADEL has them, and groups as SCIM has.
func TestE2E_N28_Maps(t *testing.T) {
	issuer := newTokenIssuer(t)
	_, ask := serveTokens(t, "jwt "+issuer.URL+" {\n audience api\n map roles keys:urn:zitadel:iam:org:project:roles having org1\n map groups groups[].value\n }")
	ours := map[string]any{"admin": map[string]any{"org1": "one.example"}, "owner": map[string]any{"org2": "evil.example"}}
	for name, test := range map[string]struct {
		roles, groups any
		want          string // roles and groups, or the status
	}{
		"N-28 roles of our organization": {ours, []any{map[string]any{"value": "staff"}}, "[admin] [staff]"},
		"S-12 only of another":           {map[string]any{"admin": map[string]any{"org2": "evil.example"}}, nil, "[] []"},
		"S-12 true in every one":         {map[string]any{"admin": true}, nullClaim, "[] []"},
		"S-11 roles of a foreign form":   {[]string{"admin"}, nil, "401"},
		"S-11 groups of a foreign form":  {ours, []string{"staff"}, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			status, caller, _ := ask(issuer.sign(t, "ES256", map[string]any{"urn:zitadel:iam:org:project:roles": test.roles, "groups": test.groups}))
			got := fmt.Sprint(status)
			if status == 200 {
				got = fmt.Sprint(caller["roles"], " ", caller["groups"])
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// A file of keys with some that cannot verify: the server starts, takes a changed
// file, and says what it left out.
func TestE2E_N33_KeyFile(t *testing.T) {
	first, second := newTokenIssuer(t), newTokenIssuer(t)
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func(keys string) {
		if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first.keys(""))
	s, ask := serveTokens(t, "jwt any {\n jwks_file "+file+"\n audience api\n }")
	if status, _, body := ask(first.sign(t, "ES256", nil)); status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	for _, want := range []string{"keys left out", "for the use enc", "X25519", "secp256k1"} {
		eventually(t, "a line with "+want, func() bool { return strings.Contains(s.logged(), want) })
	}
	write(second.keys(""))
	eventually(t, "the changed file", func() bool { status, _, _ := ask(second.sign(t, "ES256", nil)); return status == 200 })
	if status, _, _ := ask(first.sign(t, "ES256", nil)); status != 401 {
		t.Errorf("a key that is no longer in the file: %d", status)
	}
}

// People sign in at a provider whose ID tokens have claims that are null or of
// other forms, and which signs with Ed25519.
func TestE2E_N21_N22_N26_SignIn(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	fake.SetKeys(oidctest.NewKey("Ed25519"))
	fake.IDToken = func(_ string, _, claims map[string]any) {
		delete(claims, "at_hash")
		maps.Copy(claims, map[string]any{
			"groups": nil, "roles": map[string]any{"admin": true}, "amr": []any{map[string]any{"method": "password"}},
			"auth_time": "2026-01-02T03:04:05Z", "acr": 1, "email": nil,
		})
	}
	w.Write("p/caller.rego", callerPolicy)
	s, url := w.serve("policy_auth {\n login oidc " + fake.URL + " {\n client_id " + fake.ClientID + "\n client_secret " + fake.ClientSecret + "\n }\n policies DIR/p\n }\n respond {http.policy_auth.vars.caller}")
	status, _, page := newFollower(t).open(url+"/", nil)
	var caller map[string]any
	if err := json.Unmarshal([]byte(page), &caller); err != nil || status != 200 {
		t.Fatalf("got %d %s, %v\n%s", status, page, err, s.logged())
	}
	for field, want := range map[string]any{
		"id": "user-1", "email": "alice@example.com", "acr": "1", "auth_time": 1767323045.0, "amr": []any{"password"}, "roles": []any{}, "unknown": []any{"roles"},
	} {
		if fmt.Sprint(caller[field]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", field, caller[field], want)
		}
	}
}

// An access table by kinds: machine tokens are not taken for people, and a token
// that may be of either is neither.
func TestE2E_N25_S13_Access(t *testing.T) {
	issuer, w := newTokenIssuer(t), newEnv(t)
	w.Write("kinds.yaml", "rules:\n  - paths: [/people]\n    allow: [{kinds: [user]}]\n  - paths: [/programs]\n    allow: [{kinds: [client]}]\n")
	_, url := w.serve("policy_auth {\n jwt " + issuer.URL + " {\n audience api\n }\n access DIR/kinds.yaml\n }\n respond reached")
	for name, test := range map[string]struct {
		claims           map[string]any
		people, programs int
	}{
		"N-25 a person":        {map[string]any{"azp": "app", "sid": "1"}, 200, 403},
		"N-25 Auth0":           {map[string]any{"azp": "app", "sub": "app@clients", "gty": "client-credentials"}, 403, 200},
		"N-25 Keycloak":        {map[string]any{"azp": "app", "preferred_username": "service-account-app"}, 403, 200},
		"S-13 in doubt":        {map[string]any{"azp": "app", "scope": "read"}, 403, 403},
		"S-13 a chosen name":   {map[string]any{"azp": "app", "preferred_username": "service-account-app", "auth_time": 1700000000}, 403, 403},
		"S-13 a claim is true": {map[string]any{"azp": true, "sid": "1"}, 403, 403},
	} {
		t.Run(name, func(t *testing.T) {
			token := issuer.sign(t, "ES256", test.claims)
			for path, want := range map[string]int{"/people": test.people, "/programs": test.programs} {
				if status, _, _ := do(t, "GET", url+path, "", "Authorization", "Bearer "+token); status != want {
					t.Errorf("%s: %d, want %d", path, status, want)
				}
			}
		})
	}
}

// TestE2E_N57Candidate: the log and explain name whose token was refused if its issuer
// has signed it, also when no token has needed the keys before; a forged one tells
// nothing, and answers never do.
func TestE2E_N57Candidate(t *testing.T) {
	issuer := newTokenIssuer(t)
	s, ask := serveTokens(t, "jwt "+issuer.URL+" {\n audience api\n }")
	past, whose := time.Now().Add(-time.Hour).Unix(), "person-4711"
	expired := func() string { return issuer.sign(t, "ES256", map[string]any{"sub": whose, "exp": past}) }
	refused := func(token string) (line string) {
		status, _, body := ask(token)
		var problem struct {
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(body), &problem); err != nil || status != 401 || strings.Contains(body, whose) {
			t.Fatalf("N-57 %d %s", status, body)
		}
		eventually(t, "the log tells of the request", func() bool {
			i := slices.IndexFunc(strings.Split(s.logged(), "\n"), func(line string) bool {
				return strings.Contains(line, problem.RequestID) && strings.Contains(line, "request refused")
			})
			if i >= 0 {
				line = strings.Split(s.logged(), "\n")[i]
			}
			return i >= 0
		})
		_, _, kept := do(t, "GET", s.admin+"/policy_auth/decisions?id="+problem.RequestID, "")
		if strings.Contains(kept, whose) != strings.Contains(line, whose) {
			t.Errorf("N-57 the log has %s, explain %s", line, kept)
		}
		return line
	}
	const named = `"candidate":"person-4711"`
	eventually(t, "the keys are there and name the caller", func() bool { return strings.Contains(refused(expired()), named) })
	if line := refused(issuer.sign(t, "ES256", map[string]any{"sub": whose, "aud": "other"})); !strings.Contains(line, named) || !strings.Contains(line, "token_audience") {
		t.Errorf("N-57 of another audience: %s", line)
	}
	genuine := expired()
	if line := refused(genuine[:len(genuine)-6] + "AAAAAA"); strings.Contains(line, whose) || !strings.Contains(line, "token_expired") {
		t.Errorf("N-57 forged: %s", line)
	}
}
