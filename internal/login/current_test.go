package login

import (
	"html"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPresent: whoever is signed in and opens the sign-in page is told so, with a
// way on, a way out, and a way to sign in again.
func TestPresent(t *testing.T) {
	w := newEnv(t)
	w.signIn("alice", password, "/")
	page := w.visit("GET", LoginPath, nil)
	body := html.UnescapeString(page.Body.String())
	for _, want := range []string{"You are signed in as <strong>alice</strong>", `href="/"`, `<form method="post" action="/.policy_auth/logout">`, `href="/.policy_auth/login?login=form"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if h := page.Header(); page.Code != http.StatusOK || h.Get("Cache-Control") != "no-store" || !strings.Contains(strings.Join(h["Vary"], ","), "Cookie") || strings.Contains(body, "password") {
		t.Errorf("%d %v %s", page.Code, h, body)
	}
	if answer := w.visit("HEAD", LoginPath, nil); answer.Code != http.StatusOK || answer.Body.Len() > 0 {
		t.Errorf("HEAD: %d", answer.Code)
	}
	before, _ := w.current()
	if again := w.visit("GET", LoginPath+"?login=form", nil).Body.String(); tokenForm.FindStringSubmatch(again) == nil {
		t.Errorf("no form: %s", again)
	}
	w.signIn("alice", password, "/")
	if after, err := w.current(); err != nil || after.ID == before.ID {
		t.Errorf("signed in again: %v", err)
	}
	w.visit("POST", LogoutPath, nil)
	if body := w.visit("GET", LoginPath, nil).Body.String(); tokenForm.FindStringSubmatch(body) == nil {
		t.Errorf("signed out: %s", body)
	}
}

// TestPresentAsksForm: the form is shown to whoever is to sign in again, and to
// whoever is signed in no more.
func TestPresentAsksForm(t *testing.T) {
	tests := map[string]struct {
		target string
		change func(*env)
	}{
		"to come back":        {"?return_to=%2Fmail", nil},
		"by a login":          {"?login=form", nil},
		"a step up":           {"?acr_values=phr", nil},
		"a fresh sign-in":     {"?max_age=0", nil},
		"anonymous":           {"", func(w *env) { w.cookies = map[string]string{} }},
		"another's cookie":    {"", func(w *env) { w.cookies["__Host-policy_auth"] = randomToken() }},
		"an old session":      {"", func(w *env) { w.advance(24 * time.Hour) }},
		"a disabled account":  {"", func(w *env) { w.setUsers(account("alice", hash(), "    disabled: true\n")) }},
		"an account removed":  {"", func(w *env) { w.setUsers(account("bob", hash(), "")) }},
		"a store that is out": {"", func(w *env) { _ = w.store.Close() }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.signIn("alice", password, "/")
			if test.change != nil {
				test.change(w)
			}
			if body := w.visit("GET", LoginPath+test.target, nil).Body.String(); tokenForm.FindStringSubmatch(body) == nil {
				t.Errorf("no form: %s", body)
			}
		})
	}
}

// TestPresentOIDC: the provider is not asked anew for somebody who is signed in, but
// for whoever wants to sign in again; where there are several logins, people choose.
func TestPresentOIDC(t *testing.T) {
	p := newProvided(t, nil)
	p.signIn("/")
	if answer := p.visit("GET", LoginPath, nil); answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `href="/.policy_auth/login?login=id"`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := p.visit("GET", LoginPath+"?login=id", nil); answer.Code != http.StatusSeeOther || !strings.HasPrefix(answer.Header().Get("Location"), p.fake.URL) {
		t.Errorf("again: %d %v", answer.Code, answer.Header())
	}
	p.Methods = append(p.Methods, other{"staff"})
	if body := p.visit("GET", LoginPath, nil).Body.String(); !strings.Contains(body, `href="/.policy_auth/login?login="`) {
		t.Error(body)
	}
	if body := p.visit("GET", LoginPath+"?login=", nil).Body.String(); !strings.Contains(body, "Choose how") || !strings.Contains(body, "login=staff") {
		t.Error(body)
	}
}

// TestPresentName: T-39. A name is text, whoever chose it.
func TestPresentName(t *testing.T) {
	w := newEnv(t)
	w.setUsers(account("alice", hash(), "    name: \"<b>Al{{ice}}</b>\"\n"))
	w.signIn("alice", password, "/")
	if body := w.visit("GET", LoginPath, nil).Body.String(); strings.Contains(body, "<b>") || strings.Contains(body, "{{") || !strings.Contains(body, "&lt;b&gt;Al") {
		t.Error(body)
	}
}
