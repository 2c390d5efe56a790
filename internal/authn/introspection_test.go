package authn

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// introspectionServer is an introspection endpoint that knows the token "good".
func introspectionServer(t testing.TB) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		switch token := r.PostFormValue("token"); {
		case token == "good", strings.Count(token, ".") >= 2:
			_, _ = io.WriteString(w, `{"active":true,"sub":"user-1","aud":"api"}`)
		case token == "out":
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = io.WriteString(w, `{"active":false}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// provisioned returns a method that is ready.
func provisioned[T caddy.Provisioner](t testing.TB, method T) T {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := method.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if c, ok := any(method).(caddy.CleanerUpper); ok {
		t.Cleanup(func() { _ = c.Cleanup() })
	}
	return method
}

func newIntrospection(t testing.TB, url string, change func(*Introspection)) *Introspection {
	t.Helper()
	i := &Introspection{URL: url + "/introspect", ClientID: "app", ClientSecret: "test-material", Audience: []string{"api"}}
	if change != nil {
		change(i)
	}
	return provisioned(t, i)
}

// secretJWT returns a jwt method with a secret.
func secretJWT(t *testing.T, issuer string) *JWT {
	t.Helper()
	return provisioned(t, &JWT{Issuer: issuer, Secret: strings.Repeat("test", 10), Audience: []string{"api"}})
}

// jwtFrom signs a token of an issuer.
func jwtFrom(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	for name, value := range map[string]any{"sub": "user-2", "aud": "api", "exp": time.Now().Add(time.Hour).Unix()} {
		if _, set := claims[name]; !set {
			claims[name] = value
		}
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(strings.Repeat("test", 10)))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// bearer returns who the chain says sends a bearer token.
func bearer(c *Chain, raw string) Identified {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	return c.Identify(r, true)
}

// TestS21NotSent: no JWT that a jwt method names the issuer of, or that another server
// issued, reaches the endpoint, wherever the methods stand.
func TestS21NotSent(t *testing.T) {
	const ours, others = "https://id.example.com", "https://other.example.com"
	url, asked := introspectionServer(t)
	for name, test := range map[string]struct {
		token   string
		issuer  string // of introspection
		jwt     string // the issuer of the jwt method, or ""
		sent    bool
		accepts string // the id of the accepted caller
	}{
		"S-21 opaque":                        {"good", "", others, true, "user-1"},
		"S-21 opaque with dots":              {"v4.public.good", "", others, true, "user-1"},
		"S-21 of a jwt method":               {jwtFrom(t, jwt.MapClaims{"iss": others}), "", others, false, "user-2"},
		"S-21 of a jwt method and ours":      {jwtFrom(t, jwt.MapClaims{"iss": ours}), ours, ours, false, "user-2"},
		"S-21 of a jwt method, expired":      {jwtFrom(t, jwt.MapClaims{"iss": others, "exp": 1}), "", others, false, ""},
		"S-21 of a jwt method but for case":  {jwtFrom(t, jwt.MapClaims{"iss": others + "/"}), others + "/", others, false, ""},
		"S-21 any":                           {jwtFrom(t, jwt.MapClaims{"iss": ours}), ours, anyone, false, "user-2"},
		"S-21 of another issuer":             {jwtFrom(t, jwt.MapClaims{"iss": "https://third.example.com"}), ours, others, false, ""},
		"S-21 of another issuer, no jwt":     {jwtFrom(t, jwt.MapClaims{"iss": "https://third.example.com"}), ours, "", false, ""},
		"S-21 of another origin":             {jwtFrom(t, jwt.MapClaims{"iss": others}), "", "", false, ""},
		"S-21 of the endpoint's origin":      {jwtFrom(t, jwt.MapClaims{"iss": url + "/realm"}), "", others, true, "user-1"},
		"S-21 of the issuer":                 {jwtFrom(t, jwt.MapClaims{"iss": ours}), ours, others, true, "user-1"},
		"S-21 without iss":                   {jwtFrom(t, jwt.MapClaims{}), "", "", false, ""},
		"S-21 with an iss of a foreign form": {jwtFrom(t, jwt.MapClaims{"iss": 5}), "", "", false, ""},
		"S-21 encrypted":                     {"eyJhbGciOiJkaXIifQ.a.b.c.d", "", "", false, ""},
		"S-21 broken":                        {"eyJhbGciOiJkaXIifQ.a", "", "", false, ""},
		"S-21 broken, with a space":          {"IHsiYSI6MX0.a.b", "", "", false, ""},
		"S-21 too long":                      {strings.Repeat("a", 16<<10+1), "", "", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, order := range []string{"first", "last"} {
				i := newIntrospection(t, url, func(i *Introspection) { i.Issuer = test.issuer })
				methods := []Method{{Name: "introspection", Authenticator: i}}
				if test.jwt != "" {
					methods = append(methods, Method{Name: "jwt", Authenticator: secretJWT(t, test.jwt)})
				}
				if order == "last" {
					slices.Reverse(methods)
				}
				chain, err := NewChain(methods, nil)
				if err != nil {
					t.Fatal(err)
				}
				before := asked.Load()
				got := bearer(chain, test.token)
				_, known := i.client.Cached(test.token)
				if sent := asked.Load() != before; sent != test.sent && (!test.sent || !known) {
					t.Errorf("%s: sent %v", order, sent)
				}
				switch {
				case test.accepts == "" && (got.Verdict != authenticator.Rejected || got.Reason == ""):
					t.Errorf("%s: %+v", order, got)
				case test.accepts != "" && (got.Verdict != authenticator.Accepted || got.Identity.ID != test.accepts):
					t.Errorf("%s: %+v", order, got)
				}
			}
		})
	}
}

// TestIntrospectionOutcomes: what the caller gets.
//
// R-INT-2, R-INT-3, R-401-6
func TestIntrospectionOutcomes(t *testing.T) {
	url, asked := introspectionServer(t)
	i := newIntrospection(t, url, func(i *Introspection) { i.From, i.Name = "header", "X-Token" })
	for raw, want := range map[string]struct {
		verdict authenticator.Verdict
		reason  authenticator.Reason
	}{
		"good":    {authenticator.Accepted, ""},
		"random":  {authenticator.Rejected, authenticator.ReasonTokenRevoked},
		"out":     {authenticator.Unavailable, authenticator.ReasonKeysUnavailable},
		"a b":     {authenticator.Rejected, authenticator.ReasonTokenMalformed},
		"":        {authenticator.Rejected, authenticator.ReasonTokenMalformed},
		"=":       {authenticator.Rejected, authenticator.ReasonTokenMalformed},
		"a\"b":    {authenticator.Rejected, authenticator.ReasonTokenMalformed},
		"a&b=c":   {authenticator.Rejected, authenticator.ReasonTokenMalformed},
		"t\u00e9": {authenticator.Rejected, authenticator.ReasonTokenMalformed},
	} {
		got := i.Authenticate(httptest.NewRequest("GET", "/", nil), authenticator.Credential{Source: i.Sources()[0], Value: raw})
		if got.Verdict != want.verdict || got.Reason != want.reason || got.Verdict == authenticator.Unavailable && got.RetryAfter <= 0 {
			t.Errorf("%q: %+v", raw, got)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("%d requests", asked.Load())
	}
	if again := i.Authenticate(httptest.NewRequest("GET", "/", nil), authenticator.Credential{Source: i.Sources()[0], Value: "out"}); again.Verdict != authenticator.Unavailable {
		t.Errorf("%+v", again)
	}
	var found bool
	for _, status := range KeyStatuses() {
		found = found || status.URL == i.URL && strings.Contains(status.Error, "502")
	}
	if !found {
		t.Errorf("%+v", KeyStatuses())
	}
	if shared := newIntrospection(t, url, func(i *Introspection) { i.From, i.Name = "header", "X-Other" }); shared.client != i.client {
		t.Error("two sites ask on their own")
	}
	if other := newIntrospection(t, url, func(i *Introspection) { i.Audience = []string{"other"} }); other.client == i.client {
		t.Error("two configurations share results")
	}
}

// TestS21Shadowed: a method whose credentials would be sent to the endpoint is an error.
func TestS21Shadowed(t *testing.T) {
	url, _ := introspectionServer(t)
	first, second := newIntrospection(t, url, nil), newIntrospection(t, url+"/second", nil)
	elsewhere := newIntrospection(t, url, func(i *Introspection) { i.From, i.Name = "header", "X-Token" })
	key := &APIKey{sources: bearerSources}
	named := func(name string, a authenticator.Authenticator) Method { return Method{Name: name, Authenticator: a} }
	for name, test := range map[string]struct {
		methods []Method
		want    string
	}{
		"S-21 keys after it":  {[]Method{named("introspection", first), named("api_key", key)}, "write api_key first"},
		"S-21 keys before it": {[]Method{named("api_key", key), named("introspection", first)}, ""},
		"S-21 two":            {[]Method{named("introspection", first), named("introspection", second)}, "set twice"},
		"S-21 two places":     {[]Method{named("introspection", first), named("introspection", elsewhere)}, ""},
		"S-21 jwt":            {[]Method{named("introspection", first), named("jwt", secretJWT(t, "https://id.example.com"))}, ""},
	} {
		if err := shadowed(test.methods); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestS25Introspection: no token is unknown to a method that asks about all.
func TestS25Introspection(t *testing.T) {
	url, _ := introspectionServer(t)
	j := secretJWT(t, "https://id.example.com")
	j.UnknownIssuer = pass
	_, err := NewChain([]Method{{Name: "jwt", Authenticator: j}, {Name: "introspection", Authenticator: newIntrospection(t, url, nil)}}, nil)
	if err == nil || !strings.Contains(err.Error(), "introspection takes bearer tokens of any form") {
		t.Error(err)
	}
}

// TestIntrospectionSecret: an unknown or empty placeholder is an error that shows no part
// of a secret.
//
// R-INT-1
func TestIntrospectionSecret(t *testing.T) {
	t.Setenv("POLICY_AUTH_EMPTY", "")
	for _, secret := range []string{"{env.POLICY_AUTH_EMPTY}", "{env.POLICY_AUTH_UNSET}", "test-material {unknown.placeholder}"} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		defer cancel()
		i := &Introspection{URL: "https://id.example.com/introspect", ClientID: "app", ClientSecret: secret, Audience: []string{"api"}}
		if err := i.Provision(ctx); err == nil || !strings.Contains(err.Error(), "client_secret") || strings.Contains(err.Error(), "material") {
			t.Errorf("%s: %v", secret, err)
		}
	}
	var i Introspection
	if err := json.Unmarshal([]byte(`{"url":"https://id.example.com","cache":-2,"client_id":"a","client_secret":"b","audience":["c"]}`), &i); err != nil || i.check() == nil {
		t.Error("a negative cache is accepted", err)
	}
}

// TestIntrospectionPublicSignUp: a server where anyone gets an account is none to rely on
// alone.
func TestIntrospectionPublicSignUp(t *testing.T) {
	for _, test := range []struct {
		method Introspection
		want   bool
	}{
		{Introspection{URL: "https://gitlab.com/oauth/introspect"}, true},
		{Introspection{URL: "https://id.example.com", Issuer: "https://gitlab.com"}, true},
		{Introspection{URL: "https://gitlab.com/oauth/introspect", Require: []Requirement{{"client_id", []string{"app"}}}}, false},
		{Introspection{URL: "https://id.example.com/introspect"}, false},
	} {
		if got := test.method.PublicSignUp(); got != test.want {
			t.Errorf("%+v: %v", test.method, got)
		}
	}
}
