package login

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// vouch asks whose the browser's session is now.
func (p *provided) vouch() authenticator.Outcome {
	p.t.Helper()
	found, err := p.current()
	if err != nil {
		return authenticator.Outcome{Reason: authenticator.ReasonSessionRevoked}
	}
	return p.oidc.Revalidate(context.Background(), p.Sessions, found)
}

// TestRefresh: R-OID-10. Once its tokens have expired, a session is what the
// provider says of its user now; a provider that is out of reach says nothing.
func TestRefresh(t *testing.T) {
	deleteIDToken := func(_ string, answer map[string]any) { delete(answer, "id_token") }
	tests := map[string]struct {
		change func(*oidctest.Provider)
		groups int // of the identity; -1 for a session that is ended
	}{
		"as it was":     {func(*oidctest.Provider) {}, 0},
		"another group": {func(f *oidctest.Provider) { f.Claims["groups"] = []string{"late"} }, 1},
		"no ID token":   {func(f *oidctest.Provider) { f.Tokens = deleteIDToken; f.Claims["groups"] = []string{"late"} }, 1},
		"another user":  {func(f *oidctest.Provider) { f.IDToken = func(_ string, _, c map[string]any) { c["sub"] = "user-2" } }, -1},
		"another issuer": {func(f *oidctest.Provider) {
			f.IDToken = func(_ string, _, c map[string]any) { c["iss"] = "https://evil.example" }
		}, -1},
		"a forged token":    {func(f *oidctest.Provider) { f.Sign = forged }, -1},
		"userinfo of other": {func(f *oidctest.Provider) { f.Userinfo = func(c map[string]any) { c["sub"] = "user-2" } }, -1},
		"out of reach":      {func(f *oidctest.Provider) { f.Down = true }, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newProvided(t, nil)
			p.signIn("/")
			if outcome := p.vouch(); outcome.Verdict != authenticator.Accepted || p.fake.Seen("/token") != 1 {
				t.Fatalf("%+v", outcome)
			}
			p.advance(6 * time.Minute)
			p.fake.Set(test.change)
			outcome := p.vouch()
			if test.groups < 0 {
				if _, err := p.current(); outcome.Verdict != authenticator.Rejected || outcome.Reason != authenticator.ReasonSessionRevoked || err == nil {
					t.Errorf("%+v; the session: %v", outcome, err)
				}
				return
			}
			if outcome.Verdict != authenticator.Accepted || len(outcome.Identity.Groups) != test.groups || outcome.Identity.Method != "session" {
				t.Errorf("%+v", outcome)
			}
		})
	}
}

// TestRefreshAgain: a refresh token that was rotated is used the next time, and one
// that the provider has taken back ends the session.
func TestRefreshAgain(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	for i := range 3 {
		p.advance(6 * time.Minute)
		if outcome := p.vouch(); outcome.Verdict != authenticator.Accepted || p.fake.Seen("/token") != i+2 {
			t.Fatalf("%d: %+v after %d token requests", i, outcome, p.fake.Seen("/token"))
		}
	}
	p.fake.Forget()
	p.advance(6 * time.Minute)
	if outcome := p.vouch(); outcome.Reason != authenticator.ReasonSessionRevoked {
		t.Errorf("%+v", outcome)
	}
}

// TestRefreshOnce: R-OID-10. Of many requests at once one refreshes, and all go on.
func TestRefreshOnce(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	p.advance(6 * time.Minute)
	found, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if outcome := p.oidc.Revalidate(context.Background(), p.Sessions, found); outcome.Verdict != authenticator.Accepted {
				t.Errorf("%+v", outcome)
			}
		})
	}
	group.Wait()
	if got := p.fake.Seen("/token"); got != 2 {
		t.Errorf("%d token requests", got)
	}
}

// TestRefreshLeft: who goes away while a session is refreshed does not break it.
func TestRefreshLeft(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	p.advance(6 * time.Minute)
	found, _ := p.current()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if outcome := p.oidc.Revalidate(ctx, p.Sessions, found); outcome.Verdict != authenticator.Accepted || p.fake.Seen("/token") != 2 {
		t.Errorf("%+v", outcome)
	}
	p.advance(6 * time.Minute)
	if outcome := p.vouch(); outcome.Verdict != authenticator.Accepted || p.fake.Seen("/token") != 3 {
		t.Errorf("%+v", outcome)
	}
}

// TestGrant: what a session keeps is read again, and nothing else.
func TestGrant(t *testing.T) {
	for _, data := range [][]byte{nil, {1}, []byte("01234567"), []byte("01234567{"), []byte("01234567[]")} {
		if _, err := decodeGrant(data); err == nil {
			t.Errorf("%q is a grant", data)
		}
		needsRefresh(data, time.Now())
	}
}

// BenchmarkRevalidate: what a request costs whose session is not due.
func BenchmarkRevalidate(b *testing.B) {
	p := newProvided(b, nil)
	p.signIn("/")
	found, err := p.current()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.oidc.Revalidate(context.Background(), p.Sessions, found)
	}
}
