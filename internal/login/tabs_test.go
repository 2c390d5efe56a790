package login

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// fresh visits a page as another tab of a browser that had these cookies.
func (w *env) fresh(target string, cookies map[string]string, header ...string) (*httptest.ResponseRecorder, []*http.Cookie) {
	r := httptest.NewRequest("GET", origin+target, nil)
	r.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	recorder := httptest.NewRecorder()
	w.Serve(w.visitOf(recorder, r))
	return recorder, recorder.Result().Cookies()
}

// TestN24SixTabs: six tabs of a browser without cookies begin to sign in at once.
// The browser has one cookie of ours, and each tab reaches the page that it asked for.
func TestN24SixTabs(t *testing.T) {
	p := newProvided(t, nil)
	p.Report = func(*http.Request, Event) {} // the tabs sign in at once
	const tabs = 6
	var mu sync.Mutex
	given := map[string]bool{}
	jar := func() map[string]string { mu.Lock(); defer mu.Unlock(); return maps.Clone(p.cookies) }
	keep := func(cookies []*http.Cookie) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range cookies {
			if p.cookies[c.Name] = c.Value; c.Name == browserCookie.Name {
				given[c.Value] = true
			}
		}
	}
	var begun, done sync.WaitGroup
	begun.Add(tabs)
	signedIn := make(chan struct{}) // at the provider, which takes a while
	ends := make([]string, tabs)
	for i := range tabs {
		done.Go(func() {
			to := p.URL(fmt.Sprintf("/page?%d", i), "", nil)
			cookies := map[string]string{} // as all tabs have them when they begin
			for first := true; strings.HasPrefix(to, "/"); first = false {
				if !first {
					cookies = jar()
				}
				answer, set := p.fresh(to, cookies)
				keep(set)
				to = answer.Header().Get("Location")
				if answer.Code != http.StatusSeeOther {
					t.Errorf("tab %d: %d %s", i, answer.Code, answer.Body)
					break
				}
			}
			begun.Done()
			<-signedIn
			answer, set := p.fresh(p.follow(to), jar())
			keep(set)
			ends[i] = answer.Header().Get("Location")
		})
	}
	begun.Wait()
	p.advance(time.Second)
	close(signedIn)
	done.Wait()
	for i, end := range ends {
		if end != fmt.Sprintf("/page?%d", i) {
			t.Errorf("tab %d ends at %q", i, end)
		}
	}
	if len(given) != 1 {
		t.Errorf("%d cookies were given", len(given))
	}
	if _, err := p.current(); err != nil {
		t.Errorf("not signed in: %v", err)
	}
	// The tabs went in no circle: signing in once more is possible.
	if answer := p.visit("GET", p.URL("/", "", nil), nil); answer.Code != http.StatusSeeOther {
		t.Errorf("once more: %d", answer.Code)
	}
}

// TestN24OneSession: tabs that come back one after the other keep the session of the
// first; a sign-in that began later, a step-up and another person begin a new one.
func TestN24OneSession(t *testing.T) {
	p := newProvided(t, nil)
	first, second := p.begin(p.URL("/a", "", nil)), p.begin(p.URL("/b", "", nil))
	stepUp := p.begin(p.URL("/c", "", url.Values{"max_age": {"300"}}))
	other := p.begin(p.URL("/d", "", nil))
	p.advance(time.Second)
	p.visit("GET", first, nil)
	began, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	after := func(back string) string {
		p.t.Helper()
		if answer := p.visit("GET", back, nil); answer.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		found, err := p.current()
		if err != nil {
			t.Fatal(err)
		}
		return found.ID
	}
	if after(second) != began.ID {
		t.Error("the second tab ended the session")
	}
	stepped := after(stepUp)
	if stepped == began.ID {
		t.Error("S-31: a step-up was skipped because a user is signed in")
	}
	p.fake.Claims["sub"] = "user-2"
	if id := after(other); id == stepped {
		t.Error("S-31: a change of account was skipped because a user is signed in")
	}
	if found, _ := p.current(); found.Identity.ID != "user-2" {
		t.Errorf("signed in as %s", found.Identity.ID)
	}
	p.advance(time.Second)
	last, _ := p.current()
	if after(p.begin(p.URL("/", "", nil))) == last.ID {
		t.Error("a later sign-in began no session")
	}
}

// TestS31SixteenTransactions: a browser has at most 16 transactions, and the oldest
// makes room.
func TestS31SixteenTransactions(t *testing.T) {
	w := newEnv(t)
	var states []string
	for range maxPerBrowser + 2 {
		w.advance(time.Second)
		state, err := w.begin(t)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, state)
	}
	stranger := newEnv(t)
	stranger.store, stranger.Sessions = w.store, w.Sessions
	if _, err := stranger.begin(t); err != nil {
		t.Fatal(err)
	}
	for i, state := range states {
		_, err := w.take(state)
		if want := i >= 2; (err == nil) != want || !want && !errors.Is(err, ErrState) {
			t.Errorf("the transaction %d of %d: %v", i+1, len(states), err)
		}
	}
}

// TestS31NoNavigation: only a person's visit begins a sign-in.
func TestS31NoNavigation(t *testing.T) {
	tests := []struct {
		name             string
		mode, dest, site string
		more             []string
		begins           bool
	}{
		{"a link", "navigate", "document", "same-origin", nil, true},
		{"a link of another site", "navigate", "document", "cross-site", nil, true},
		{"a frame of this site", "navigate", "iframe", "same-origin", nil, true},
		{"a frame of another site", "navigate", "iframe", "cross-site", nil, false},
		{"a picture", "no-cors", "image", "same-origin", nil, false},
		{"a picture of another site", "no-cors", "image", "cross-site", nil, false},
		{"a script", "cors", "empty", "same-origin", nil, false},
		{"a script of another site", "cors", "empty", "cross-site", nil, false},
		{"an object", "navigate", "object", "cross-site", nil, false},
		{"fetched in advance", "navigate", "document", "none", []string{"Sec-Purpose", "prefetch;prerender"}, false},
		{"an old browser", "", "", "", nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProvided(t, nil)
			h := &held{p.store, map[string]int{}}
			p.Sessions = p.sessionsIn(h)
			header := append([]string{"Sec-Fetch-Mode", test.mode, "Sec-Fetch-Dest", test.dest, "Sec-Fetch-Site", test.site}, test.more...)
			answer, _ := p.fresh(p.URL("/x", "", nil), nil, header...)
			if (answer.Code == http.StatusSeeOther) != test.begins || !test.begins && (answer.Code != 403 || len(h.sizes) > 0) {
				t.Errorf("%d, %d keys in the store", answer.Code, len(h.sizes))
			}
		})
	}
}

// TestN31OldCallback: a callback that is visited once more leads a browser that is
// signed in to the page asked for, for ten minutes, and asks the provider nothing.
func TestN31OldCallback(t *testing.T) {
	p := newProvided(t, nil)
	p.fake.ExpiresIn = 3600 // no refresh in between
	back := p.begin(p.URL("/mail?folder=in", "", nil))
	p.visit("GET", back, nil)
	p.advance(transactionTime - time.Second)
	if answer := p.visit("GET", back, nil); answer.Code != 303 || answer.Header().Get("Location") != "/mail?folder=in" || p.fake.Seen("/token") != 1 {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	p.advance(2 * time.Second)
	if answer := p.visit("GET", back, nil); answer.Code != 200 || !strings.Contains(answer.Body.String(), "Alice") {
		t.Errorf("after ten minutes: %d %s", answer.Code, answer.Body)
	}
	// S-31: the transaction of another browser says nothing of any page.
	victim := newProvided(t, nil)
	victim.signIn("/")
	victim.store, victim.Sessions = p.store, p.Sessions
	if answer := victim.visit("GET", back, nil); strings.Contains(answer.Body.String()+answer.Header().Get("Location"), "mail") {
		t.Errorf("another browser: %d %v", answer.Code, answer.Header())
	}
}

// TestN31SignedOut: a browser that is not signed in is asked to sign in again, to come
// back to the page that it asked for, and only by its own transaction.
func TestN31SignedOut(t *testing.T) {
	p := newProvided(t, nil)
	back := p.begin(p.URL("/mail?folder=in", "", url.Values{"acr_values": {"phr"}}))
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = "phr" }
	p.visit("GET", back, nil)
	p.visit("POST", LogoutPath, nil)
	want := `href="/.policy_auth/login?acr_values=phr&amp;return_to=%2Fmail%3Ffolder%3Din"`
	if answer := p.visit("GET", back, nil); answer.Code != 400 || !strings.Contains(answer.Body.String(), want) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	p.cookies = map[string]string{}
	if answer := p.visit("GET", back, nil); answer.Code != 400 || strings.Contains(answer.Body.String(), "mail") {
		t.Errorf("another browser: %d %s", answer.Code, answer.Body)
	}
}

// TestN31Retry: a callback that is loaded again after a failure that may pass begins
// another sign-in, with another state, nonce and verifier (S-31).
func TestN31Retry(t *testing.T) {
	p := newProvided(t, nil)
	back := p.begin(p.URL("/mail", "", url.Values{"max_age": {"300"}}))
	p.fake.Set(func(*oidctest.Provider) { p.fake.Down = true })
	if answer := p.visit("GET", back, nil); answer.Code != 503 {
		t.Fatalf("%d", answer.Code)
	}
	p.fake.Set(func(*oidctest.Provider) { p.fake.Down = false })
	again := p.visit("GET", back, nil)
	if again.Code != 303 {
		t.Fatalf("%d %s", again.Code, again.Body)
	}
	if answer := p.visit("GET", p.follow(again.Header().Get("Location")), nil); answer.Header().Get("Location") != "/mail" {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	asked := p.fake.Asked()
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if asked[0].Get(name) == asked[1].Get(name) {
			t.Errorf("the same %s", name)
		}
	}
	if asked[1].Get("max_age") != "300" {
		t.Error("the step-up is forgotten")
	}
	// What will not pass is not tried again by itself.
	p = newProvided(t, nil)
	p.fake.Answer = func(_, a url.Values) { a.Set("error", "access_denied") }
	back = p.begin(p.URL("/mail", "", nil))
	p.visit("GET", back, nil)
	if answer := p.visit("GET", back, nil); answer.Code != 400 {
		t.Errorf("%d", answer.Code)
	}
}

// TestN34StepUp: the page of a step-up that the provider did not satisfy links to the
// same step-up for the same page.
func TestN34StepUp(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	p.fake.IDToken = func(_ string, _, claims map[string]any) { claims["acr"] = "1" }
	answer := p.visit("GET", p.begin(p.URL("/vault?door=2", "", url.Values{"acr_values": {"phr phrh"}, "max_age": {"60"}})), nil)
	want := `href="/.policy_auth/login?acr_values=phr&#43;phrh&amp;max_age=60&amp;return_to=%2Fvault%3Fdoor%3D2"`
	if answer.Code != 403 || p.lastEvent().Reason != authenticator.ReasonStepUpRequired || !strings.Contains(answer.Body.String(), want) {
		t.Errorf("%d, no %s in %s", answer.Code, want, answer.Body)
	}
}

// TestS31UsedHasNoSecrets: what is kept of a used transaction is the page.
func TestS31UsedHasNoSecrets(t *testing.T) {
	p := newProvided(t, nil)
	back := p.begin(p.URL("/mail", "", nil))
	u, _ := url.Parse(back)
	key := transactionKey(u.Query().Get("state"))
	before, err := p.Sessions.Registry().Store().Get(context.Background(), key)
	if err != nil || !strings.Contains(string(before), "verifier") {
		t.Fatalf("%s %v", before, err)
	}
	p.visit("GET", back, nil)
	after, err := p.Sessions.Registry().Store().Get(context.Background(), key)
	if err != nil || strings.Contains(string(after), "verifier") || strings.Contains(string(after), "nonce") {
		t.Errorf("%s %v", after, err)
	}
}
