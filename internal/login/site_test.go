package login

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// TestServe: only the site's own pages are answered, so that nothing of an
// application is shadowed.
func TestServe(t *testing.T) {
	w := newEnv(t, other{"staff"})
	for path, want := range map[string]bool{
		"/.policy_auth/login": true, "/.policy_auth/logout": true, "/.policy_auth/callback/staff": true,
		"/.policy_auth/callback/form": false, "/.policy_auth/callback/": false, "/.policy_auth/login/": false,
		"/.policy_auth/": false, "/.policy_auth/refused": false, "/": false, "/login": false,
		"/.policy_auth/%6cogin": false, "/x/../.policy_auth/login": false, "//.policy_auth/login": false, "/.POLICY_AUTH/login": false,
	} {
		r := httptest.NewRequest("GET", origin+"/", nil)
		v := w.visitOf(httptest.NewRecorder(), r)
		v.Path = path
		if got := w.Serve(v); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// TestMethods: other methods of HTTP are told which there are.
func TestMethods(t *testing.T) {
	w := newEnv(t)
	for _, path := range []string{LoginPath, LogoutPath} {
		answer := w.visit("PUT", path, nil)
		if answer.Code != 405 || answer.Header().Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: %d %v", path, answer.Code, answer.Header())
		}
	}
	if answer := w.visit("HEAD", LoginPath, nil); answer.Code != 200 || answer.Body.Len() > 0 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// TestChoose: several ways to sign in are offered, each with where to come back to
// and what a step-up asks for.
func TestChoose(t *testing.T) {
	w := newEnv(t)
	w.Methods = append(w.Methods, other{"staff"})
	body := w.visit("GET", LoginPath+"?return_to=%2Fmail&acr_values=high&evil=1&login=unknown", nil).Body.String()
	for _, want := range []string{
		`<a href="/.policy_auth/login?acr_values=high&amp;login=form&amp;return_to=%2Fmail">Username and password</a>`,
		`<a href="/.policy_auth/login?acr_values=high&amp;login=staff&amp;return_to=%2Fmail">Example &lt;staff&gt;</a>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if answer := w.visit("GET", w.URL("/mail", "staff", nil), nil); answer.Header().Get("Location") != "https://id.example.com/?back=%2Fmail" {
		t.Errorf("%v", answer.Header())
	}
	if body := w.visit("GET", w.URL("/mail", "form", nil), nil).Body.String(); !strings.Contains(body, `action="/.policy_auth/login?login=form&amp;return_to=%2Fmail"`) {
		t.Error(body)
	}
}

// TestInsecure: R-HTTP-5, R-CK-2. Nobody is asked for a password where others can listen.
func TestInsecure(t *testing.T) {
	w := newEnv(t)
	w.https = false
	for _, path := range []string{LoginPath, LogoutPath} {
		answer := w.visit("GET", path, nil)
		if answer.Code != 403 || strings.Contains(answer.Body.String(), "<form") || answer.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
		if e := w.lastEvent(); e.Reason != authenticator.ReasonInsecureTransport {
			t.Errorf("event %+v", e)
		}
	}
}

// TestLogout: R-LO-1, R-CACHE-1, T-38. Signing out takes a button, ends the session and the
// cookie, and the old cookie is worth nothing afterwards.
func TestLogout(t *testing.T) {
	w := newEnv(t)
	w.signIn("alice", password, "/")
	before, _ := w.current()
	page := w.visit("GET", LogoutPath, nil)
	if body := page.Body.String(); page.Code != 200 || !strings.Contains(body, `<form method="post" action="/.policy_auth/logout">`) || !strings.Contains(body, "<strong>alice</strong>") {
		t.Errorf("%d %s", page.Code, page.Body)
	}
	if _, err := w.current(); err != nil {
		t.Fatal("looking is enough to be signed out")
	}
	if answer := w.visit("POST", LogoutPath, nil, "Sec-Fetch-Site", "cross-site"); answer.Code != 403 {
		t.Errorf("another site signs out: %d", answer.Code)
	}
	old := w.cookies["__Host-policy_auth"]
	answer := w.visit("POST", LogoutPath, nil)
	if answer.Code != 303 || answer.Header().Get("Location") != LogoutPath || answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("Set-Cookie") != "__Host-policy_auth=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	if e := w.lastEvent(); e.Kind != SignedOut || e.Login != "form" || e.Identity.ID != before.Identity.ID {
		t.Errorf("event %+v", e)
	}
	w.cookies["__Host-policy_auth"] = old
	if _, err := w.current(); err == nil {
		t.Error("the old cookie still works")
	}
	page = w.visit("GET", LogoutPath, nil)
	if body := page.Body.String(); !strings.Contains(body, "Signed out") || !strings.Contains(body, `href="/.policy_auth/login"`) || w.cookies["__Host-policy_auth"] != "" {
		t.Errorf("%s, %v", body, w.cookies)
	}
	if answer := w.visit("POST", LogoutPath, nil); answer.Code != 303 {
		t.Errorf("twice: %d", answer.Code)
	}
}

// TestLeave: a method may have somewhere to send those who signed out.
func TestLeave(t *testing.T) {
	w := newEnv(t, other{"staff"})
	if answer := w.visit("GET", CallbackPath+"staff?to=%2Fmail", nil); answer.Header().Get("Location") != "/mail" {
		t.Fatalf("%v", answer.Header())
	}
	if answer := w.visit("POST", LogoutPath, nil); answer.Header().Get("Location") != "https://id.example.com/logout" {
		t.Errorf("%v", answer.Header())
	}
	if answer := w.visit("GET", CallbackPath+"staff?to=//evil.example", nil); answer.Header().Get("Location") != "/" {
		t.Errorf("a method leads elsewhere: %v", answer.Header())
	}
}

// TestStoreDown: R-401-6. A store that cannot tell is a 503, never a wrong password.
func TestStoreDown(t *testing.T) {
	w := newEnv(t)
	w.signIn("alice", password, "/")
	page := w.visit("GET", w.URL("/", "", nil), nil).Body.String()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"username": {"alice"}, "password": {password}, "token": {tokenForm.FindStringSubmatch(page)[1]}}
	for _, answer := range []*httptest.ResponseRecorder{w.visit("POST", LoginPath, form), w.visit("GET", LogoutPath, nil), w.visit("POST", LogoutPath, nil)} {
		if answer.Code != 503 || answer.Header().Get("Retry-After") == "" {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
		if e := w.lastEvent(); e.Reason != authenticator.ReasonStoreUnavailable || e.Err == nil {
			t.Errorf("event %+v", e)
		}
	}
}

// TestN51CookieDomain: on a host that the cookie's domain does not cover, the page
// and the log say so, and do not speak of a connection that is not secure.
func TestN51CookieDomain(t *testing.T) {
	w := newEnv(t)
	config := session.Config{Logins: []string{w.Methods[0].ID()}, Cookie: session.Cookie{Domain: "sub.example.com"}, Now: func() time.Time { return w.now }}
	sessions, err := session.New(w.Sessions.Registry(), config)
	if err != nil {
		t.Fatal(err)
	}
	w.Sessions = sessions
	answer := w.visit("GET", w.URL("/", "", nil), nil, "Accept", "text/html")
	if body := answer.Body.String(); answer.Code != 403 || !strings.Contains(body, "No sign-in at this address") || strings.Contains(body, "not secure") {
		t.Errorf("%d %s", answer.Code, body)
	}
	e := w.lastEvent()
	if e.Reason != authenticator.ReasonCookieDomain || !errors.Is(e.Err, session.ErrCookieDomain) || len(e.Details) != 1 || !strings.Contains(e.Details[0].Value, "change cookie_domain, or remove it") {
		t.Errorf("event %+v", e)
	}
	w.https = false
	if w.visit("GET", w.URL("/", "", nil), nil); w.lastEvent().Reason != authenticator.ReasonInsecureTransport {
		t.Errorf("over plain HTTP: %+v", w.lastEvent())
	}
}

// TestLocalHostOfOthers: a Host header that names a loopback host does not make a
// connection from another machine secure.
func TestLocalHostOfOthers(t *testing.T) {
	w := newEnv(t)
	w.https = false
	r := httptest.NewRequest("GET", "http://localhost"+LoginPath, nil)
	recorder := httptest.NewRecorder()
	if !w.Serve(w.visitOf(recorder, r)) || recorder.Code != 403 || w.lastEvent().Reason != authenticator.ReasonInsecureTransport {
		t.Errorf("%d %+v", recorder.Code, w.lastEvent())
	}
}
