package login

import (
	"errors"
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// withPasswords gives a site app passwords.
func (w *env) withPasswords(config apppassword.Config) *env {
	config.Now = w.time
	seal := store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)
	w.AppPasswords = apppassword.New(apppassword.NewRegistry(w.store, seal), config)
	for _, m := range w.Methods {
		if o, ok := m.(*OIDC); ok {
			o.AppPasswords = w.AppPasswords
		}
	}
	return w
}

var (
	secretForm = regexp.MustCompile(`id="secret">([^<]+)<`)
	handleForm = regexp.MustCompile(`name="id" value="([^"]+)"`)
)

// submit posts a form of the page of app passwords as a browser does.
func (w *env) submit(values url.Values, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	page := w.visit("GET", AppPasswordsPath, nil).Body.String()
	if token := tokenForm.FindStringSubmatch(page); token != nil && !values.Has("token") {
		values.Set("token", token[1])
	}
	return w.visit("POST", AppPasswordsPath, values, append([]string{"Sec-Fetch-Mode", "navigate"}, header...)...)
}

// makePassword makes an app password and returns it.
func (w *env) makePassword(scopes ...string) string {
	w.t.Helper()
	answer := w.submit(url.Values{"action": {"create"}, "name": {"phone"}, "scope": scopes})
	secret := secretForm.FindStringSubmatch(answer.Body.String())
	if secret == nil {
		w.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return secret[1]
}

// use presents an app password, and returns its owner as the login says.
func (w *env) use(secret string) authenticator.Outcome {
	w.t.Helper()
	_, h, err := w.AppPasswords.Verify(w.t.Context(), secret, "app.example.com")
	if errors.Is(err, apppassword.ErrUnknown) {
		return authenticator.Reject(authenticator.ReasonCredentialsInvalid)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	outcome := w.Methods[0].RevalidateHolder(w.t.Context(), w.Sessions, w.AppPasswords, h)
	if outcome.Verdict == authenticator.Rejected {
		if err := w.AppPasswords.EndHolder(w.t.Context(), h); err != nil {
			w.t.Fatal(err)
		}
	}
	return outcome
}

func (w *env) works(secret string) bool { return w.use(secret).Verdict == authenticator.Accepted }

// TestS18Page: a person who has just signed in makes an app password, sees it once, and
// revokes it.
func TestS18Page(t *testing.T) {
	w := newEnv(t).withPasswords(apppassword.Config{Scopes: []string{"read", "write"}})
	w.signIn("alice", password, AppPasswordsPath)
	answer := w.submit(url.Values{"action": {"create"}, "name": {`<script>alert("x")</script>{{x}}`}, "scope": {"write"}})
	page, h := answer.Body.String(), answer.Header()
	secret := secretForm.FindStringSubmatch(page)
	if answer.Code != 200 || secret == nil || h.Get("Cache-Control") != "no-store" || strings.Contains(page, "<script") || strings.Contains(page, "{{") {
		t.Fatalf("%d %v %s", answer.Code, h, page)
	}
	if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || h.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("%v", h)
	}
	if outcome := w.use(secret[1]); outcome.Verdict != authenticator.Accepted || outcome.Identity.ID != "alice" {
		t.Errorf("%+v", outcome)
	}
	if e := w.lastEvent(); e.Kind != AppPasswordMade || len(e.Details) != 1 || strings.Contains(secret[1], "_"+e.Details[0].Value+"_") == false {
		t.Errorf("%+v", e)
	}
	list := w.visit("GET", AppPasswordsPath, nil).Body.String()
	if strings.Contains(list, secret[1]) || !strings.Contains(list, html.EscapeString("<script>alert(")) || !strings.Contains(list, "write") {
		t.Errorf("%s", list)
	}
	handle := handleForm.FindStringSubmatch(list)
	if gone := w.submit(url.Values{"action": {"revoke"}, "id": {handle[1]}}); gone.Code != 303 || gone.Header().Get("Location") != AppPasswordsPath || w.works(secret[1]) {
		t.Errorf("%d %v", gone.Code, gone.Header())
	}
	if e := w.lastEvent(); e.Kind != AppPasswordRevoked {
		t.Errorf("%+v", e)
	}
	if again := w.submit(url.Values{"action": {"revoke"}, "id": {handle[1]}}); again.Code != 303 {
		t.Errorf("a second time: %d", again.Code)
	}
	for _, e := range w.events {
		for _, d := range e.Details {
			if strings.Contains(d.Value, secret[1][len(secret[1])-20:]) {
				t.Errorf("the log has it: %+v", e)
			}
		}
	}
}

// TestS18PageRefused: what no form of a person who has just signed in sends makes nothing.
func TestS18PageRefused(t *testing.T) {
	making := func() url.Values { return url.Values{"action": {"create"}, "name": {"phone"}} }
	tests := map[string]struct {
		ask    func(*env) *httptest.ResponseRecorder
		status int
	}{
		"a script":        {func(w *env) *httptest.ResponseRecorder { return w.submit(making(), "Sec-Fetch-Mode", "cors") }, 403},
		"another site":    {func(w *env) *httptest.ResponseRecorder { return w.submit(making(), "Sec-Fetch-Site", "cross-site") }, 403},
		"a subdomain":     {func(w *env) *httptest.ResponseRecorder { return w.submit(making(), "Sec-Fetch-Site", "same-site") }, 403},
		"typed in":        {func(w *env) *httptest.ResponseRecorder { return w.submit(making(), "Sec-Fetch-Site", "none") }, 403},
		"an old browser":  {func(w *env) *httptest.ResponseRecorder { return w.submit(making(), "Sec-Fetch-Mode", "") }, 403},
		"no token":        {func(w *env) *httptest.ResponseRecorder { v := making(); v.Set("token", ""); return w.submit(v) }, 400},
		"no form":         {func(w *env) *httptest.ResponseRecorder { return w.submit(making(), "Content-Type", "text/plain") }, 400},
		"no action":       {func(w *env) *httptest.ResponseRecorder { return w.submit(url.Values{"name": {"phone"}}) }, 400},
		"a foreign scope": {func(w *env) *httptest.ResponseRecorder { v := making(); v.Set("scope", "admin"); return w.submit(v) }, 400},
		"a long name": {func(w *env) *httptest.ResponseRecorder {
			v := making()
			v.Set("name", strings.Repeat("a", 10<<10))
			return w.submit(v)
		}, 400},
		"a form of 1 MiB": {func(w *env) *httptest.ResponseRecorder {
			v := making()
			v.Set("name", strings.Repeat("a", 1<<20))
			return w.submit(v)
		}, 400},
		"a method": {func(w *env) *httptest.ResponseRecorder { return w.visit("PUT", AppPasswordsPath, nil) }, 405},
		"six minutes after the sign-in": {func(w *env) *httptest.ResponseRecorder {
			v := making()
			v.Set("token", tokenForm.FindStringSubmatch(w.visit("GET", AppPasswordsPath, nil).Body.String())[1])
			w.advance(6 * time.Minute)
			return w.submit(v)
		}, 303},
		"a sign-in in the future": {func(w *env) *httptest.ResponseRecorder {
			v := making()
			v.Set("token", tokenForm.FindStringSubmatch(w.visit("GET", AppPasswordsPath, nil).Body.String())[1])
			w.advance(-2 * time.Minute)
			return w.submit(v)
		}, 303},
		"without a session": {func(w *env) *httptest.ResponseRecorder { w.cookies = map[string]string{}; return w.submit(making()) }, 401},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t).withPasswords(apppassword.Config{Scopes: []string{"read"}})
			w.signIn("alice", password, AppPasswordsPath)
			found, err := w.current()
			if err != nil {
				t.Fatal(err)
			}
			if answer := test.ask(w); answer.Code != test.status || secretForm.MatchString(answer.Body.String()) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
			if list, err := w.AppPasswords.Of(t.Context(), found.Person, found.Site); len(list) != 0 || err != nil {
				t.Errorf("made: %v, %v", list, err)
			}
		})
	}
}

// TestS18PageSignsIn: a browser without a session, or with one of more than five minutes,
// signs in and comes back to the page.
func TestS18PageSignsIn(t *testing.T) {
	w := newEnv(t).withPasswords(apppassword.Config{})
	answer := w.visit("GET", AppPasswordsPath, nil, "Sec-Fetch-Mode", "navigate")
	if want := LoginPath + "?return_to=" + url.QueryEscape(AppPasswordsPath); answer.Code != 303 || answer.Header().Get("Location") != want {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	if in := w.signIn("alice", password, AppPasswordsPath); in.Header().Get("Location") != AppPasswordsPath {
		t.Errorf("%v", in.Header())
	}
	if script := w.visit("GET", AppPasswordsPath, nil, "Authorization", "Bearer x"); script.Code != 200 {
		t.Errorf("%d", script.Code)
	}
	w.advance(6 * time.Minute)
	page := html.UnescapeString(w.visit("GET", AppPasswordsPath, nil).Body.String())
	if !strings.Contains(page, LoginPath+"?max_age=0&return_to=") || strings.Contains(page, `value="create"`) {
		t.Errorf("%s", page)
	}
	w.cookies = map[string]string{}
	if script := w.visit("GET", AppPasswordsPath, nil, "Authorization", "Bearer pa_x", "Sec-Fetch-Mode", "cors"); script.Code != 401 || len(script.Header()["Www-Authenticate"]) == 0 {
		t.Errorf("%d %v", script.Code, script.Header())
	}
	for _, target := range []string{AppPasswordsPath + "?x", AppPasswordsPath + "/", "/.policy_auth/app_passwords/../logout"} {
		if got := SanitizeReturnTo(target); got != "/" {
			t.Errorf("%s: %s", target, got)
		}
	}
}

// TestS18PageTwice: two submits at once make no more than max, and say so.
func TestS18PageTwice(t *testing.T) {
	w := newEnv(t).withPasswords(apppassword.Config{Max: 1})
	w.signIn("alice", password, AppPasswordsPath)
	token := tokenForm.FindStringSubmatch(w.visit("GET", AppPasswordsPath, nil).Body.String())[1]
	w.Report = discard
	var mu sync.Mutex
	var wait sync.WaitGroup
	var statuses []int
	for range 4 {
		wait.Go(func() {
			r := httptest.NewRequest("POST", origin+AppPasswordsPath, strings.NewReader(url.Values{"action": {"create"}, "name": {"phone"}, "token": {token}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			for name, value := range w.cookies {
				r.Header.Add("Cookie", name+"="+value)
			}
			answer := httptest.NewRecorder()
			w.Serve(w.visitOf(answer, r))
			mu.Lock()
			defer mu.Unlock()
			statuses = append(statuses, answer.Code)
		})
	}
	wait.Wait()
	if slices.Sort(statuses); !slices.Equal(statuses, []int{200, 409, 409, 409}) {
		t.Errorf("%v", statuses)
	}
}

// TestS18FormUsers: app passwords of a users file end with the user, with the password and
// with an operator's word, and not with the session.
func TestS18FormUsers(t *testing.T) {
	tests := map[string]struct {
		change func(*env)
		works  bool
	}{
		"nothing":            {func(*env) {}, true},
		"signed out":         {func(w *env) { w.visit("POST", LogoutPath, nil) }, true},
		"a day later":        {func(w *env) { w.advance(24 * time.Hour) }, true},
		"disabled":           {func(w *env) { w.setUsers(account("alice", hash(), "    disabled: true\n")) }, false},
		"removed":            {func(w *env) { w.setUsers(account("bob", hash(), "")) }, false},
		"new password":       {func(w *env) { w.setUsers(account("alice", newHash(), "")) }, false},
		"signed in too late": {func(w *env) { w.advance(31 * 24 * time.Hour) }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t).withPasswords(apppassword.Config{})
			w.signIn("alice", password, AppPasswordsPath)
			secret := w.makePassword()
			test.change(w)
			if w.works(secret) != test.works {
				t.Errorf("%+v", w.use(secret))
			}
			if test.works {
				return
			}
			w.setUsers(account("alice", hash(), "")) // as before: what has ended stays ended
			if w.works(secret) {
				t.Error("it came back")
			}
		})
	}
}

// TestS18ChangedUsers: app passwords end with a change of their owner that is undone before
// one of them is used; those of others, and of users with new roles, do not.
func TestS18ChangedUsers(t *testing.T) {
	for name, test := range map[string]struct {
		alice string
		works bool
	}{
		"disabled":     {account("alice", hash(), "    disabled: true\n"), false},
		"expired":      {account("alice", hash(), "    expires: 2001-01-01T00:00:00Z\n"), false},
		"removed":      {"", false},
		"new password": {account("alice", newHash(), ""), false},
		"new roles":    {account("alice", hash(), "    roles: [admin]\n"), true},
	} {
		w := newEnv(t).withPasswords(apppassword.Config{})
		w.signIn("alice", password, AppPasswordsPath)
		alice := w.makePassword()
		w.setUsers(account("alice", hash(), ""), account("bob", hash(), ""))
		w.cookies = map[string]string{}
		w.signIn("bob", password, AppPasswordsPath)
		bob := w.makePassword()
		for _, accounts := range []string{test.alice, account("alice", hash(), "")} {
			before := w.users
			w.setUsers(accounts, account("bob", hash(), ""))
			if err := w.Methods[0].(*Form).EndChanged(t.Context(), w.store, before, w.users); err != nil {
				t.Fatal(err)
			}
		}
		if w.works(alice) != test.works || !w.works(bob) {
			t.Errorf("%s: alice %t, bob %t", name, w.works(alice), w.works(bob))
		}
	}
}

// TestS18ComesBack: a user whose first seen state is disabled has no app passwords of before
// when enabled again.
func TestS18ComesBack(t *testing.T) {
	w := newEnv(t).withPasswords(apppassword.Config{})
	w.signIn("alice", password, AppPasswordsPath)
	secret := w.makePassword()
	enabled := w.users
	w.setUsers(account("alice", hash(), "    disabled: true\n"))
	if err := w.Methods[0].(*Form).EndChanged(t.Context(), w.store, w.users, enabled); err != nil {
		t.Fatal(err)
	}
	if w.users = enabled; w.works(secret) {
		t.Error("it came back")
	}
}

// TestS18NewRoles: the roles are those of the users file now.
func TestS18NewRoles(t *testing.T) {
	w := newEnv(t).withPasswords(apppassword.Config{})
	w.signIn("alice", password, AppPasswordsPath)
	secret := w.makePassword()
	w.setUsers(account("alice", hash(), "    roles: [admin]\n"))
	if id := w.use(secret).Identity; id == nil || !slices.Equal(id.Roles, []string{"admin"}) {
		t.Errorf("%+v", id)
	}
}

// atProvider returns a person with an app password who signs in at a provider.
func atProvider(t *testing.T) (*provided, string) {
	t.Helper()
	p := newProvided(t, nil)
	p.withPasswords(apppassword.Config{})
	signedIn := p.time().Unix()
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["auth_time"] = signedIn }
	p.signIn(AppPasswordsPath)
	return p, p.makePassword()
}

// TestS18Refresh: the provider is asked at most once in an hour, with a refresh token that
// is used once, whether the session that has the same one goes on or not.
func TestS18Refresh(t *testing.T) {
	for name, signOut := range map[string]bool{"with its session": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			p, secret := atProvider(t)
			if signOut {
				found, err := p.current()
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Sessions.Registry().End(t.Context(), found.ID); err != nil {
					t.Fatal(err)
				}
			}
			asked := p.fake.Seen("/token")
			for i := range 5 {
				for range 3 {
					if !p.works(secret) {
						t.Fatalf("round %d: %+v", i, p.use(secret))
					}
				}
				if got := p.fake.Seen("/token") - asked; got != i {
					t.Errorf("round %d: %d requests", i, got)
				}
				p.advance(59 * time.Minute)
				if !p.works(secret) || p.fake.Seen("/token")-asked != i {
					t.Errorf("round %d: asked within the hour", i)
				}
				p.advance(time.Minute + 31*time.Second)
				p.fake.Set(func(f *oidctest.Provider) { f.Claims["groups"] = []string{"round", string(rune('a' + i))} })
			}
			if id := p.use(secret).Identity; !slices.Equal(id.Groups, []string{"round", "e"}) {
				t.Errorf("%v", id.Groups)
			}
			if _, err := p.current(); !signOut && err == nil && p.vouch().Verdict != authenticator.Accepted {
				t.Error("the session's refresh token is used up")
			}
		})
	}
}

// TestS18SessionRefreshes: a session's refresh gives the app passwords the new tokens, so
// that they outlive it.
func TestS18SessionRefreshes(t *testing.T) {
	p, secret := atProvider(t)
	for range 12 { // for two hours
		p.advance(10 * time.Minute)
		if outcome := p.vouch(); outcome.Verdict != authenticator.Accepted {
			t.Fatalf("%+v", outcome)
		}
		found, err := p.current()
		if err != nil {
			t.Fatal(err)
		}
		p.Sessions.Touch(found)
	}
	asked := p.fake.Seen("/token")
	if !p.works(secret) || p.fake.Seen("/token") != asked {
		t.Error("the provider was asked once more")
	}
	found, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Sessions.Registry().End(t.Context(), found.ID); err != nil {
		t.Fatal(err)
	}
	p.advance(2 * time.Hour)
	if !p.works(secret) || p.fake.Seen("/token") != asked+1 {
		t.Errorf("%+v", p.use(secret))
	}
}

// TestS18ProviderEnds: invalid_grant and a notice about the whole subject end app
// passwords, on the first request or at once; an outage and a notice about one session
// do not.
func TestS18ProviderEnds(t *testing.T) {
	tests := map[string]struct {
		change func(*provided)
		works  bool
	}{
		"out of reach":       {func(p *provided) { p.fake.Set(func(f *oidctest.Provider) { f.Down = true }) }, true},
		"invalid_grant":      {func(p *provided) { p.fake.Forget() }, false},
		"the session's":      {func(p *provided) { p.fake.Forget(); p.vouch() }, false},
		"a notice of a user": {func(p *provided) { p.notify(p.fake.LogoutToken(func(_, c map[string]any) { delete(c, "sid") })) }, false},
		"a notice of a session": {func(p *provided) {
			p.notify(p.fake.LogoutToken(nil))
		}, true},
		"a notice of another": {func(p *provided) {
			p.notify(p.fake.LogoutToken(func(_, c map[string]any) { delete(c, "sid"); c["sub"] = "user-2" }))
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, secret := atProvider(t)
			p.advance(2 * time.Hour)
			test.change(p)
			if p.works(secret) != test.works {
				t.Errorf("%+v", p.use(secret))
			}
		})
	}
}

// TestS18WithoutRefreshToken: where roles cannot be refreshed, app passwords end a week
// after the last sign-in.
func TestS18WithoutRefreshToken(t *testing.T) {
	p := newProvided(t, nil)
	p.withPasswords(apppassword.Config{})
	signedIn := p.time().Unix()
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["auth_time"] = signedIn }
	p.fake.Tokens = func(_ string, answer map[string]any) { delete(answer, "refresh_token") }
	p.signIn(AppPasswordsPath)
	secret := p.makePassword()
	p.advance(6 * 24 * time.Hour)
	if !p.works(secret) {
		t.Error("after six days")
	}
	p.signIn("/")
	p.advance(6 * 24 * time.Hour)
	if !p.works(secret) {
		t.Error("six days after the second sign-in")
	}
	p.advance(24 * time.Hour)
	if p.works(secret) {
		t.Error("after seven days")
	}
}

// TestS18NewSignIn: the tokens of a later sign-in replace those that the provider takes
// back.
func TestS18NewSignIn(t *testing.T) {
	p, secret := atProvider(t)
	p.fake.Forget()
	p.advance(40 * time.Minute)
	p.signIn("/")
	p.advance(2 * time.Hour)
	if !p.works(secret) {
		t.Errorf("%+v", p.use(secret))
	}
}

// TestS17Holders: a sign-in of another person with the same ID renews nothing of the first.
func TestS17Holders(t *testing.T) {
	w := newEnv(t).withPasswords(apppassword.Config{})
	w.signIn("alice", password, AppPasswordsPath)
	secret := w.makePassword()
	w.advance(29 * 24 * time.Hour)
	found := session.Record{Identity: w.users.Get("alice").Identity}
	found.Person.Login, found.Person.Subject = "other "+w.Methods[0].ID(), "alice"
	if err := w.AppPasswords.SignedIn(t.Context(), apppassword.Holder{Person: found.Person, Site: "app.example.com", Identity: found.Identity, SignedIn: w.time()}); err != nil {
		t.Fatal(err)
	}
	w.advance(2 * 24 * time.Hour)
	if w.works(secret) {
		t.Error("another login has renewed it")
	}
}

// TestS40NoReturn: S-18, S-40. An app password that ended with a change of its owner does not
// come back with the password of before, also if the owner signs in and makes another one.
func TestS40NoReturn(t *testing.T) {
	w := newEnv(t).withPasswords(apppassword.Config{})
	w.signIn("alice", password, AppPasswordsPath)
	secret := w.makePassword()
	enabled := w.users
	w.setUsers(account("alice", hash(), "    disabled: true\n"))
	if err := w.Methods[0].(*Form).EndChanged(t.Context(), w.store, enabled, w.users); err != nil {
		t.Fatal(err)
	}
	w.users = enabled
	w.cookies = map[string]string{}
	w.signIn("alice", password, AppPasswordsPath)
	if other := w.makePassword(); !w.works(other) || w.works(secret) {
		t.Errorf("the new one %t, the ended one %t", w.works(other), w.works(secret))
	}
}

// TestLaterSignIn: the provider refuses the tokens of a sign-in while the user signs in
// again. The app passwords count on with the new ones.
func TestLaterSignIn(t *testing.T) {
	p, secret := atProvider(t)
	_, read, err := p.AppPasswords.Verify(t.Context(), secret, "app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	p.fake.Forget()
	p.advance(time.Minute)
	p.signIn("/")
	rejected := authenticator.Reject(authenticator.ReasonTokenRevoked)
	if outcome := p.Methods[0].(*OIDC).refused(t.Context(), p.AppPasswords, read, rejected); outcome.Verdict != authenticator.Accepted || !p.works(secret) {
		t.Errorf("%+v", outcome)
	}
}
