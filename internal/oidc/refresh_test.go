package oidc

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// TestRefresh: R-OID-10, OpenID Connect Core, section 12.2.
func TestRefresh(t *testing.T) {
	tests := []struct {
		name   string
		change func(*oidctest.Provider)
		status int  // of the failure, or 0
		whole  bool // there is an identity
	}{
		{"as it was", func(*oidctest.Provider) {}, 0, true},
		{"with other groups", func(p *oidctest.Provider) { p.Claims["groups"] = []string{"late"} }, 0, true},
		{"no ID token", func(p *oidctest.Provider) { p.Tokens = func(_ string, a map[string]any) { delete(a, "id_token") } }, 0, true},
		{"no new refresh token", func(p *oidctest.Provider) { p.Tokens = func(_ string, a map[string]any) { delete(a, "refresh_token") } }, 0, true},
		{"another user", func(p *oidctest.Provider) {
			p.IDToken = func(_ string, _, claims map[string]any) { claims["sub"] = "user-2" }
		}, 502, false},
		{"another audience", func(p *oidctest.Provider) {
			p.IDToken = func(_ string, _, claims map[string]any) { claims["aud"] = "other" }
		}, 502, false},
		{"another sign-in", func(p *oidctest.Provider) {
			p.IDToken = func(_ string, _, claims map[string]any) { claims["auth_time"] = 1 }
		}, 502, false},
		{"userinfo of another user", func(p *oidctest.Provider) { p.Userinfo = func(c map[string]any) { c["sub"] = "user-2" } }, 502, false},
		{"no ID token, userinfo of another user", func(p *oidctest.Provider) {
			p.Tokens = func(_ string, a map[string]any) { delete(a, "id_token") }
			p.Userinfo = func(c map[string]any) { c["sub"] = "user-2" }
		}, 502, false},
		{"out of reach", func(p *oidctest.Provider) { p.Down = true }, 503, false},
		{"our secret has changed", func(p *oidctest.Provider) { p.ClientSecret = "another" }, 503, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, nil)
			g := b.mustSignIn()
			if b.client.NeedsRefresh(g) {
				t.Error("due at once")
			}
			b.pass(6 * time.Minute)
			if !b.client.NeedsRefresh(g) {
				t.Error("not due when the tokens have expired")
			}
			b.fake.Set(test.change)
			renewed, err := b.client.Refresh(context.Background(), g)
			if test.status != 0 {
				failure(t, err, test.status)
				if b.client.NeedsRefresh(g) == (test.status == http.StatusServiceUnavailable) {
					t.Error("a provider that is out of reach is asked again at once")
				}
				return
			}
			if err != nil || (renewed.Identity != nil) != test.whole || renewed.RefreshToken == "" || renewed.Subject != "user-1" || renewed.AuthTime != g.AuthTime || b.client.NeedsRefresh(renewed) {
				t.Fatalf("got %+v, %v", renewed, err)
			}
			if test.name == "with other groups" && renewed.Identity.Groups[0] != "late" {
				t.Errorf("got %+v", renewed.Identity)
			}
		})
	}
}

// TestRefreshUsed: a refresh token that was used up or taken back means that the
// user is no longer signed in.
func TestRefreshUsed(t *testing.T) {
	b := newBench(t, nil)
	g := b.mustSignIn()
	renewed, err := b.client.Refresh(context.Background(), g)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.client.Refresh(context.Background(), g)
	if f := failure(t, err, http.StatusUnauthorized); strings.Contains(f.Error(), g.RefreshToken) {
		t.Errorf("the log gets %q", f)
	}
	if again, err := b.client.Refresh(context.Background(), renewed); err != nil || again.RefreshToken == renewed.RefreshToken {
		t.Errorf("the new one: %+v, %v", again, err)
	}
}

// TestRefreshHalf: when the provider took the refresh token and then failed, the
// new one is kept, and asked with soon.
func TestRefreshHalf(t *testing.T) {
	b := newBench(t, nil)
	g := b.mustSignIn()
	b.fake.Set(func(p *oidctest.Provider) {
		p.Tokens = func(string, map[string]any) { p.Set(func(p *oidctest.Provider) { p.Down = true }) }
	})
	half, err := b.client.Refresh(context.Background(), g)
	if err != nil || half.RefreshToken == g.RefreshToken || half.Identity != nil || b.client.NeedsRefresh(half) {
		t.Fatalf("got %+v, %v", half, err)
	}
	b.fake.Set(func(p *oidctest.Provider) { p.Down, p.Tokens = false, nil })
	if b.pass(time.Minute); !b.client.NeedsRefresh(half) {
		t.Error("not due")
	}
	if _, err := b.client.Refresh(context.Background(), half); err != nil {
		t.Error(err)
	}
}

// TestNoRefresh: without a refresh token nothing is ever due.
func TestNoRefresh(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Tokens = func(_ string, answer map[string]any) { delete(answer, "refresh_token") }
	g := b.mustSignIn()
	if b.pass(24 * time.Hour); b.client.NeedsRefresh(g) {
		t.Error("due")
	}
}

// TestEndSession: R-LO-2, OpenID Connect RP-Initiated Logout, section 2.
func TestEndSession(t *testing.T) {
	b := newBench(t, nil)
	if to := b.client.EndSessionURL(&Grant{}, "https://app.example.com/.policy_auth/logout", "s"); to != "" {
		t.Errorf("to %s, although nothing is known yet", to)
	}
	g := b.mustSignIn()
	u, err := url.Parse(b.client.EndSessionURL(g, "https://app.example.com/.policy_auth/logout", "s"))
	if err != nil || u.Path != "/end_session" {
		t.Fatalf("%v, %v", u, err)
	}
	q := u.Query()
	if q.Get("id_token_hint") != g.IDToken || q.Get("client_id") != b.fake.ClientID || q.Get("state") != "s" || q.Get("post_logout_redirect_uri") != "https://app.example.com/.policy_auth/logout" {
		t.Errorf("got %v", q)
	}
	c := newBench(t, nil)
	c.fake.Metadata = func(m map[string]any) { delete(m, "end_session_endpoint") }
	if to := c.client.EndSessionURL(c.mustSignIn(), "https://app.example.com/", "s"); to != "" {
		t.Errorf("to %s, although there is nothing", to)
	}
}

// TestLogoutToken: R-LO-3, and a provider that is down.
func TestLogoutToken(t *testing.T) {
	b := newBench(t, nil)
	logout, err := b.client.LogoutToken(context.Background(), b.fake.LogoutToken(nil))
	if err != nil || logout.SessionID != "session-1" || logout.Subject != "user-1" || logout.ID == "" {
		t.Errorf("got %+v, %v", logout, err)
	}
	for name, raw := range map[string]string{"nothing": "", "no token": "x.y.z", "an ID token": b.mustSignIn().IDToken} {
		_, err := b.client.LogoutToken(context.Background(), raw)
		if failure(t, err, http.StatusBadRequest) == nil {
			t.Error(name)
		}
	}
	c := newBench(t, nil)
	c.fake.Down = true
	_, err = c.client.LogoutToken(context.Background(), c.fake.LogoutToken(nil))
	failure(t, err, http.StatusServiceUnavailable)
}

// TestSignedUserinfo: an answer that is a token is verified like one.
func TestSignedUserinfo(t *testing.T) {
	b := newBench(t, nil)
	g := b.mustSignIn()
	m := b.client.current.Load()
	claims, err := m.verifier.ParseUserinfo([]byte(b.fake.SignToken(
		map[string]any{"alg": "RS256"}, map[string]any{"iss": b.fake.URL, "aud": b.fake.ClientID, "sub": g.Subject},
	)), true)
	if err != nil || claims["sub"] != g.Subject {
		t.Errorf("got %v, %v", claims, err)
	}
}

// TestUserinfoOff: the userinfo endpoint is left alone if told so, or if there is
// none.
func TestUserinfoOff(t *testing.T) {
	b := newBench(t, func(c *Config) { c.NoUserinfo = true })
	if g := b.mustSignIn(); g.Identity.Email != "" || b.fake.Seen("/userinfo") > 0 {
		t.Errorf("got %+v", g.Identity)
	}
	c := newBench(t, nil)
	c.fake.Metadata = func(m map[string]any) { delete(m, "userinfo_endpoint") }
	c.mustSignIn()
}
