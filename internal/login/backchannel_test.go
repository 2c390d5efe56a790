package login

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// notify sends a logout token as a provider does: without cookies, from anywhere.
func (p *provided) notify(raw string) *httptest.ResponseRecorder {
	p.t.Helper()
	cookies := p.cookies
	p.cookies = map[string]string{}
	defer func() { p.cookies = cookies }()
	return p.visit("POST", BackchannelPath+"id", url.Values{"logout_token": {raw}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
}

// TestBackchannel: R-LO-4, R-LO-5, T-38. The sessions that a token means end, and
// no others.
func TestBackchannel(t *testing.T) {
	tests := map[string]struct {
		change func(header, claims map[string]any)
		sid    string // of the session
		ends   bool
	}{
		"the session":                     {nil, "session-1", true},
		"the session, without its user":   {func(_, c map[string]any) { delete(c, "sub") }, "session-1", true},
		"the user":                        {func(_, c map[string]any) { delete(c, "sid") }, "session-1", true},
		"the user, of a nameless session": {nil, "", true},
		"another session of the user":     {func(_, c map[string]any) { c["sid"] = "session-2" }, "session-1", false},
		"another session":                 {func(_, c map[string]any) { c["sid"] = "session-2"; delete(c, "sub") }, "session-1", false},
		"another user":                    {func(_, c map[string]any) { c["sub"] = "user-2"; delete(c, "sid") }, "session-1", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newProvided(t, func(c *oidc.Config) { c.Map = map[string][]string{"id": {"email"}} })
			p.fake.IDToken = func(_ string, _, claims map[string]any) {
				if claims["sid"] = test.sid; test.sid == "" {
					delete(claims, "sid")
				}
			}
			p.signIn("/")
			answer := p.notify(p.fake.LogoutToken(test.change))
			if answer.Code != 200 || answer.Body.Len() > 0 || answer.Header().Get("Cache-Control") != "no-store" || len(answer.Result().Cookies()) > 0 {
				t.Errorf("%d %v %s", answer.Code, answer.Header(), answer.Body)
			}
			if _, err := p.current(); (err != nil) != test.ends {
				t.Errorf("the session: %v", err)
			}
			if e := p.lastEvent(); (e.Kind == SignedOut) != test.ends {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// TestS17Backchannel: a notice about a subject leaves the sessions of another person with
// the same ID, of another login and of another issuer.
func TestS17Backchannel(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	signedIn, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	keep := []person.Person{
		{Login: signedIn.Person.Login, Issuer: signedIn.Person.Issuer, Subject: "user-2"},
		{Login: "form", Issuer: signedIn.Person.Issuer, Subject: "user-1"},
		{Login: signedIn.Person.Login, Issuer: "https://other.example", Subject: "user-1"},
	}
	for _, other := range keep {
		record := session.Record{Person: other, Identity: signedIn.Identity}
		if _, err := p.Sessions.Start(t.Context(), httptest.NewRecorder(), httptest.NewRequest("GET", origin+"/", nil), true, record); err != nil {
			t.Fatal(err)
		}
	}
	if answer := p.notify(p.fake.LogoutToken(func(_, claims map[string]any) { delete(claims, "sid") })); answer.Code != 200 {
		t.Fatal(answer.Code)
	}
	if _, err := p.current(); err == nil {
		t.Error("the session goes on")
	}
	for _, other := range keep {
		if found, err := p.Sessions.Registry().ListByPerson(t.Context(), other); len(found) != 1 || err != nil {
			t.Errorf("%v: %d sessions, %v", other, len(found), err)
		}
	}
}

// TestBackchannelRefused: R-LO-3, R-LO-4. What ends nothing is answered with 400
// and an error, and tells nobody more.
func TestBackchannelRefused(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	good := p.fake.LogoutToken(nil)
	tests := map[string]string{
		"none":            "",
		"no token":        "x",
		"alg none":        p.fake.LogoutToken(func(header, _ map[string]any) { header["alg"] = "none" }),
		"no event":        p.fake.LogoutToken(func(_, claims map[string]any) { delete(claims, "events") }),
		"a nonce":         p.fake.LogoutToken(func(_, claims map[string]any) { claims["nonce"] = "n" }),
		"another client":  p.fake.LogoutToken(func(_, claims map[string]any) { claims["aud"] = "other" }),
		"another issuer":  p.fake.LogoutToken(func(_, claims map[string]any) { claims["iss"] = "https://evil.example" }),
		"another type":    p.fake.LogoutToken(func(header, _ map[string]any) { header["typ"] = "at+jwt" }),
		"an old one":      p.fake.LogoutToken(func(_, claims map[string]any) { claims["exp"] = 1_700_000_000 }),
		"by somebody":     oidctest.Sign(oidctest.NewKey("RS256").Private, map[string]any{"alg": "RS256"}, map[string]any{}),
		"the good, twice": good + good,
	}
	for name, raw := range tests {
		answer := p.notify(raw)
		if answer.Code != 400 || answer.Body.String() != "{\"error\":\"invalid_request\"}\n" || answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", name, answer.Code, answer.Header(), answer.Body)
		}
	}
	if _, err := p.current(); err != nil {
		t.Fatal("a refused token has ended the session")
	}
	if answer := p.notify(good); answer.Code != 200 {
		t.Errorf("the good one: %d", answer.Code)
	}
	if p.signIn("/"); p.notify(good).Code != 400 {
		t.Error("a second time")
	}
	if _, err := p.current(); err != nil {
		t.Error("a replay has ended the next session")
	}
}

// stuck is a store that ends nothing while it is stuck, as one that is out of
// reach for a moment.
type stuck struct {
	store.Store
	until int // so many sessions are not ended
}

func (s *stuck) Delete(ctx context.Context, keys ...string) error {
	if strings.HasPrefix(keys[0], "session.") && s.until > 0 {
		s.until--
		return store.ErrUnavailable
	}
	return s.Store.Delete(ctx, keys...)
}

// TestBackchannelAgain: R-LO-3, R-LO-5. A notice that could not end everything is
// not used up: the provider sends it again, and then the sessions end.
func TestBackchannelAgain(t *testing.T) {
	p := newProvided(t, nil)
	p.store, p.cookies = nil, map[string]string{}
	in := &stuck{Store: store.NewMemory(func() time.Time { return p.now }), until: 1}
	var err error
	p.Sessions, err = session.New(session.NewRegistry(in, store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)), session.Config{Logins: []string{p.oidc.ID()}, Now: func() time.Time { return p.now }})
	if err != nil {
		t.Fatal(err)
	}
	p.signIn("/")
	notice := p.fake.LogoutToken(nil)
	for _, want := range []int{503, 200, 400} {
		if answer := p.notify(notice); answer.Code != want {
			t.Errorf("%d, want %d", answer.Code, want)
		}
		if _, err := p.current(); (err == nil) != (want == 503) {
			t.Errorf("after %d, the session: %v", want, err)
		}
	}
}

// TestBackchannelForms: only a POST of one token in a form counts; who sends too
// many has to wait, and a provider that is down makes nobody's token bad.
//
// R-LO-3, R-LO-4
func TestBackchannelForms(t *testing.T) {
	p := newProvided(t, nil)
	if answer := p.visit("GET", BackchannelPath+"id", nil); answer.Code != 405 || answer.Header().Get("Allow") != "POST" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	good := p.fake.LogoutToken(nil)
	for name, answer := range map[string]*httptest.ResponseRecorder{
		"JSON":       p.visit("POST", BackchannelPath+"id", url.Values{"logout_token": {good}}, "Content-Type", "application/json"),
		"two":        p.visit("POST", BackchannelPath+"id", url.Values{"logout_token": {good, good}}),
		"the query":  p.visit("POST", BackchannelPath+"id?logout_token="+good, url.Values{}),
		"a long one": p.visit("POST", BackchannelPath+"id", url.Values{"logout_token": {strings.Repeat("x", maxFormBytes)}}),
	} {
		if answer.Code != 400 {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
	down := newProvided(t, nil)
	down.fake.Down = true
	if answer := down.notify(good); answer.Code != 503 || answer.Header().Get("Retry-After") == "" {
		t.Errorf("down: %d %v", answer.Code, answer.Header())
	}
	for range maxLogoutTokens {
		p.notify("x")
	}
	if answer := p.notify(p.fake.LogoutToken(nil)); answer.Code != 429 || answer.Header().Get("Retry-After") != "60" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	r := httptest.NewRequest("POST", origin+"/", nil)
	v := p.visitOf(httptest.NewRecorder(), r)
	for _, path := range []string{BackchannelPath, BackchannelPath + "form", BackchannelPath + "id/"} {
		if v.Path = path; p.Serve(v) {
			t.Errorf("%s is a page", path)
		}
	}
}

// TestConformance plays the modules of the OpenID Foundation's suite for relying
// parties that need a browser's session, each by its name; internal/oidc holds the
// others.
func TestConformance(t *testing.T) {
	// signOut signs out here and at the provider, and returns where that sends the
	// browser.
	signOut := func(p *provided) string {
		p.t.Helper()
		p.signIn("/")
		answer := p.visit("POST", LogoutPath, nil)
		if _, err := p.current(); err == nil || answer.Code != 303 {
			p.t.Fatalf("still signed in, or %d", answer.Code)
		}
		return p.follow(answer.Header().Get("Location"))
	}
	// R-LO-2
	t.Run("oidcc-client-test-rp-init-logout", func(t *testing.T) {
		p := newProvided(t, nil)
		back := signOut(p)
		out := p.fake.SignOuts()[0]
		if out.Get("client_id") != p.fake.ClientID || !strings.HasPrefix(out.Get("id_token_hint"), "eyJ") || out.Get("post_logout_redirect_uri") != origin+"/.policy_auth/callback/id" {
			t.Errorf("signed out with %v", out)
		}
		if answer := p.visit("GET", back, nil); answer.Code != 303 || answer.Header().Get("Location") != LogoutPath {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
		if body := p.visit("GET", LogoutPath, nil).Body.String(); !strings.Contains(body, "Signed out") {
			t.Error(body)
		}
		if answer := p.visit("GET", back, nil); answer.Code != 400 {
			t.Errorf("the same state twice: %d", answer.Code)
		}
	})
	t.Run("oidcc-client-test-rp-init-logout-other-state", func(t *testing.T) {
		p := newProvided(t, nil)
		signOut(p)
		if answer := p.visit("GET", CallbackPath+"id?state="+randomToken(), nil); answer.Code != 400 {
			t.Errorf("%d", answer.Code)
		}
	})
	t.Run("oidcc-client-test-rp-init-logout-no-state", func(t *testing.T) {
		p := newProvided(t, nil)
		signOut(p)
		if answer := p.visit("GET", CallbackPath+"id", nil); answer.Code != 400 {
			t.Errorf("%d", answer.Code)
		}
	})
	t.Run("oidcc-client-test-rp-backchannel-rpinitlogout", func(t *testing.T) {
		p := newProvided(t, nil)
		back := signOut(p)
		if answer := p.notify(p.fake.LogoutToken(nil)); answer.Code != 200 { // no session is left
			t.Errorf("%d", answer.Code)
		}
		if answer := p.visit("GET", back, nil); answer.Code != 303 {
			t.Errorf("%d", answer.Code)
		}
	})
	// R-OID-17: off.
	t.Run("oidcc-client-test-3rd-party-init-login", func(t *testing.T) {
		p := newProvided(t, nil)
		answer := p.visit("GET", LoginPath+"?iss=https%3A%2F%2Fevil.example&target_link_uri=https%3A%2F%2Fevil.example&login_hint=x", nil)
		if to := answer.Header().Get("Location"); !strings.HasPrefix(to, p.fake.URL+"/authorize?") || strings.Contains(to, "evil") || strings.Contains(to, "login_hint") {
			t.Errorf("sent to %s", to)
		}
		if answer := p.visit("GET", p.follow(answer.Header().Get("Location")), nil); answer.Header().Get("Location") != "/" {
			t.Errorf("led back to %v", answer.Header())
		}
	})
	// R-OID-13: not requested.
	t.Run("oidcc-client-test-form-post-error", func(t *testing.T) {
		p := newProvided(t, nil)
		p.begin(LoginPath)
		if p.fake.Asked()[0].Has("response_mode") {
			t.Error("asked for a form")
		}
		if answer := p.visit("POST", CallbackPath+"id", url.Values{"error": {"login_required"}}); answer.Code != 405 {
			t.Errorf("%d", answer.Code)
		}
	})
}

// TestSignOutPolicy: browsers hold the way from the sign-out page's button to the
// provider to the page's own policy; other pages' forms lead nowhere else.
func TestSignOutPolicy(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	if got := p.visit("GET", LogoutPath, nil).Header().Get("Content-Security-Policy"); !strings.Contains(got, "form-action 'self' https: http:;") {
		t.Error(got)
	}
	p.visit("POST", LogoutPath, nil)
	if got := p.visit("GET", LogoutPath, nil).Header().Get("Content-Security-Policy"); !strings.Contains(got, "form-action 'self';") {
		t.Error(got)
	}
}

// TestLogoutLocal: people stay signed in at the provider if the operator says so,
// or if there is no page to sign out on.
func TestLogoutLocal(t *testing.T) {
	p := newProvided(t, nil)
	p.oidc.LocalLogout = true
	p.signIn("/")
	if answer := p.visit("POST", LogoutPath, nil); answer.Header().Get("Location") != LogoutPath {
		t.Errorf("%v", answer.Header())
	}
	q := newProvided(t, nil)
	q.fake.Metadata = func(m map[string]any) { delete(m, "end_session_endpoint") }
	q.signIn("/")
	if answer := q.visit("POST", LogoutPath, nil); answer.Header().Get("Location") != LogoutPath {
		t.Errorf("%v", answer.Header())
	}
}
