package oidc

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// refusesIDToken signs in with an ID token that was changed, which must not count.
func refusesIDToken(change func(header, claims map[string]any)) func(*testing.T) {
	return func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.IDToken = func(_ string, header, claims map[string]any) { change(header, claims) }
		if g, err := b.signIn(NoStepUp); err == nil {
			t.Fatalf("signed in: %+v", g)
		}
		if b.fake.Seen("/userinfo") > 0 {
			t.Error("asked for userinfo all the same")
		}
	}
}

// refusesSignature signs in with an ID token that somebody else signed.
func refusesSignature(sign func(header, claims map[string]any) string) func(*testing.T) {
	return func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.Sign = sign
		if g, err := b.signIn(NoStepUp); err == nil {
			t.Fatalf("signed in: %+v", g)
		}
	}
}

// refusesLogout checks a logout token that was changed, which must not count.
func refusesLogout(change func(header, claims map[string]any)) func(*testing.T) {
	return func(t *testing.T) {
		b := newBench(t, nil)
		b.mustSignIn()
		_, err := b.client.LogoutToken(context.Background(), b.fake.LogoutToken(change))
		failure(t, err, http.StatusBadRequest)
	}
}

// refusesRefresh refreshes with an ID token that was changed, which ends the
// session.
func refusesRefresh(change func(header, claims map[string]any)) func(*testing.T) {
	return func(t *testing.T) {
		b := newBench(t, nil)
		g := b.mustSignIn()
		b.fake.Set(func(p *oidctest.Provider) {
			p.IDToken = func(_ string, header, claims map[string]any) { change(header, claims) }
		})
		_, err := b.client.Refresh(context.Background(), g)
		failure(t, err, http.StatusBadGateway)
	}
}

// conformance are tests by the names of the modules of the OpenID Foundation's
// conformance suite for relying parties.
var conformance = map[string]func(*testing.T){
	"oidcc-client-test": func(t *testing.T) {
		b := newBench(t, nil)
		if g := b.mustSignIn(); g.Identity.ID != "user-1" || g.Identity.Email != "alice@example.com" || b.fake.Seen("/userinfo") != 1 {
			t.Errorf("got %+v", g.Identity)
		}
	},
	"oidcc-client-test-client-secret-basic": func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.ClientSecret = "test material: +/%é" })
		b.fake.ClientSecret = "test material: +/%é" // encoded twice (RFC 6749, section 2.3.1)
		if b.mustSignIn(); b.fake.Style() != "header" {
			t.Errorf("the secret was in the %s", b.fake.Style())
		}
	},
	"oidcc-client-test-discovery-issuer-mismatch": func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.Metadata = func(m map[string]any) { m["issuer"] = "https://evil.example" }
		_, _, err := b.client.Authorize(context.Background(), state, redirectURI, NoStepUp)
		failure(t, err, http.StatusServiceUnavailable)
	},
	"oidcc-client-test-discovery-jwks-uri-keys": func(t *testing.T) {
		b := newBench(t, nil)
		if b.mustSignIn(); b.fake.Seen("/keys") != 1 {
			t.Errorf("asked for keys %d times", b.fake.Seen("/keys"))
		}
	},
	"oidcc-client-test-discovery-openid-config": func(t *testing.T) {
		b := newBench(t, nil)
		if b.fake.Seen("/.well-known/openid-configuration") != 0 {
			t.Error("asked before anybody signed in")
		}
		if b.mustSignIn(); b.fake.Seen("/.well-known/openid-configuration") == 0 {
			t.Error("not asked")
		}
	},
	"oidcc-client-test-idtoken-sig-none":  refusesIDToken(func(header, _ map[string]any) { header["alg"] = "none" }),
	"oidcc-client-test-idtoken-sig-rs256": func(t *testing.T) { newBench(t, nil).mustSignIn() },
	"oidcc-client-test-invalid-athash":    refusesIDToken(func(_, claims map[string]any) { claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }),
	"oidcc-client-test-invalid-aud":       refusesIDToken(func(_, claims map[string]any) { claims["aud"] = "other" }),
	"oidcc-client-test-invalid-chash":     refusesIDToken(func(_, claims map[string]any) { claims["c_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }),
	"oidcc-client-test-invalid-iss":       refusesIDToken(func(_, claims map[string]any) { claims["iss"] = "https://evil.example" }),
	"oidcc-client-test-invalid-sig-es256": refusesSignature(func(header, claims map[string]any) string {
		header["alg"] = "ES256"
		return oidctest.Sign(oidctest.NewKey("ES256").Private, header, claims)
	}),
	"oidcc-client-test-invalid-sig-hs256": refusesSignature(func(header, claims map[string]any) string {
		header["alg"] = "HS256"
		return oidctest.Sign([]byte("test-material-not-a-secret"), header, claims)
	}),
	"oidcc-client-test-invalid-sig-rs256": refusesSignature(func(header, claims map[string]any) string {
		return oidctest.Sign(oidctest.NewKey("RS256").Private, header, claims)
	}),
	"oidcc-client-test-kid-absent-multiple-jwks": func(t *testing.T) {
		b := newBench(t, nil)
		first, second := oidctest.NewKey("RS256"), oidctest.NewKey("RS256")
		b.fake.SetKeys(first, second)
		b.fake.IDToken = func(_ string, header, _ map[string]any) { delete(header, "kid") }
		b.mustSignIn() // each key that fits is tried
	},
	"oidcc-client-test-kid-absent-single-jwks": func(t *testing.T) {
		b := newBench(t, nil)
		key := oidctest.NewKey("RS256")
		key.ID = ""
		b.fake.SetKeys(key)
		b.mustSignIn()
	},
	"oidcc-client-test-missing-aud":   refusesIDToken(func(_, claims map[string]any) { delete(claims, "aud") }),
	"oidcc-client-test-missing-iat":   refusesIDToken(func(_, claims map[string]any) { delete(claims, "iat") }),
	"oidcc-client-test-missing-sub":   refusesIDToken(func(_, claims map[string]any) { delete(claims, "sub") }),
	"oidcc-client-test-nonce-invalid": refusesIDToken(func(_, claims map[string]any) { claims["nonce"] = "another" }),
	"oidcc-client-test-nonce-unless-code-flow": func(t *testing.T) {
		b := newBench(t, nil)
		b.mustSignIn()
		if nonce := b.fake.Asked()[0].Get("nonce"); len(nonce) < 26 {
			t.Errorf("the nonce %q has less than 128 bits", nonce)
		}
	},
	"oidcc-client-test-refresh-token": func(t *testing.T) {
		b := newBench(t, nil)
		g := b.mustSignIn()
		b.pass(10 * time.Minute)
		renewed, err := b.client.Refresh(context.Background(), g)
		if err != nil || renewed.RefreshToken == g.RefreshToken || b.fake.Seen("/userinfo") != 2 {
			t.Errorf("got %+v, %v", renewed, err)
		}
	},
	"oidcc-client-test-refresh-token-invalid-issuer":         refusesRefresh(func(_, claims map[string]any) { claims["iss"] = "https://evil.example" }),
	"oidcc-client-test-refresh-token-invalid-sub":            refusesRefresh(func(_, claims map[string]any) { claims["sub"] = "user-2" }),
	"oidcc-client-test-rp-backchannel-rpinitlogout-alg-none": refusesLogout(func(header, _ map[string]any) { header["alg"] = "none" }),
	"oidcc-client-test-rp-backchannel-rpinitlogout-no-event": refusesLogout(func(_, claims map[string]any) { delete(claims, "events") }),
	"oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce": refusesLogout(func(_, claims map[string]any) {
		claims["nonce"] = "any"
	}),
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg": func(t *testing.T) {
		b := newBench(t, nil)
		b.mustSignIn()
		raw := b.fake.LogoutToken(func(header, _ map[string]any) {
			b.fake.Set(func(p *oidctest.Provider) {
				p.Sign = func(header, claims map[string]any) string {
					header["alg"] = "HS256"
					return oidctest.Sign([]byte("test-material-not-a-secret"), header, claims)
				}
			})
		})
		_, err := b.client.LogoutToken(context.Background(), raw)
		failure(t, err, http.StatusBadRequest)
	},
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud": refusesLogout(func(_, claims map[string]any) { claims["aud"] = "other" }),
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event": refusesLogout(func(_, claims map[string]any) {
		claims["events"] = map[string]any{"http://schemas.openid.net/event/wrong": map[string]any{}}
	}),
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss": refusesLogout(func(_, claims map[string]any) { claims["iss"] = "https://evil.example" }),
	"oidcc-client-test-scope-userinfo-claims": func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.Userinfo = func(claims map[string]any) { claims["groups"] = []string{"staff"} }
		g := b.mustSignIn()
		if asked := b.fake.Asked()[0].Get("scope"); asked != "openid profile email" || len(g.Identity.Groups) != 1 {
			t.Errorf("asked for %q, got %+v", asked, g.Identity)
		}
	},
	"oidcc-client-test-signing-key-rotation": func(t *testing.T) {
		b := newBench(t, nil)
		b.mustSignIn()
		b.fake.Rotate("RS256")
		b.pass(time.Minute) // keys are asked for at most every half minute
		b.mustSignIn()
	},
	"oidcc-client-test-signing-key-rotation-just-before-signing": func(t *testing.T) {
		b := newBench(t, nil)
		b.mustSignIn()
		b.pass(time.Minute)
		answer, pending := b.begin(NoStepUp)
		b.fake.Rotate("RS256")
		if _, err := b.client.Exchange(context.Background(), answer, pending); err != nil {
			t.Error(err)
		}
	},
	"oidcc-client-test-userinfo-bearer-header": func(t *testing.T) {
		b := newBench(t, nil)
		if b.mustSignIn(); b.fake.Seen("/userinfo") != 1 {
			t.Error("the provider was not asked with the token in the header, which is all that it takes")
		}
	},
	"oidcc-client-test-userinfo-invalid-sub": func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.Userinfo = func(claims map[string]any) { claims["sub"] = "user-2" }
		_, err := b.signIn(NoStepUp)
		failure(t, err, http.StatusBadGateway)
	},
}

// elsewhere are the modules that need a browser's session; internal/login holds them.
var elsewhere = []string{
	"oidcc-client-test-rp-backchannel-rpinitlogout",
	"oidcc-client-test-rp-init-logout",
	"oidcc-client-test-rp-init-logout-no-state",
	"oidcc-client-test-rp-init-logout-other-state",
	"oidcc-client-test-3rd-party-init-login",
	"oidcc-client-test-form-post-error",
}

// irrelevant are the modules about what this client does not do, and why.
var irrelevant = map[string]string{
	"oidcc-client-test-aggregated-claims":            "claims of other issuers are not taken",
	"oidcc-client-test-distributed-claims":           "claims of other issuers are not taken",
	"oidcc-client-test-discovery-webfinger-acct":     "the operator names the issuer, not the user",
	"oidcc-client-test-discovery-webfinger-url":      "the operator names the issuer, not the user",
	"oidcc-client-test-dynamic-registration":         "the operator registers the client",
	"oidcc-client-test-missing-athash":               "the hybrid flow: in the code flow at_hash is optional",
	"oidcc-client-test-missing-chash":                "the hybrid flow: in the code flow c_hash is optional",
	"oidcc-client-test-mtls-endpoint-aliases":        "the client proves itself with a secret",
	"oidcc-client-test-request-uri-signed-none":      "no request objects",
	"oidcc-client-test-request-uri-signed-rs256":     "no request objects",
	"oidcc-client-test-rp-frontchannel-opinitlogout": "front-channel logout needs third-party cookies: the back channel is there",
	"oidcc-client-test-rp-frontchannel-rpinitlogout": "front-channel logout needs third-party cookies: the back channel is there",
	"oidcc-client-test-session-management":           "session management needs third-party cookies: the back channel is there",
	"oidcc-client-test-userinfo-bearer-body":         "the token is in the header, which is the other way to do it",
	"oidcc-client-test-userinfo-signed":              "answers are signed only for clients registered so; ParseUserinfo reads them, and TestSignedUserinfo shows it",
}

// TestConformance plays the modules of the OpenID Foundation's suite for relying
// parties, each by its name. R-OID-9: userinfo about another user is refused.
func TestConformance(t *testing.T) {
	for name, test := range conformance {
		t.Run(name, test)
	}
}

// TestConformanceComplete: no module is forgotten.
func TestConformanceComplete(t *testing.T) {
	content := vectors.Read(t, "oidf-conformance", "oidcc-rp-modules.tsv")
	held := map[string]bool{}
	for name := range maps.Keys(conformance) {
		held[name] = true
	}
	for _, name := range elsewhere {
		held[name] = true
	}
	for name := range irrelevant {
		held[name] = true
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")[1:]
	for _, line := range lines {
		if name, _, _ := strings.Cut(line, "\t"); !held[name] {
			t.Errorf("%s is neither tested nor said to be irrelevant", name)
		}
	}
	if len(lines) != len(held) {
		t.Errorf("%d modules, %d names here", len(lines), len(held))
	}
}
