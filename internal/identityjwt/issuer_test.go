package identityjwt

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestS22Claims: S-22. What a JWT says of a caller, verified by another library.
func TestS22Claims(t *testing.T) {
	m := newMachine(t)
	for name, test := range map[string]struct {
		id   *authenticator.Identity
		want jwt.MapClaims
	}{
		"everything": {alice(), jwt.MapClaims{
			"iss": testIssuer, "sub": "1234", "aud": testAudience, "iat": 1.8e9, "exp": 1.8e9 + 60, "idp": "https://id.example.com", "kind": "user", "method": "session",
			"username": "alice", "name": "Alice", "email": "alice@example.com", "email_verified": true, "roles": []any{"admin"}, "groups": []any{"staff"}, "scopes": []any{"read"},
			"acr": "gold", "amr": []any{"otp"}, "auth_time": 1_799_999_000.0,
		}},
		"a key": {(&authenticator.Identity{Authenticated: true, Kind: authenticator.KindClient, ID: "ci", Method: "api_key"}).Normalize(), jwt.MapClaims{
			"iss": testIssuer, "sub": "ci", "aud": testAudience, "iat": 1.8e9, "exp": 1.8e9 + 60, "kind": "client", "method": "api_key", "roles": []any{}, "groups": []any{}, "scopes": []any{},
		}},
	} {
		got, err := m.verify(m.token(test.id), m.published())
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// TestS22VerifiedEmail: an address is verified only if it is the one that the issuer
// verified.
func TestS22VerifiedEmail(t *testing.T) {
	m := newMachine(t)
	for name, test := range map[string]struct {
		change func(*authenticator.Identity)
		want   any
	}{
		"verified":         {func(*authenticator.Identity) {}, true},
		"not verified":     {func(id *authenticator.Identity) { id.Claims["email_verified"] = false }, nil},
		"a text":           {func(id *authenticator.Identity) { id.Claims["email_verified"] = "true" }, nil},
		"another address":  {func(id *authenticator.Identity) { id.Email = "root@example.com" }, nil},
		"a mapped address": {func(id *authenticator.Identity) { delete(id.Claims, "email") }, nil},
		"of users.yaml":    {func(id *authenticator.Identity) { delete(id.Claims, "email"); id.Issuer = "" }, true},
		"no address":       {func(id *authenticator.Identity) { id.Email = ""; id.Claims["email"] = "" }, nil},
	} {
		claims, err := m.verify(m.token(alice(test.change)), m.published())
		if err != nil || claims["email_verified"] != test.want {
			t.Errorf("%s: %v, %v", name, claims["email_verified"], err)
		}
	}
}

// TestS22NoCaller: S-22. An anonymous caller and a guest have no JWT, and no key is made
// for them.
func TestS22NoCaller(t *testing.T) {
	m := newMachine(t)
	guest := &authenticator.Identity{Kind: "guest", ID: "link:1", Method: "link"}
	for _, id := range []*authenticator.Identity{authenticator.Anonymous(), guest} {
		if token := m.token(id); token != "" {
			t.Errorf("%s has the JWT %s", id.Kind, token)
		}
	}
	if m.storage.writes+m.storage.reads > 0 {
		t.Error("the storage was used")
	}
}

// TestS22Expiry: S-22. A JWT is sent again for half its lifetime, to the same caller
// alone, and does not outlive the caller's credential.
func TestS22Expiry(t *testing.T) {
	m := newMachine(t)
	id := alice()
	first := m.token(id)
	if again, other := m.token(id), m.token(alice(func(id *authenticator.Identity) { id.Roles = nil })); again != first || other == first {
		t.Error("a JWT is not that of the caller")
	}
	m.clock.pass(29 * time.Second)
	if m.token(id) != first {
		t.Error("it was not sent again")
	}
	m.clock.pass(time.Second)
	if second := m.token(id); second == first {
		t.Error("it was sent again for more than half its lifetime")
	}
	soon := m.clock.Unix() + 7
	claims, err := m.verify(m.token(alice(func(id *authenticator.Identity) { id.ExpiresAt = soon })), m.published())
	if err != nil || int64(claims["exp"].(float64)) != soon {
		t.Errorf("exp %v, want %d: %v", claims["exp"], soon, err)
	}
}

// TestCheck: what a configuration cannot say.
func TestCheck(t *testing.T) {
	const fine = testIssuer
	for want, test := range map[string]Config{
		"audience is missing":                    {Issuer: fine},
		"has a space":                            {Issuer: fine, Audience: "a b"},
		"lifetime is 9s; it must be between 10s": {Issuer: fine, Audience: "a", Lifetime: 9 * time.Second},
		"lifetime is 1h0m1s":                     {Issuer: fine, Audience: "a", Lifetime: time.Hour + time.Second},
		"not an origin: write":                   {Issuer: fine + "/", Audience: "a"},
		`"app.example.com" is not`:               {Issuer: "app.example.com", Audience: "a"},
		`"https://u@a.example.com"`:              {Issuer: "https://u@a.example.com", Audience: "a"},
		`"https://A.example.com" is not`:         {Issuer: "https://A.example.com", Audience: "a"},
		"http://a.example.com is not an ":        {Issuer: "http://a.example.com", Audience: "a"},
		"ftp://localhost is not an":              {Issuer: "ftp://localhost", Audience: "a"},
		"has the default port":                   {Issuer: "https://a.example.com:443", Audience: "a"},
		"localhost:80 has the default":           {Issuer: "http://localhost:80", Audience: "a"},
	} {
		if _, err := New(test); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", test, err, want)
		}
	}
	for _, issuer := range []string{fine, "https://a.example.com:8443", "http://localhost:8080", "https://[2001:db8::1]"} {
		if _, err := New(Config{Issuer: issuer, Audience: "a"}); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"authorization", "COOKIE", "Proxy-Authorization", "a b", ""} {
		if CheckHeader(name) == nil {
			t.Errorf("header %q is accepted", name)
		}
	}
	if err := CheckHeader(DefaultHeader); err != nil {
		t.Error(err)
	}
}

// TestS22Audiences: S-22. Two sites of one configuration do not share an audience; the
// handlers of one site and the sites of two configurations may.
func TestS22Audiences(t *testing.T) {
	var a Audiences
	first, err := a.Claim(1, "wiki", "https://a")
	second, again := a.Claim(1, "wiki", "https://a")
	_, next := a.Claim(2, "wiki", "https://b")
	_, other := a.Claim(1, "mail", "https://b")
	if err != nil || again != nil || next != nil || other != nil {
		t.Fatal(err, again, next, other)
	}
	taken := func() bool { _, err := a.Claim(1, "wiki", "https://c"); return err != nil }
	if !taken() {
		t.Error("another site has the audience too")
	}
	first()
	first()
	if !taken() {
		t.Error("released by one of two handlers")
	}
	second()
	if taken() {
		t.Error("not released")
	}
}

// BenchmarkToken measures a JWT that is sent again, and one that is signed.
func BenchmarkToken(b *testing.B) {
	issuer, err := New(Config{Issuer: testIssuer, Audience: testAudience, Storage: &storage{files: map[string][]byte{}}})
	if err != nil {
		b.Fatal(err)
	}
	id := alice()
	for name, next := range map[string]func() *authenticator.Identity{"again": func() *authenticator.Identity { return id }, "signed": func() *authenticator.Identity { copied := *id; return &copied }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := issuer.Token(context.Background(), next()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
