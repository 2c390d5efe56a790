//go:build e2e

package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// TestE2E_N30ProviderDenied: a person cancels at the provider. A browser shows a page
// that says so, on a phone in the dark as well, and its link signs in for the page
// asked for. A link of a stranger with an error shows the ordinary page.
func TestE2E_N30ProviderDenied(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	cancel := func(_, answer url.Values) {
		answer.Del("code")
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user cancelled.\n<script>"+strings.Repeat("x", 1000))
	}
	fake.Answer = cancel
	config, admin, site := w.secureSite("Caddyfile", "app.test", "policy_auth {\n login oidc "+fake.URL+" {\n client_id "+fake.ClientID+"\n client_secret "+fake.ClientSecret+"\n }\n }\n header Content-Type text/html\n respond \"<title>app</title>reached {http.request.uri}\"")
	s := start(t, w.Dir, config, admin)
	b := openWindow(t)
	b.visit(site + "/.policy_auth/callback/oidc?error=access_denied&error_description=call+0900")
	b.wantText("open for too long")
	b.visit(site + "/mail?folder=in")
	b.wantText("The sign-in service rejected the sign-in, or it was cancelled there.")
	if text := b.text(); strings.Contains(text, "user cancelled") || strings.Contains(text, "Check for typing mistakes") {
		t.Error(text)
	}
	inHand(t, b, "provider_denied")
	log := s.logged()
	if !strings.Contains(log, `"reason":"provider_denied"`) || !strings.Contains(log, `the provider answered access_denied: The user cancelled.\\n<script>xxx`) || strings.Contains(log, strings.Repeat("x", 200)) {
		t.Error(log)
	}
	fake.Set(func(p *oidctest.Provider) { p.Answer = nil })
	b.click("nav a")
	b.wantText("reached /mail?folder=in")
}

// TestE2E_N30OddAnswers: a token endpoint that calls its JSON text/plain, and an ID token
// of 40 KiB, sign in; the session signs out at the provider without the long token.
func TestE2E_N30OddAnswers(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	fake.ContentType = "text/plain; charset=utf-8"
	fake.IDToken = func(_ string, _, claims map[string]any) { claims["memberships"] = strings.Repeat("m", 30<<10) }
	s, site := w.serveLogin(fake, "")
	f := newFollower(t)
	if status, _, page := f.open(site+"/mail", nil); status != 200 || page != "reached /mail" {
		t.Fatalf("%d %s\n%s", status, page, s.logged())
	}
	if status, _, page := f.open(site+"/.policy_auth/logout", strings.NewReader("")); status != 200 || len(fake.SignOuts()) != 1 || fake.SignOuts()[0].Has("id_token_hint") {
		t.Errorf("signing out: %d %s %v", status, page, fake.SignOuts())
	}
}
