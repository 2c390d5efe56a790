package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// TestAuthorize: R-OID-1, R-OID-2, T-57. What is sent, for confidential and
// public clients alike.
func TestAuthorize(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		stepUp StepUp
		want   url.Values // beside what is always there
	}{
		{"as it comes", nil, NoStepUp, url.Values{"scope": {"openid profile email"}}},
		{"a public client", func(c *Config) { c.ClientSecret = "" }, NoStepUp, url.Values{"scope": {"openid profile email"}}},
		{"scopes", func(c *Config) { c.Scopes = []string{"groups", "offline_access"} }, NoStepUp, url.Values{"scope": {"openid groups offline_access"}}},
		{"a prompt", func(c *Config) { c.Prompt = []string{"login", "consent"} }, NoStepUp, url.Values{"prompt": {"login consent"}}},
		{"silently", func(c *Config) { c.Prompt = []string{"none"} }, NoStepUp, url.Values{"prompt": {"none"}}},
		{"silently, in vain", func(c *Config) { c.Prompt = []string{"none"} }, StepUp{MaxAge: -1, Interactive: true}, url.Values{"prompt": nil}},
		// R-SU-5
		{"a step up", nil, StepUp{ACRValues: []string{"phr", "phrh"}, MaxAge: 0}, url.Values{"acr_values": {"phr phrh"}, "max_age": {"0"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.change)
			to, pending, err := b.client.Authorize(context.Background(), state, redirectURI, test.stepUp)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(to)
			if err != nil || !strings.HasPrefix(to, b.fake.URL+"/authorize?") {
				t.Fatalf("%s: %v", to, err)
			}
			challenge := sha256.Sum256([]byte(pending.Verifier))
			want := url.Values{
				"response_type": {"code"}, "client_id": {b.fake.ClientID}, "redirect_uri": {redirectURI}, "state": {state}, "nonce": {pending.Nonce},
				"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
			}
			maps.Copy(want, test.want)
			for name, values := range want {
				if got := u.Query()[name]; strings.Join(got, "|") != strings.Join(values, "|") {
					t.Errorf("%s: got %q, want %q", name, got, values)
				}
			}
			if strings.Contains(to, pending.Verifier) || !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(pending.Verifier) || len(pending.Nonce) < 26 {
				t.Errorf("verifier %s, nonce %s", pending.Verifier, pending.Nonce)
			}
			if _, again, _ := b.client.Authorize(context.Background(), state, redirectURI, test.stepUp); again.Nonce == pending.Nonce || again.Verifier == pending.Verifier {
				t.Error("the second sign-in has the first one's secrets")
			}
		})
	}
}

// TestChallenge: the example of RFC 7636, appendix B (R-OID-2).
func TestChallenge(t *testing.T) {
	if got := oauth2.S256ChallengeFromVerifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("got %s", got)
	}
}

// No code goes to the token endpoint unless everything that comes with it is as it
// should be. What a provider says of an error is in the log, bounded and printable.
//
// R-OID-4, R-OID-5, R-OID-6
func TestN30RedeemAnswers(t *testing.T) {
	tests := []struct {
		name   string
		change func(answer url.Values)
		status int
		reason authenticator.Reason
	}{
		{"another issuer", func(a url.Values) { a.Set("iss", "https://evil.example") }, 400, authenticator.ReasonTokenIssuer},
		{"an issuer that looks alike", func(a url.Values) { a.Set("iss", a.Get("iss")+"/") }, 400, authenticator.ReasonTokenIssuer},
		{"no issuer, though promised", func(a url.Values) { a.Del("iss") }, 400, authenticator.ReasonTokenIssuer},
		{"two issuers", func(a url.Values) { a.Add("iss", a.Get("iss")) }, 400, authenticator.ReasonTokenIssuer},
		{"an empty issuer", func(a url.Values) { a.Set("iss", "") }, 400, authenticator.ReasonTokenIssuer},
		{"no code", func(a url.Values) { a.Del("code") }, 400, authenticator.ReasonLoginStateInvalid},
		{"two codes", func(a url.Values) { a.Add("code", "other") }, 400, authenticator.ReasonLoginStateInvalid},
		{"refused by the user", func(a url.Values) { a.Set("error", "access_denied") }, 403, authenticator.ReasonProviderDenied},
		{"an error of another issuer", func(a url.Values) { a.Set("error", "access_denied"); a.Set("iss", "https://evil.example") }, 400, authenticator.ReasonTokenIssuer},
		{"login_required", func(a url.Values) { a.Set("error", "login_required") }, 403, authenticator.ReasonProviderDenied},
		{"interaction_required", func(a url.Values) { a.Set("error", "interaction_required") }, 403, authenticator.ReasonProviderDenied},
		{"a level that is not reached", func(a url.Values) { a.Set("error", "unmet_authentication_requirements") }, 403, authenticator.ReasonStepUpRequired},
		{"server_error", func(a url.Values) { a.Set("error", "server_error") }, 502, authenticator.ReasonProviderDenied},
		{"temporarily_unavailable", func(a url.Values) { a.Set("error", "temporarily_unavailable") }, 503, authenticator.ReasonKeysUnavailable},
		{"an unknown error", func(a url.Values) { a.Set("error", "\x1b[31m<script>") }, 403, authenticator.ReasonProviderDenied},
		{"an empty error", func(a url.Values) { a.Set("error", "") }, 403, authenticator.ReasonProviderDenied},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.fake.Answer = func(_, answer url.Values) {
				answer.Set("error_description", "its words\x1b[31m\n"+strings.Repeat("ä", 300))
				test.change(answer)
			}
			_, err := b.signIn(NoStepUp)
			f := failure(t, err, test.status)
			if f.Reason != test.reason || b.fake.Seen("/token") > 0 {
				t.Errorf("got %s; the token endpoint was asked %d times", f.Reason, b.fake.Seen("/token"))
			}
			said := strings.Contains(f.Error(), `: its words\x1b[31m\nä`)
			if text := f.Error(); strings.ContainsAny(text, "\x1b\n") || len(text) > 500 || said != strings.Contains(text, "provider answered") {
				t.Errorf("the log gets %q", text)
			}
		})
	}
}

// TestMixUp: R-OID-5. What was begun at one provider is not ended at another.
func TestMixUp(t *testing.T) {
	a, b := newBench(t, nil), newBench(t, nil)
	answer, pending := a.begin(NoStepUp)
	_, err := b.client.Exchange(context.Background(), answer, pending)
	if failure(t, err, http.StatusBadRequest); b.fake.Seen("/token") > 0 {
		t.Error("the code of one provider was sent to another")
	}
}

// TestSilent: a provider that was asked not to talk to the user, and has to,
// is asked once more (R-OID-6).
func TestSilent(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Prompt = []string{"none"} })
	b.fake.Answer = func(asked, answer url.Values) {
		if asked.Get("prompt") == "none" {
			answer.Set("error", "login_required")
		}
	}
	_, err := b.signIn(NoStepUp)
	if !failure(t, err, http.StatusForbidden).NeedsInteraction {
		t.Error("does not say that talking to the user may help")
	}
	if _, err := b.signIn(StepUp{MaxAge: -1, Interactive: true}); err != nil {
		t.Error(err)
	}
}

// TestSendsIss: RFC 9207, section 2.4. Without a promise, an answer need not say
// whose it is.
func TestSendsIss(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Metadata = func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") }
	b.fake.Answer = func(_, answer url.Values) { answer.Del("iss") }
	b.mustSignIn()
}

// FuzzRedeem: T-66. Whatever the browser brings, nobody is signed in by it and
// nothing panics.
func FuzzRedeem(f *testing.F) {
	f.Add("code=a&iss=b&state=c")
	f.Add("error=access_denied&error_description=%1b")
	f.Add("code=&code=;%zz")
	p := &Provider{config: Config{Issuer: "https://id.example.com"}}
	m := &metadata{sendsIss: true}
	f.Fuzz(func(t *testing.T, query string) {
		answer, _ := url.ParseQuery(query)
		code, err := p.authorizationCode(m, answer, AuthRequest{Issuer: "https://id.example.com"})
		if err == nil && (code == "" || len(answer["iss"]) != 1 || answer.Has("error")) {
			t.Errorf("%q: the code %q passed", query, code)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
			t.Errorf("%q: the log gets %q", query, err)
		}
	})
}

// TestStyles: how the client proves who it is, found out without trying.
func TestStyles(t *testing.T) {
	tests := map[string]struct {
		secret  string
		methods []string
		want    string
	}{
		"nothing said":       {"test-material-not-a-secret", nil, "header"},
		"both":               {"test-material-not-a-secret", []string{"client_secret_post", "client_secret_basic"}, "header"},
		"the body alone":     {"test-material-not-a-secret", []string{"client_secret_post"}, "body"},
		"others":             {"test-material-not-a-secret", []string{"private_key_jwt"}, "header"},
		"a public client":    {"", []string{"client_secret_basic", "none"}, "none"},
		"and nothing of it":  {"", nil, "none"},
		"something reserved": {"a b+c%&=", nil, "header"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.ClientSecret = test.secret })
			b.fake.ClientSecret = test.secret
			b.fake.Metadata = func(m map[string]any) {
				if test.methods != nil {
					m["token_endpoint_auth_methods_supported"] = test.methods
				}
			}
			if b.mustSignIn(); b.fake.Style() != test.want || b.fake.Seen("/token") != 1 {
				t.Errorf("in the %s, after %d requests", b.fake.Style(), b.fake.Seen("/token"))
			}
		})
	}
}

// What the token endpoint says is told apart. The log has its words without what was
// sent to it.
//
// R-OID-14
func TestN30NotGranted(t *testing.T) {
	tests := map[string]struct {
		change func(*oidctest.Provider)
		status int
	}{
		"a code used before": {func(p *oidctest.Provider) { p.Answer = func(_, a url.Values) { a.Set("code", "stolen-code") } }, 400},
		"a wrong secret":     {func(p *oidctest.Provider) { p.ClientSecret = "another" }, 502},
		"no ID token":        {func(p *oidctest.Provider) { p.Tokens = func(_ string, a map[string]any) { delete(a, "id_token") } }, 502},
		"an ID token twice": {func(p *oidctest.Provider) {
			p.Tokens = func(_ string, a map[string]any) { a["id_token"] = []any{a["id_token"]} }
		}, 502},
		"no access token": {func(p *oidctest.Provider) { p.Tokens = func(_ string, a map[string]any) { delete(a, "access_token") } }, 502},
		"out of order": {func(p *oidctest.Provider) {
			p.Answer = func(_, _ url.Values) { p.Set(func(p *oidctest.Provider) { p.Down = true }) }
		}, 503},
		"not who it should": {func(p *oidctest.Provider) { p.Userinfo = func(c map[string]any) { delete(c, "sub") } }, 502},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			test.change(b.fake)
			_, err := b.signIn(NoStepUp)
			if text := failure(t, err, test.status).Error(); strings.Contains(text, "stolen-code") || strings.Contains(text, "test-material") || strings.Contains(text, "eyJ") {
				t.Errorf("the log gets %q", text)
			}
		})
	}
}
