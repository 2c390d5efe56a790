package login

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// newLimited is a site with a provider and max_auth_age 1h, at which the user has just
// signed in. The provider keeps its own session of the user: auth_time stays, unless
// the request has a max_age that it exceeds.
func newLimited(t *testing.T, change func(*oidc.Config)) *provided {
	t.Helper()
	p := newProvided(t, change)
	p.limit(time.Hour)
	signedIn := p.time()
	p.fake.IDToken = func(grant string, _, claims map[string]any) {
		asked := p.fake.Asked()
		maxAge, err := time.ParseDuration(asked[len(asked)-1].Get("max_age") + "s")
		if grant != "authorization_code" {
			return
		}
		if err == nil && p.time().Sub(signedIn) > maxAge {
			signedIn = p.time()
		}
		claims["auth_time"] = signedIn.Unix()
	}
	if answer := p.signIn("/"); answer.Header().Get("Location") != "/" {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return p
}

// limit gives the env's site another max_auth_age.
func (w *env) limit(age time.Duration) {
	w.t.Helper()
	var ids []string
	for _, m := range w.Methods {
		ids = append(ids, m.ID())
	}
	sessions, err := session.New(w.Sessions.Registry(), session.Config{Logins: ids, Now: w.time, MaxAuthAge: age, Idle: 10 * time.Hour})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Sessions = sessions
}

// lastAsked is the last authorization request.
func (p *provided) lastAsked() url.Values {
	asked := p.fake.Asked()
	return asked[len(asked)-1]
}

// A session ends an hour after the sign-in at the provider, which is then asked for a
// recent one, and the new session lasts an hour again (R-SES-4).
func TestMaxAuthAge(t *testing.T) {
	p := newLimited(t, nil)
	if got := p.lastAsked().Get("max_age"); got != "3600" {
		t.Errorf("asked with max_age %q", got)
	}
	if p.advance(time.Hour - time.Second); p.currentError() != nil {
		t.Errorf("just in time: %v", p.currentError())
	}
	if p.advance(3 * time.Second); !errors.Is(p.currentError(), session.ErrExpired) {
		t.Errorf("an hour later: %v", p.currentError())
	}
	if answer := p.signIn("/mail"); answer.Header().Get("Location") != "/mail" {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if found, err := p.current(); err != nil || found.Identity.AuthTime != p.time().Unix() || found.Identity.ExpiresAt != p.time().Add(time.Hour).Unix() {
		t.Errorf("%+v, %v", found, err)
	}
}

func (w *env) currentError() error {
	_, err := w.current()
	return err
}

// The lower age counts, of max_auth_age and of a step-up; the transaction keeps the
// step-up alone, so that other sign-ins are not taken for one (S-31).
func TestMaxAuthAgeStepUp(t *testing.T) {
	p := newLimited(t, nil)
	for asked, want := range map[string]string{"": "3600", "0": "0", "300": "300", "7200": "3600"} {
		query := url.Values{}
		if asked != "" {
			query.Set("max_age", asked)
		}
		p.begin(p.URL("/", "", query))
		if got := p.lastAsked().Get("max_age"); got != want {
			t.Errorf("max_age %q: asked with %q", asked, got)
		}
	}
	delete(p.cookies, "__Host-policy_auth")
	one, other := p.begin(p.URL("/one", "", nil)), p.begin(p.URL("/other", "", nil))
	p.visit("GET", one, nil)
	first, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	p.visit("GET", other, nil)
	if second, err := p.current(); err != nil || second.ID != first.ID {
		t.Errorf("the second tab began another session: %v", err)
	}
}

// A provider that sends no auth_time, or an old one, although max_age was requested, is
// not believed: a page says so, and nothing redirects (OpenID Connect Core, section
// 3.1.3.7, item 13; R-OID-15).
func TestMaxAuthAgeUnmet(t *testing.T) {
	for name, authTime := range map[string]any{"none": nil, "old": 1_800_000_000 - 7200} {
		p := newProvided(t, nil)
		p.limit(time.Hour)
		p.fake.IDToken = func(_ string, _, claims map[string]any) {
			if claims["auth_time"] = authTime; authTime == nil {
				delete(claims, "auth_time")
			}
		}
		answer := p.signIn("/mail")
		if e := p.lastEvent(); answer.Code != 403 || answer.Header().Get("Location") != "" || e.Reason != authenticator.ReasonStepUpRequired {
			t.Errorf("%s: %d %v, event %+v", name, answer.Code, answer.Header(), e)
		}
		if p.currentError() == nil {
			t.Errorf("%s: there is a session", name)
		}
	}
}

// A provider whose clock is behind considers a sign-in recent that is too old here. It
// is asked once more, for a new one, and never a third time (R-OID-15).
func TestMaxAuthAgeClockBehind(t *testing.T) {
	p := newProvided(t, nil)
	p.limit(time.Hour)
	age := time.Hour + 10*time.Second
	p.fake.IDToken = func(_ string, _, claims map[string]any) {
		if p.lastAsked().Get("max_age") != "0" {
			claims["auth_time"] = p.time().Add(-age).Unix()
		}
	}
	again := p.signIn("/mail")
	to := again.Header().Get("Location")
	if query, err := url.Parse(to); again.Code != 303 || err != nil || query.Query().Get("max_age") != "0" {
		t.Fatalf("%d %s %s", again.Code, to, again.Body)
	}
	if answer := p.visit("GET", p.follow(to), nil); answer.Header().Get("Location") != "/mail" || p.currentError() != nil {
		t.Errorf("%d %s, %v", answer.Code, answer.Body, p.currentError())
	}

	p.limit(time.Minute) // as much as the leeway, so that max_age=0 does not help either
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["auth_time"] = p.time().Add(-time.Minute).Unix() }
	delete(p.cookies, "__Host-policy_auth")
	to = p.signIn("/mail").Header().Get("Location")
	answer := p.visit("GET", p.follow(to), nil)
	if e := p.lastEvent(); answer.Code != 403 || answer.Header().Get("Location") != "" || e.Reason != authenticator.ReasonStepUpRequired || p.currentError() == nil {
		t.Errorf("%d %v, event %+v", answer.Code, answer.Header(), e)
	}
}

// A provider that was asked silently and has to talk to the user is asked again for the
// same age.
func TestMaxAuthAgeSilently(t *testing.T) {
	p := newLimited(t, func(c *oidc.Config) { c.Prompt = []string{"none"} })
	p.advance(2 * time.Hour)
	p.fake.Answer = func(asked, answer url.Values) {
		if asked.Get("prompt") == "none" {
			answer.Set("error", "login_required")
		}
	}
	to := p.signIn("/mail").Header().Get("Location")
	if answer := p.visit("GET", p.follow(to), nil); answer.Header().Get("Location") != "/mail" || p.currentError() != nil {
		t.Errorf("%d %s, %v", answer.Code, answer.Body, p.currentError())
	}
	if got := p.lastAsked(); got.Get("max_age") != "3600" || got.Has("prompt") {
		t.Errorf("asked with %v", got)
	}
}

// A second try keeps the requirements of the page alone: max_auth_age does not make it a
// step-up, which would begin another session in each tab (S-31).
func TestMaxAuthAgeSilentTabs(t *testing.T) {
	p := newLimited(t, func(c *oidc.Config) { c.Prompt = []string{"none"} })
	p.fake.Answer = func(asked, answer url.Values) {
		if asked.Get("prompt") == "none" {
			answer.Set("error", "login_required")
		}
	}
	delete(p.cookies, "__Host-policy_auth")
	one, other := p.signIn("/one").Header().Get("Location"), p.signIn("/other").Header().Get("Location")
	p.visit("GET", p.follow(one), nil)
	first, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	if answer := p.visit("GET", p.follow(other), nil); answer.Header().Get("Location") != "/other" {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if second, err := p.current(); err != nil || second.ID != first.ID {
		t.Errorf("the second tab began another session: %v", err)
	}
}

// With a form, the time of the password counts.
func TestMaxAuthAgeForm(t *testing.T) {
	w := newEnv(t)
	w.limit(time.Hour)
	for range 2 {
		if answer := w.signIn("alice", password, "/mail"); answer.Header().Get("Location") != "/mail" || w.currentError() != nil {
			t.Fatalf("%d %s, %v", answer.Code, answer.Body, w.currentError())
		}
		if w.advance(time.Hour - time.Second); w.currentError() != nil {
			t.Errorf("just in time: %v", w.currentError())
		}
		if w.advance(time.Second); !errors.Is(w.currentError(), session.ErrExpired) {
			t.Errorf("an hour later: %v", w.currentError())
		}
	}
}
