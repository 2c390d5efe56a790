package login

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	keys "github.com/policyauth/caddy-policy-auth/internal/token"
)

// provided is a env whose people sign in at a provider.
type provided struct {
	*env
	fake *oidctest.Provider
	oidc *OIDC
}

// newProvided returns a site with a provider; change may alter how it is asked.
func newProvided(t testing.TB, change func(*oidc.Config)) *provided {
	t.Helper()
	p := &provided{fake: oidctest.New(t)}
	now := func() time.Time { return p.time() }
	p.fake.Now = now
	remote, err := keys.NewRemoteKeySet(keys.RemoteKeySetConfig{Issuer: p.fake.URL, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	config := oidc.Config{Issuer: p.fake.URL, ClientID: p.fake.ClientID, ClientSecret: p.fake.ClientSecret, Keys: remote, Now: now}
	if change != nil {
		change(&config)
	}
	p.env = &env{now: time.Unix(1_800_000_000, 0)}
	provider, err := oidc.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = provider.Close(), remote.Close() })
	p.oidc = &OIDC{MethodName: "id", DisplayName: "Example ID", ClientID: p.fake.ClientID, Provider: provider}
	w := newEnv(t, p.oidc)
	w.now = p.now
	p.env = w
	return p
}

// follow asks the provider for a URL as a browser does, and returns where it
// sends the browser back to.
func (p *provided) follow(to string) string {
	p.t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer browser.CloseIdleConnections()
	answer, err := browser.Get(to)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	back, ok := strings.CutPrefix(answer.Header.Get("Location"), origin)
	if !ok {
		p.t.Fatalf("the provider answered %d %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	return back
}

// begin visits the sign-in page and the provider, and returns the path that the
// provider sends the browser to.
func (p *provided) begin(target string) string {
	p.t.Helper()
	answer := p.visit("GET", target, nil)
	if answer.Code != http.StatusSeeOther {
		p.t.Fatalf("%s: %d %s", target, answer.Code, answer.Body)
	}
	return p.follow(answer.Header().Get("Location"))
}

// signIn signs in, to come back to a path.
func (p *provided) signIn(returnTo string) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.visit("GET", p.begin(p.URL(returnTo, "", nil)), nil)
}

// TestOIDC: the way there and back, and what it leaves behind (R-CACHE-1, R-OID-2,
// R-OID-3, R-OID-11, R-OID-12, R-OID-14).
func TestOIDC(t *testing.T) {
	p := newProvided(t, nil)
	begun := p.visit("GET", p.URL("/mail?folder=in", "", nil), nil)
	if h := begun.Header(); begun.Code != 303 || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(h.Get("Location"), p.fake.URL+"/authorize?") {
		t.Fatalf("%d %v", begun.Code, begun.Header())
	}
	answer := p.visit("GET", p.follow(begun.Header().Get("Location")), nil)
	if h := answer.Header(); answer.Code != 303 || h.Get("Location") != "/mail?folder=in" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	found, err := p.current()
	if err != nil || found.Identity.ID != "user-1" || found.Identity.Username != "alice" || found.Identity.Method != "session" || found.SID != "session-1" || found.Person.Login != p.oidc.ID() {
		t.Fatalf("%+v, %v", found, err)
	}
	if asked := p.fake.Asked()[0]; asked.Get("redirect_uri") != origin+"/.policy_auth/callback/id" {
		t.Errorf("asked with %v", asked)
	}
	if e := p.lastEvent(); e.Kind != SignedIn || e.Login != "id" || e.Identity.ID != "user-1" {
		t.Errorf("event %+v", e)
	}
	for _, header := range []string{begun.Header().Get("Location"), strings.Join(begun.Header()["Set-Cookie"], " "), strings.Join(answer.Header()["Set-Cookie"], " ")} {
		if strings.Contains(header, "code_verifier") || strings.Contains(header, "eyJ") || strings.Contains(header, "/mail") {
			t.Errorf("the browser is told %s", header)
		}
	}
}

// TestCallbackBound: T-57, T-38, R-OID-3. An answer counts once, in time and in the
// browser that was sent; anything else is refused before the provider is asked.
func TestCallbackBound(t *testing.T) {
	tests := map[string]func(p *provided, back *string){
		"another browser":         func(p *provided, _ *string) { p.cookies = map[string]string{} },
		"a browser of its own":    func(p *provided, _ *string) { p.cookies["__Host-policy_auth_login"] = randomToken() },
		"too late":                func(p *provided, _ *string) { p.advance(transactionTime) },
		"no state":                func(_ *provided, back *string) { *back = CallbackPath + "id?code=x" },
		"another state":           func(_ *provided, back *string) { *back = CallbackPath + "id?code=x&state=" + randomToken() },
		"two states":              func(_ *provided, back *string) { *back += "&state=" + randomToken() },
		"nothing at all":          func(_ *provided, back *string) { *back = CallbackPath + "id" },
		"an error without state":  func(_ *provided, back *string) { *back = CallbackPath + "id?error=access_denied" },
		"a query that is no such": func(_ *provided, back *string) { *back = CallbackPath + "id?%zz;&=&state" },
		"another login's callback": func(p *provided, back *string) {
			second := *p.Methods[0].(*OIDC)
			second.MethodName = "second"
			p.Methods = append(p.Methods, &second)
			*back = strings.Replace(*back, CallbackPath+"id?", CallbackPath+"second?", 1)
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			p := newProvided(t, nil)
			back := p.begin(LoginPath)
			change(p, &back)
			answer := p.visit("GET", back, nil)
			if answer.Code != 400 || !strings.Contains(answer.Body.String(), `href="/.policy_auth/login"`) || p.fake.Seen("/token") > 0 {
				t.Errorf("%d, %d token requests: %s", answer.Code, p.fake.Seen("/token"), answer.Body)
			}
			if e := p.lastEvent(); e.Reason != authenticator.ReasonLoginStateInvalid || e.Status != 400 {
				t.Errorf("event %+v", e)
			}
			if _, err := p.current(); err == nil {
				t.Error("signed in")
			}
		})
	}
	p := newProvided(t, nil)
	back := p.begin(LoginPath)
	if answer := p.visit("GET", back, nil); answer.Code != 303 {
		t.Fatalf("%d", answer.Code)
	}
	p.visit("POST", LogoutPath, nil)
	if answer := p.visit("GET", back, nil); answer.Code != 400 || p.fake.Seen("/token") != 1 {
		t.Errorf("a second time: %d", answer.Code)
	}
}

// TestCallbackMethods: answers come by GET alone; the form_post of others is not
// asked for and not taken (R-OID-13).
func TestCallbackMethods(t *testing.T) {
	p := newProvided(t, nil)
	for _, method := range []string{"POST", "HEAD", "PUT"} {
		if answer := p.visit(method, CallbackPath+"id?code=x&state="+randomToken(), url.Values{}); answer.Code != 405 || answer.Header().Get("Allow") != "GET" {
			t.Errorf("%s: %d %v", method, answer.Code, answer.Header())
		}
	}
	if answer := p.visit("POST", LoginPath, url.Values{}); answer.Code != 405 {
		t.Errorf("%d", answer.Code)
	}
}

// TestCallbackFailures: R-OID-4 and R-OID-6 as people see them.
func TestCallbackFailures(t *testing.T) {
	tests := map[string]struct {
		change func(*oidctest.Provider)
		status int
		reason authenticator.Reason
	}{
		"refused":        {func(f *oidctest.Provider) { f.Answer = func(_, a url.Values) { a.Set("error", "access_denied") } }, 403, authenticator.ReasonProviderDenied},
		"another issuer": {func(f *oidctest.Provider) { f.Answer = func(_, a url.Values) { a.Set("iss", "https://evil.example") } }, 400, authenticator.ReasonTokenIssuer},
		"out of order": {func(f *oidctest.Provider) {
			f.Answer = func(_, a url.Values) { a.Set("error", "temporarily_unavailable") }
		}, 503, authenticator.ReasonKeysUnavailable},
		"broken":         {func(f *oidctest.Provider) { f.Answer = func(_, a url.Values) { a.Set("error", "server_error") } }, 502, authenticator.ReasonProviderDenied},
		"another user":   {func(f *oidctest.Provider) { f.Userinfo = func(c map[string]any) { c["sub"] = "user-2" } }, 502, authenticator.ReasonCredentialsInvalid},
		"a forged token": {func(f *oidctest.Provider) { f.Sign = forged }, 502, authenticator.ReasonTokenSignature},
		"another nonce":  {func(f *oidctest.Provider) { f.IDToken = func(_ string, _, c map[string]any) { c["nonce"] = "x" } }, 400, authenticator.ReasonLoginStateInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newProvided(t, nil)
			answers := test.change
			answers(p.fake)
			inner := p.fake.Answer
			p.fake.Answer = func(asked, answer url.Values) {
				answer.Set("error_description", "<script>alert(1)</script>")
				if inner != nil {
					inner(asked, answer)
				}
			}
			answer := p.signIn("/mail")
			if e := p.lastEvent(); answer.Code != test.status || e.Reason != test.reason || e.Err == nil {
				t.Errorf("%d, event %+v", answer.Code, e)
			}
			if body := answer.Body.String(); strings.Contains(body, "alert(1)") || answer.Header().Get("Cache-Control") != "no-store" || test.status == 503 && answer.Header().Get("Retry-After") == "" {
				t.Errorf("%v %s", answer.Header(), body)
			}
			if _, err := p.current(); err == nil {
				t.Error("signed in")
			}
		})
	}
}

// forged signs with a key that nobody publishes.
func forged(header, claims map[string]any) string {
	return oidctest.Sign(oidctest.NewKey("RS256").Private, header, claims)
}

// TestProviderDown: a provider that is down keeps nobody from other logins, and
// nobody waits for it once it is known to be.
func TestProviderDown(t *testing.T) {
	p := newProvided(t, nil)
	p.fake.Down = true
	for range 2 {
		answer := p.visit("GET", LoginPath, nil)
		if answer.Code != 503 || answer.Header().Get("Retry-After") != "1" {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
	}
	if got := p.fake.Seen("/.well-known/openid-configuration"); got != 1 {
		t.Errorf("asked %d times", got)
	}
	p.Methods = append(p.Methods, p.form())
	if body := p.visit("GET", LoginPath, nil).Body.String(); !strings.Contains(body, "Example ID") {
		t.Error(body)
	}
	if answer := p.visit("GET", p.URL("/", "form", nil), nil); answer.Code != 200 {
		t.Errorf("the form: %d", answer.Code)
	}
}

// TestSilently: a provider that has to talk to the user, which it was asked not to,
// is asked again (R-OID-6).
func TestSilently(t *testing.T) {
	p := newProvided(t, func(c *oidc.Config) { c.Prompt = []string{"none"} })
	p.fake.Answer = func(asked, answer url.Values) {
		if asked.Get("prompt") == "none" {
			answer.Set("error", "login_required")
		}
	}
	again := p.signIn("/mail")
	if again.Code != 303 || strings.Contains(again.Header().Get("Location"), "prompt=") {
		t.Fatalf("%d %v", again.Code, again.Header())
	}
	if answer := p.visit("GET", p.follow(again.Header().Get("Location")), nil); answer.Header().Get("Location") != "/mail" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}

// TestStepUp: R-SU-5, R-CK-7. The provider is asked for what the policy demands,
// the session gets a new id, and a step-up that is not met ends on a page.
func TestStepUp(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	before, _ := p.current()
	old := p.cookies["__Host-policy_auth"]
	more := url.Values{"acr_values": {"phr phrh"}, "max_age": {"300"}}
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = "phr" }
	answer := p.visit("GET", p.begin(p.URL("/vault", "", more)), nil)
	if answer.Code != 303 || answer.Header().Get("Location") != "/vault" {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if asked := p.fake.Asked()[1]; asked.Get("acr_values") != "phr phrh" || asked.Get("max_age") != "300" {
		t.Errorf("asked with %v", asked)
	}
	after, err := p.current()
	if err != nil || after.ID == before.ID || after.Identity.ACR != "phr" || after.Identity.AuthTime == 0 {
		t.Errorf("%+v, %v", after, err)
	}
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = "1" }
	if answer := p.visit("GET", p.begin(p.URL("/vault", "", more)), nil); answer.Code != 403 || p.lastEvent().Reason != authenticator.ReasonStepUpRequired {
		t.Errorf("%d, event %+v", answer.Code, p.lastEvent())
	}
	if again, err := p.current(); err != nil || again.ID != after.ID {
		t.Errorf("the session is lost: %v", err)
	}
	p.cookies["__Host-policy_auth"] = old
	if _, err := p.current(); err == nil {
		t.Error("the id from before the step-up still works")
	}
}

// TestDemandOf: what an address asks for is read or left out.
func TestDemandOf(t *testing.T) {
	tests := map[string]oidc.StepUp{
		"":                           {MaxAge: -1},
		"max_age=0":                  {MaxAge: 0},
		"max_age=-1":                 {MaxAge: -1},
		"max_age=99999999999":        {MaxAge: -1},
		"max_age=x&acr_values=+a++b": {MaxAge: -1, ACRValues: []string{"a", "b"}},
		// T-57: what is kept of a stranger's sign-in is bounded
		"acr_values=" + strings.Repeat("a+", maxACRValues): {MaxAge: -1},
		"acr_values=a%01":  {MaxAge: -1},
		"acr_values=a%ff":  {MaxAge: -1},
		"acr_values=urn:ä": {MaxAge: -1, ACRValues: []string{"urn:ä"}},
	}
	for text, want := range tests {
		query, _ := url.ParseQuery(text)
		if got := parseStepUp(query); got.MaxAge != want.MaxAge || strings.Join(got.ACRValues, " ") != strings.Join(want.ACRValues, " ") {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// TestCircles: R-OID-15. Who signed in three times within a minute is not sent on,
// but told the usual causes.
func TestCircles(t *testing.T) {
	p := newProvided(t, nil)
	for range 3 {
		p.signIn("/")
		delete(p.cookies, "__Host-policy_auth")
		p.advance(5 * time.Second)
	}
	answer := p.visit("GET", LoginPath, nil)
	if body := answer.Body.String(); answer.Code != 403 || answer.Header().Get("Location") != "" || !strings.Contains(body, "cookies") || !strings.Contains(body, "clock") || !strings.Contains(body, "another application") {
		t.Errorf("%d %s", answer.Code, body)
	}
	if p.advance(time.Minute); p.signIn("/").Code != 303 {
		t.Error("for ever")
	}
	future := strconv.FormatInt(p.now.UnixMilli()+1, 10)
	for _, value := range []string{"x", "", ".....", "99999999999.99999999999.99999999999", strings.Repeat("1.", 1000), strings.Repeat(future+".", 3), strings.Repeat("-9223372036854775808.", 3), strings.Repeat("99999999999999999999.", 3)} {
		if p.cookies["__Host-policy_auth_completed"] = value; p.visit("GET", p.URL("/", "", nil), nil).Code != 303 {
			t.Errorf("%q counts", value)
		}
	}
}

// TestLoopGuardIsShort: the cookie with the times of completed sign-ins stays short, however
// many times a browser sends.
func TestLoopGuardIsShort(t *testing.T) {
	p := newProvided(t, nil)
	back := p.begin(p.URL("/", "", nil))
	p.cookies["__Host-policy_auth_completed"] = strings.Repeat(strconv.FormatInt(p.now.UnixMilli(), 10)+".", 100)
	if answer := p.visit("GET", back, nil); answer.Code != 303 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if got := strings.Split(p.cookies["__Host-policy_auth_completed"], "."); len(got) != 4 {
		t.Errorf("the cookie has %d times", len(got))
	}
}

// TestCirclesStraight: who signs out and in again goes in no circle.
func TestCirclesStraight(t *testing.T) {
	p := newProvided(t, nil)
	for range 5 {
		if answer := p.signIn("/"); answer.Code != 303 || answer.Header().Get("Location") != "/" {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		p.visit("POST", LogoutPath, nil)
	}
}

// TestTabs: people sign in in several tabs at once.
func TestTabs(t *testing.T) {
	p := newProvided(t, nil)
	first, second := p.begin(p.URL("/a", "", nil)), p.begin(p.URL("/b", "", nil))
	for back, want := range map[string]string{first: "/a", second: "/b"} {
		if answer := p.visit("GET", back, nil); answer.Header().Get("Location") != want {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
	}
}

// TestLoginIDs: T-71. Another client of the same provider is another login.
func TestLoginIDs(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	record, _ := p.current()
	other := *p.oidc
	other.ClientID = "other-client"
	sessions, err := session.New(p.Sessions.Registry(), session.Config{Logins: []string{other.ID()}, Now: func() time.Time { return p.now }})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", origin+"/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-policy_auth", Value: p.cookies["__Host-policy_auth"]})
	if _, err := sessions.Current(context.Background(), r, true); err == nil || record == nil {
		t.Error("the session counts for another client")
	}
}

// FuzzCallback: T-66. Whatever a browser brings back, nobody is signed in by it.
func FuzzCallback(f *testing.F) {
	f.Add("code=a&state=b&iss=c")
	f.Add("state=%zz;;&error=x")
	p := newProvided(f, nil)
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", origin+"/", nil)
		r.URL = &url.URL{Path: CallbackPath + "id", RawQuery: query}
		recorder := httptest.NewRecorder()
		if !p.Serve(p.visitOf(recorder, r)) || recorder.Code != 400 || len(recorder.Result().Cookies()) > 0 {
			t.Errorf("%q: %d", query, recorder.Code)
		}
	})
}

// A sign-in that the provider turned down, or that people cancelled there, has a page
// of its own, in each language, whose link asks for the same again. What the provider
// says of it is for the log.
func TestN30ProviderDenied(t *testing.T) {
	for language, title := range map[string]string{
		"en": "Sign-in not completed", "de": "Anmeldung nicht abgeschlossen", "fr": "Connexion non aboutie", "es": "Inicio de sesión no completado",
	} {
		for code, status := range map[string]int{"access_denied": 403, "invalid_scope": 403, "consent_required": 403} {
			p := newProvided(t, nil)
			p.fake.Answer = func(_, a url.Values) {
				a.Del("code")
				a.Set("error", code)
				a.Set("error_description", "AADSTS65004: <b>declined</b>\r\n")
			}
			back := p.begin(p.URL("/mail?folder=in", "", url.Values{"max_age": {"60"}}))
			answer := p.visit("GET", back, nil, "Accept-Language", language)
			body := answer.Body.String()
			link := `href="/.policy_auth/login?max_age=60&amp;return_to=%2Fmail%3Ffolder%3Din"`
			if answer.Code != status || !strings.Contains(body, title) || !strings.Contains(body, link) || strings.Contains(body, "AADSTS") || strings.Contains(body, code) {
				t.Errorf("%s %s: %d %s", language, code, answer.Code, body)
			}
			if e := p.lastEvent(); e.Reason != authenticator.ReasonProviderDenied || e.Err.Error() != `the provider answered `+code+`: AADSTS65004: <b>declined</b>\r\n` {
				t.Errorf("%s: event %+v", code, e)
			}
		}
	}
}

// An error that another site has a browser bring, or that comes without the state of a
// sign-in, is not believed.
func TestN30StateComesFirst(t *testing.T) {
	p := newProvided(t, nil)
	p.begin(LoginPath)
	for _, query := range []string{"error=access_denied", "error=access_denied&state=" + randomToken(), "error=access_denied&error_description=call+us&state="} {
		answer := p.visit("GET", CallbackPath+"id?"+query, nil)
		if e := p.lastEvent(); answer.Code != 400 || e.Reason != authenticator.ReasonLoginStateInvalid || !strings.Contains(answer.Body.String(), "open for too long") || strings.Contains(answer.Body.String(), "call us") {
			t.Errorf("%s: %d, event %+v", query, answer.Code, e)
		}
	}
}

// TestS30Anew: a browser that comes back after the provider's metadata has changed
// signs in once more, to the page and with the step-up that it came for.
func TestS30Anew(t *testing.T) {
	var config oidc.Config
	changed := false
	p := newProvided(t, func(c *oidc.Config) { config = *c })
	p.fake.Metadata = func(m map[string]any) {
		if changed {
			m["userinfo_endpoint"] = m["issuer"].(string) + "/userinfo?v=2"
		}
	}
	back := p.begin(p.URL("/mail", "", StepUpQuery([]string{"gold"}, -1)))
	p.fake.Set(func(*oidctest.Provider) { changed = true })
	second, err := oidc.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	other := p.oidc.Provider
	p.oidc.Provider = second // as after a restart, or an hour later
	answer := p.visit("GET", back, nil)
	to, _ := url.Parse(answer.Header().Get("Location"))
	if answer.Code != http.StatusSeeOther || to == nil || to.Path != LoginPath || to.Query().Get("return_to") != "/mail" || to.Query().Get("acr_values") != "gold" {
		t.Fatalf("%d %s", answer.Code, answer.Header().Get("Location"))
	}
	if p.fake.Seen("/token") != 0 {
		t.Error("the code was sent")
	}
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = "gold" }
	again := answer.Header().Get("Location")
	if answer = p.visit("GET", p.begin(again), nil); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/mail" {
		t.Errorf("the second time: %d %s", answer.Code, answer.Header().Get("Location"))
	}
	var edition atomic.Int64
	p.fake.Set(func(f *oidctest.Provider) {
		f.Metadata = func(m map[string]any) {
			m["userinfo_endpoint"] = p.fake.URL + "/userinfo?" + strconv.FormatInt(edition.Add(1), 10)
		}
	})
	p.advance(2 * time.Hour)
	for n := 0; ; n++ { // machines that never know the same metadata
		if answer = p.visit("GET", again, nil); answer.Code == http.StatusForbidden {
			break
		}
		if n > maxRecentSignIns {
			t.Fatal("it goes in circles")
		}
		back := p.follow(answer.Header().Get("Location"))
		p.oidc.Provider, other = other, p.oidc.Provider
		p.advance(time.Second)
		p.visit("GET", back, nil)
	}
}

// TestN57SignIn: the log names who the provider's token is about when a sign-in is
// refused, if the provider has signed it. The page does not.
func TestN57SignIn(t *testing.T) {
	changed := func(change func(map[string]any)) func(*oidctest.Provider) {
		return func(f *oidctest.Provider) { f.IDToken = func(_ string, _, c map[string]any) { change(c) } }
	}
	tests := map[string]struct {
		change    func(*oidctest.Provider)
		candidate string
	}{
		"N-57 expired":             {changed(func(c map[string]any) { c["exp"] = 1 }), "user-1"},
		"N-57 of another audience": {changed(func(c map[string]any) { c["aud"] = "other" }), "user-1"},
		"N-57 another nonce":       {changed(func(c map[string]any) { c["nonce"] = "x" }), "user-1"},
		"N-57 forged":              {func(f *oidctest.Provider) { f.Sign = forged }, ""},
		"N-57 another issuer":      {changed(func(c map[string]any) { c["iss"] = "https://other.example" }), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newProvided(t, nil)
			p.signIn("/") // which has the keys fetched
			p.visit("POST", LogoutPath, nil)
			p.fake.Set(test.change)
			answer := p.signIn("/mail")
			if e := p.lastEvent(); e.Kind != Failed || e.Candidate != test.candidate || strings.Contains(answer.Body.String(), "user-1") {
				t.Errorf("%d, event %+v", answer.Code, e)
			}
		})
	}
}
