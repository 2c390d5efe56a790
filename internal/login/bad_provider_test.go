package login

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// A sign-in that fails between the site and the provider has a page that says so, in
// each language, whose link asks for the same again. It accuses no user of typing mistakes.
func TestN30BadProvider(t *testing.T) {
	for language, title := range map[string]string{
		"en": "Sign-in did not work", "de": "Anmeldung hat nicht geklappt", "fr": "La connexion n’a pas fonctionné", "es": "El inicio de sesión no funcionó",
	} {
		for name, test := range map[string]struct {
			change func(*oidctest.Provider)
			status int
		}{
			"an error of the provider's": {func(f *oidctest.Provider) {
				f.Answer = func(_, a url.Values) { a.Set("error", "server_error") }
			}, 502},
			"our secret":     {func(f *oidctest.Provider) { f.ClientSecret = "another" }, 502},
			"no ID token":    {func(f *oidctest.Provider) { f.Tokens = func(_ string, a map[string]any) { delete(a, "id_token") } }, 502},
			"expired":        {func(f *oidctest.Provider) { f.IDToken = func(_ string, _, c map[string]any) { c["exp"] = 1 } }, 502},
			"another issuer": {func(f *oidctest.Provider) { f.Answer = func(_, a url.Values) { a.Set("iss", "https://evil.example") } }, 400},
			"no issuer":      {func(f *oidctest.Provider) { f.Answer = func(_, a url.Values) { a.Del("iss") } }, 400},
			"another nonce":  {func(f *oidctest.Provider) { f.IDToken = func(_ string, _, c map[string]any) { c["nonce"] = "x" } }, 400},
		} {
			p := newProvided(t, nil)
			test.change(p.fake)
			answer := p.visit("GET", p.begin(p.URL("/mail?folder=in", "", url.Values{"max_age": {"60"}})), nil, "Accept-Language", language)
			body := answer.Body.String()
			link := `href="/.policy_auth/login?max_age=60&amp;return_to=%2Fmail%3Ffolder%3Din"`
			if answer.Code != test.status || !strings.Contains(body, title) || !strings.Contains(body, link) {
				t.Errorf("%s %s: %d %s", language, name, answer.Code, body)
			}
		}
	}
}

// A sign-in that failed because something is out of reach has the same link.
func TestN30OutOfReachLink(t *testing.T) {
	link := `href="/.policy_auth/login?return_to=%2Fmail"`
	p := newProvided(t, nil)
	p.fake.Tokens = func(string, map[string]any) { p.fake.Set(func(f *oidctest.Provider) { f.Down = true }) }
	if answer := p.signIn("/mail"); answer.Code != 503 || !strings.Contains(answer.Body.String(), link) {
		t.Errorf("the provider: %d %s", answer.Code, answer.Body)
	}
}

// Groups that are taken away at the provider are gone from a session whose refresh
// brings no ID token, also for the next request.
func TestRefreshedGroups(t *testing.T) {
	p := newProvided(t, nil)
	p.fake.Claims["groups"] = []string{"staff", "admin"}
	p.signIn("/")
	p.advance(6 * time.Minute)
	p.fake.Set(func(f *oidctest.Provider) {
		f.Claims["groups"] = []string{"staff"}
		f.Tokens = func(_ string, a map[string]any) { delete(a, "id_token") }
	})
	for range 2 {
		if outcome := p.vouch(); outcome.Identity == nil || len(outcome.Identity.Groups) != 1 || outcome.Identity.Method != "session" {
			t.Errorf("%+v", outcome)
		}
	}
}

// unwritable is a store that takes no sessions.
type unwritable struct{ store.Store }

func (u unwritable) Put(ctx context.Context, key string, item store.Item) error {
	if strings.HasPrefix(key, "session.") {
		return store.ErrUnavailable
	}
	return u.Store.Put(ctx, key, item)
}

func (u unwritable) PutNew(ctx context.Context, key string, item store.Item) (bool, error) {
	if strings.HasPrefix(key, "session.") {
		return false, store.ErrUnavailable
	}
	return u.Store.PutNew(ctx, key, item)
}

// So has one whose session could not be stored.
func TestN30UnstoredLink(t *testing.T) {
	p := newProvided(t, nil)
	p.Sessions = p.sessionsIn(unwritable{p.store})
	answer := p.signIn("/mail")
	if e := p.lastEvent(); answer.Code != 503 || e.Reason != "store_unavailable" || !strings.Contains(answer.Body.String(), `href="/.policy_auth/login?return_to=%2Fmail"`) {
		t.Errorf("%d, event %+v %s", answer.Code, e, answer.Body)
	}
}
