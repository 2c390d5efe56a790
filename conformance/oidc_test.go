package conformance

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// TestOIDC: a person signs in at a provider, comes back to the page asked for, is
// told apart for the upstream, and signs out; a program gets 401 and never a
// redirect; no code, token or secret is logged. R-OID-1, R-OID-14, R-LO-1, R-LO-2.
func TestOIDC(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	fake.ClientSecret = canary
	h, logs := w.site(oidcSite(fake, "") + "identity_headers {\n X-User username\n X-Mail email\n}\n")
	api := visitor(t, h).Ask(secure(get("/mail", "Accept", "application/json")), new(reached))
	var problem struct {
		LoginURL string `json:"login_url"`
	}
	if err := json.Unmarshal(api.Body.Bytes(), &problem); err != nil || api.Code != 401 || api.Header().Get("Location") != "" || problem.LoginURL != "/.policy_auth/login?return_to=%2F" {
		t.Errorf("an API call: %d %v %s", api.Code, api.Header(), api.Body)
	}
	p := visitor(t, h)
	if answer := p.SignInAt("/mail?folder=1"); answer.Code != 303 || answer.Header().Get("Location") != "/mail?folder=1" {
		t.Fatalf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	next := new(reached)
	if answer := p.Ask(navigate(get("/mail?folder=1")), next); answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if got := next.Request.Header; got.Get("X-User") != "alice" || got.Get("X-Mail") != "alice@example.com" || got.Get("Cookie") != "" {
		t.Errorf("the upstream is told %v", got)
	}
	old := p.Cookies["__Host-policy_auth"]
	out := p.Ask(secure(post("/.policy_auth/logout", "Sec-Fetch-Site", "same-origin")), new(reached))
	if back := p.Ask(navigate(get(p.AtProvider(out.Header().Get("Location")))), new(reached)); back.Header().Get("Location") != "/.policy_auth/logout" {
		t.Errorf("%d %v", back.Code, back.Header())
	}
	p.Cookies["__Host-policy_auth"] = old
	if answer := p.Ask(secure(get("/mail", "Accept", "application/json")), new(reached)); answer.Code != 401 {
		t.Errorf("the old cookie: %d", answer.Code)
	}
	for _, line := range logs.All() {
		encoded, _ := json.Marshal(line.ContextMap())
		if text := string(encoded); strings.Contains(text, canary) || strings.Contains(text, old) || strings.Contains(text, "eyJ") || strings.Contains(text, "code=") {
			t.Errorf("the log holds a secret: %s", text)
		}
	}
}

// TestOIDCBackchannel: R-LO-4. The provider ends a session, from wherever it is
// and although its request has neither a cookie nor an origin of ours.
func TestOIDCBackchannel(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	h, _ := w.site(oidcSite(fake, "name id\n"))
	p := visitor(t, h)
	p.SignInAt("/mail")
	form := url.Values{"logout_token": {fake.LogoutToken(nil)}}
	r := secure(httptest.NewRequest("POST", "/.policy_auth/backchannel_logout/id", strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if answer := visitor(t, h).Ask(r, new(reached)); answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if answer := p.Ask(navigate(get("/mail")), new(reached)); answer.Code != 303 {
		t.Errorf("still signed in: %d", answer.Code)
	}
}

// TestOIDCStepUp: R-SU-1, R-SU-3, R-SU-5. A policy's challenge sends a person to the
// provider for more, and a program gets 401.
func TestOIDCStepUp(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	w.Write("p/vault.rego", `package caddy.authz

allow := {"allow": false, "challenge": {"acr_values": ["phr"], "max_age": 300}} if {
	input.identity.authenticated
	input.identity.acr != "phr"
} else := input.identity.authenticated
`)
	h, _ := w.site(strings.Replace(oidcSite(fake, ""), "access DIR/access.yaml\n", "policies DIR/p\n", 1))
	p := visitor(t, h)
	p.SignInAt("/vault")
	old := p.Cookies["__Host-policy_auth"]
	if answer := p.Ask(secure(get("/vault", "Accept", "application/json")), new(reached)); answer.Code != 401 || answer.Header().Get("Location") != "" {
		t.Errorf("a program: %d %v", answer.Code, answer.Header())
	}
	fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = "phr" }
	if answer := p.SignInAt("/vault"); answer.Code != 303 || answer.Header().Get("Location") != "/vault" || p.Cookies["__Host-policy_auth"] == old {
		t.Fatalf("%d %v", answer.Code, answer.Header())
	}
	asked := fake.Asked()
	if last := asked[len(asked)-1]; last.Get("acr_values") != "phr" || last.Get("max_age") != "300" {
		t.Errorf("asked with %v", last)
	}
	if answer := p.Ask(navigate(get("/vault")), new(reached)); answer.Code != 200 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// TestOIDCForwarded: T-56. What a stranger says of the host and the scheme does
// not reach the provider, nor any other address.
func TestOIDCForwarded(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	h, _ := w.site(oidcSite(fake, ""))
	forged := []string{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "evil", "X-Forwarded-Port", "1", "X-Forwarded-Prefix", "/evil", "Forwarded", "host=evil.example"}
	sent := visitor(t, h).Ask(navigate(get("/.policy_auth/login?return_to=https%3A%2F%2Fevil.example%2F", forged...)), new(reached))
	to, err := url.Parse(sent.Header().Get("Location"))
	if err != nil || sent.Code != 303 || to.Query().Get("redirect_uri") != "https://example.com/.policy_auth/callback/oidc" || strings.Contains(to.String(), "evil") {
		t.Errorf("%d %v", sent.Code, to)
	}
}

// TestOIDCRedirectLoop: R-OID-15. A policy that asks for more than the provider gives
// does not redirect forever.
func TestOIDCRedirectLoop(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	w.Write("p/never.rego", "package caddy.authz\n\nallow := {\"allow\": false, \"login\": true}\n")
	h, _ := w.site(strings.Replace(oidcSite(fake, ""), "access DIR/access.yaml\n", "policies DIR/p\n", 1))
	p := visitor(t, h)
	for range 3 {
		p.SignInAt("/")
	}
	sent := p.Ask(navigate(get("/")), new(reached))
	if answer := p.Ask(navigate(get(sent.Header().Get("Location"))), new(reached)); answer.Code != 403 || answer.Header().Get("Location") != "" || !strings.Contains(answer.Body.String(), "cookies") {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}

// TestOIDCDown: a provider that is down when the site starts, and when a user
// signs in, stops nothing else; two providers are chosen between.
func TestOIDCDown(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	fake.Down = true
	block := "basic {\n users DIR/users.yaml\n }\n" + oidcSite(fake, "") + "login oidc " + oidctest.New(t).URL + " {\n name other\n client_id c\n }\n"
	h, _ := w.site(block)
	if n := fake.Seen("/.well-known/openid-configuration"); n > 0 {
		t.Errorf("asked %d times while the site was set up", n)
	}
	if answer := visitor(t, h).Ask(secure(basic(get("/mail"), "alice", canary)), new(reached)); answer.Code != 200 {
		t.Errorf("another method: %d", answer.Code)
	}
	p := visitor(t, h)
	if page := p.Ask(navigate(get("/.policy_auth/login")), new(reached)).Body.String(); !strings.Contains(page, "127.0.0.1") || !strings.Contains(page, "Other") {
		t.Error(page)
	}
	answer := p.Ask(navigate(get("/.policy_auth/login?login=oidc")), new(reached))
	if answer.Code != 503 || answer.Header().Get("Retry-After") == "" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	if answer := p.Ask(navigate(get("/.policy_auth/login?login=other")), new(reached)); answer.Code != 303 {
		t.Errorf("the other provider: %d %s", answer.Code, answer.Body)
	}
}

// TestOIDCConfig: T-58, T-68. A secret that is missing is an error and never
// empty; strangers are not let in for being known to a provider that knows everybody.
func TestOIDCConfig(t *testing.T) {
	t.Setenv("POLICY_AUTH_TEST_EMPTY", "")
	tests := map[string]string{
		"client_secret {env.POLICY_AUTH_TEST_MISSING}": "client_secret",
		"client_secret {env.POLICY_AUTH_TEST_EMPTY}":   "client_secret",
		"client_secret {file./nowhere/secret}":         "client_secret",
	}
	for line, want := range tests {
		_, err := newEnv(t).provision("login oidc https://id.example.com {\n client_id app\n " + line + "\n}\nsession {\n store file DIR/store.db\n}")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	google := "login oidc https://accounts.google.com {\n client_id app\n}\nsession {\n store file DIR/store.db\n}\n"
	if _, err := newEnv(t).provision(google); err == nil || !strings.Contains(err.Error(), "every person can get an account") {
		t.Errorf("everybody is let in: %v", err)
	}
	if _, err := newEnv(t).provision(google + "access DIR/access.yaml"); err != nil {
		t.Error(err)
	}
}
