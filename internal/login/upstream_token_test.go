package login

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// upstream returns the token for the next handler, as a request gets it.
func (p *provided) upstream() (string, authenticator.Outcome) {
	p.t.Helper()
	found, err := p.current()
	if err != nil {
		return "", authenticator.Reject(authenticator.ReasonSessionRevoked)
	}
	return p.upstreamOf(found)
}

func (p *provided) upstreamOf(found *session.Session) (string, authenticator.Outcome) {
	if outcome := p.oidc.Revalidate(context.Background(), p.Sessions, found); outcome.Verdict != authenticator.Accepted {
		return "", outcome
	}
	return p.oidc.UpstreamToken(context.Background(), p.Sessions, found)
}

// TestS23UpstreamToken: S-23. A session has the token that the provider gave last; it is
// refreshed before it expires, and one that has expired is never passed on.
func TestS23UpstreamToken(t *testing.T) {
	for _, kind := range []string{AccessToken, IDToken} {
		p := newProvided(t, nil)
		p.oidc.Upstream = kind
		var given []string
		p.fake.Set(func(f *oidctest.Provider) {
			f.Tokens = func(_ string, answer map[string]any) {
				given = append(given, answer[map[string]string{AccessToken: "access_token", IDToken: "id_token"}[kind]].(string))
			}
		})
		p.signIn("/")
		want := func(tokens int) {
			t.Helper()
			token, outcome := p.upstream()
			if outcome.Verdict != authenticator.Accepted || outcome.Identity.Username != "alice" || len(given) != tokens || token != given[tokens-1] {
				t.Fatalf("%s: %+v; %d tokens given, want %d; the last one: %v", kind, outcome, len(given), tokens, token == given[len(given)-1])
			}
		}
		want(1)
		p.advance(239 * time.Second)
		want(1)
		p.advance(2 * time.Second) // a minute before it expires
		_, _ = p.upstream()        // the request that refreshes it may still get the old one
		want(2)
		p.advance(241 * time.Second)
		p.fake.Set(func(f *oidctest.Provider) { f.Down = true })
		want(2) // it is valid for another minute
		p.advance(time.Minute)
		token, outcome := p.upstream()
		if token != "" || outcome.Verdict != authenticator.Unavailable || outcome.Reason != authenticator.ReasonKeysUnavailable {
			t.Errorf("%s: the provider is down: %q %+v", kind, token, outcome)
		}
		for _, detail := range outcome.Details {
			for _, secret := range given {
				if strings.Contains(detail.Value, secret) {
					t.Errorf("a detail has the token: %v", detail)
				}
			}
		}
		p.fake.Set(func(f *oidctest.Provider) { f.Down = false })
		p.advance(time.Minute)
		want(3)
	}
}

// TestS23NoRefreshToken: S-23. Without a refresh token the session ends with the token.
func TestS23NoRefreshToken(t *testing.T) {
	p := newProvided(t, nil)
	p.oidc.Upstream = AccessToken
	p.fake.Set(func(f *oidctest.Provider) {
		f.Tokens = func(_ string, answer map[string]any) { delete(answer, "refresh_token") }
	})
	p.signIn("/")
	p.advance(299 * time.Second)
	if token, outcome := p.upstream(); token == "" || outcome.Verdict != authenticator.Accepted {
		t.Errorf("%q %+v", token, outcome)
	}
	p.advance(time.Second)
	if token, outcome := p.upstream(); token != "" || outcome.Reason != authenticator.ReasonSessionExpired {
		t.Errorf("%q %+v", token, outcome)
	}
}

// TestS23NoNewIDToken: S-23. A provider that gives no ID token at a refresh ends the
// session when the old one expires.
func TestS23NoNewIDToken(t *testing.T) {
	p := newProvided(t, nil)
	p.oidc.Upstream = IDToken
	p.fake.Set(func(f *oidctest.Provider) {
		f.Tokens = func(grant string, answer map[string]any) {
			if grant == "refresh_token" {
				delete(answer, "id_token")
			}
		}
	})
	p.signIn("/")
	p.advance(24 * time.Hour / 4)
	p.Sessions.Touch(func() *session.Session { s, _ := p.Sessions.Registry().List(context.Background(), ""); return s[0] }())
	if token, outcome := p.upstream(); token != "" || outcome.Reason != authenticator.ReasonSessionExpired {
		t.Errorf("%q %+v", token, outcome)
	}
}

// TestS23EarlierSession: S-23. A session that began before the site passed tokens on gets
// one at its first request.
func TestS23EarlierSession(t *testing.T) {
	for _, kind := range []string{AccessToken, IDToken} {
		p := newProvided(t, nil)
		p.signIn("/")
		if token, outcome := p.upstream(); token != "" || outcome.Verdict != authenticator.Accepted {
			t.Errorf("a site without upstream_token: %q %+v", token, outcome)
		}
		found, err := p.current()
		if err != nil || strings.Contains(string(found.Data), "access_token") {
			t.Errorf("%v: the access token is stored although no site passes it on", err)
		}
		p.oidc.Upstream = kind
		p.Sessions = p.sessions() // Caddy was reloaded
		if token, outcome := p.upstream(); token == "" || outcome.Verdict != authenticator.Accepted || p.fake.Seen("/token") != 2 {
			t.Errorf("%s: %q %+v after %d token requests", kind, token, outcome, p.fake.Seen("/token"))
		}
	}
}

// TestS23Together: S-23. Of many requests at once, after the token has expired, one
// refreshes it and all get the new one.
func TestS23Together(t *testing.T) {
	p := newProvided(t, nil)
	p.oidc.Upstream = AccessToken
	p.signIn("/")
	old, _ := p.upstream()
	p.advance(6 * time.Minute)
	found, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if token, outcome := p.upstreamOf(found); token == "" || token == old || outcome.Verdict != authenticator.Accepted {
				t.Errorf("%q %+v", token, outcome)
			}
		})
	}
	group.Wait()
	if got := p.fake.Seen("/token"); got != 2 {
		t.Errorf("%d token requests", got)
	}
}
