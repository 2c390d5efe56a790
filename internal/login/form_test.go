package login

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// TestForm: somebody signs in by the form, comes back to the page that was asked
// for, and is known.
//
// R-CACHE-1
func TestForm(t *testing.T) {
	w := newEnv(t)
	page := w.visit("GET", w.URL("/mail?x=1&y=%20", "", nil), nil)
	body := page.Body.String()
	for _, want := range []string{
		`autocomplete="username"`, `autocomplete="current-password"`, `method="post"`, "<html lang=\"en\">",
		`action="/.policy_auth/login?return_to=%2Fmail%3Fx%3D1%26y%3D%2520"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Contains(body, "<script") || page.Code != 200 || page.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", page.Code, page.Header())
	}
	answer := w.signIn("alice", password, "/mail?x=1&y=%20")
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/mail?x=1&y=%20" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", answer.Code, answer.Header())
	}
	found, err := w.current()
	if err != nil || found.Identity.ID != "alice" || found.Identity.AMR[0] != "pwd" || found.Identity.AuthTime != w.now.Unix() {
		t.Errorf("%+v, %v", found, err)
	}
	if e := w.lastEvent(); e.Kind != SignedIn || e.Login != "form" || e.Identity.ID != "alice" {
		t.Errorf("event %+v", e)
	}
	if _, left := w.cookies["__Host-policy_auth_login"]; left {
		t.Error("the form's cookie is left")
	}
}

// TestN56FormRefuses: R-401-7, R-401-1. Wrong, unknown and disabled look alike to the
// byte but for the name that was typed, which stays to be mended, and only the log
// tells them apart.
func TestN56FormRefuses(t *testing.T) {
	w := newEnv(t)
	var first string
	tests := []struct {
		name, password string
		reason         authenticator.Reason
		cause          authenticator.Cause
		candidate      string
	}{
		{"alice", "wrong", authenticator.ReasonCredentialsInvalid, authenticator.CausePasswordWrong, "alice"},
		{"no such user", password, authenticator.ReasonCredentialsInvalid, authenticator.CauseUserUnknown, ""},
		{"carol", password, authenticator.ReasonAccountDisabled, "", "carol"},
		{"carol", "wrong", authenticator.ReasonCredentialsInvalid, authenticator.CausePasswordWrong, "carol"},
		{`{{"<b>`, "", authenticator.ReasonCredentialsInvalid, authenticator.CauseUserUnknown, ""},
	}
	for _, test := range tests {
		answer := w.signIn(test.name, test.password, "/x")
		kept := `value="` + strings.ReplaceAll(html.EscapeString(test.name), "{", "{\u2060") + `" `
		var b strings.Builder
		answer.Header().Del("Content-Length") // the name's
		_ = answer.Header().Write(&b)
		b.WriteString(strings.Replace(answer.Body.String(), kept, "", 1))
		if !strings.Contains(answer.Body.String(), kept) || !strings.Contains(answer.Body.String(), `"current-password" required autofocus`) {
			t.Errorf("%s is not kept: %s", test.name, answer.Body)
		}
		if first == "" {
			first = b.String()
		}
		if b.String() != first {
			t.Errorf("%s is told apart:\n%s\n%s", test.name, b.String(), first)
		}
		challenges, err := challengetest.Read(answer.Header())
		if answer.Code != 401 || err != nil || len(challenges) != 1 || challenges[0].Scheme != "Session" {
			t.Errorf("%s: %d %v %v", test.name, answer.Code, challenges, err)
		}
		if e := w.lastEvent(); e.Kind != Failed || e.Reason != test.reason || e.Cause != test.cause || e.Candidate != test.candidate || strings.Contains(fmt.Sprint(e.Details), test.name) {
			t.Errorf("%s: event %+v", test.name, e)
		}
	}
	if _, err := w.current(); err == nil {
		t.Error("somebody is signed in")
	}
	if !strings.Contains(first, `role="alert"`) || !strings.Contains(first, "Incorrect username or password") {
		t.Errorf("nothing is said: %s", first)
	}
}

// TestFormThrottled: R-BA-9. Guessing is slowed down, by 429 and Retry-After, also
// for the right password; nobody suffers on a network that they sign in from.
func TestFormThrottled(t *testing.T) {
	w := newEnv(t)
	w.signIn("alice", password, "/")
	home := w.client
	w.client = home.Next()
	for range 5 {
		if answer := w.signIn("alice", "guess", "/"); answer.Code != 401 {
			t.Fatal(answer.Code)
		}
	}
	for _, password := range []string{"guess", password} {
		answer := w.signIn("alice", password, "/")
		if answer.Code != 429 || answer.Header().Get("Retry-After") != "60" || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
		if e := w.lastEvent(); e.Reason != authenticator.ReasonThrottled || e.Status != 429 {
			t.Errorf("event %+v", e)
		}
	}
	w.client = home
	if answer := w.signIn("alice", password, "/"); answer.Code != 303 {
		t.Errorf("alice is locked out: %d", answer.Code)
	}
	w.client = home.Next()
	w.advance(time.Minute)
	if answer := w.signIn("alice", password, "/"); answer.Code != 303 {
		t.Errorf("for good: %d", answer.Code)
	}
}

// TestS28FormBusy: where there is no room for an attempt, the answer is 503 with
// Retry-After, and tells nothing of the password.
func TestS28FormBusy(t *testing.T) {
	w := newEnv(t)
	w.Methods[0].(*Form).Verify = func(context.Context, string, string, netip.Addr) users.Result {
		return users.Result{Reason: authenticator.ReasonBusy, RetryAfter: 2 * time.Second}
	}
	answer := w.signIn("alice", password, "/")
	if answer.Code != 503 || answer.Header().Get("Retry-After") != "2" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	if e := w.lastEvent(); e.Reason != authenticator.ReasonBusy || e.Status != 503 || e.Kind != Failed {
		t.Errorf("event %+v", e)
	}
}

// TestFormForged: R-CSRF-1, T-57. What is not our own form, in the browser that we
// gave it to, signs nobody in.
func TestFormForged(t *testing.T) {
	good := func(token string) url.Values {
		return url.Values{"username": {"alice"}, "password": {password}, "token": {token}}
	}
	tests := []struct {
		name   string
		change func(w *env, form url.Values)
		header []string
		status int
	}{
		{"ours", func(*env, url.Values) {}, nil, 303},
		{"no token", func(_ *env, f url.Values) { f.Del("token") }, nil, 400},
		{"another token", func(_ *env, f url.Values) { f.Set("token", strings.Repeat("A", 43)) }, nil, 400},
		{"another browser", func(w *env, _ url.Values) { w.cookies["__Host-policy_auth_login"] = randomToken() }, nil, 400},
		{"no cookie", func(w *env, _ url.Values) { delete(w.cookies, "__Host-policy_auth_login") }, nil, 400},
		{"two names", func(_ *env, f url.Values) { f.Add("username", "bob") }, nil, 400},
		{"no password", func(_ *env, f url.Values) { f.Del("password") }, nil, 400},
		{"too large", func(_ *env, f url.Values) { f.Set("x", strings.Repeat("x", maxFormBytes)) }, nil, 400},
		{"a document", func(*env, url.Values) {}, []string{"Content-Type", "application/json"}, 400},
		{"plain text", func(*env, url.Values) {}, []string{"Content-Type", "text/plain"}, 400},
		{"a bad media type", func(*env, url.Values) {}, []string{"Content-Type", "application/x-www-form-urlencoded; a"}, 400},
		{"another site's page", func(*env, url.Values) {}, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a neighbour's page", func(*env, url.Values) {}, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"another site's page, for an old browser", func(*env, url.Values) {}, []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t)
			page := w.visit("GET", LoginPath, nil).Body.String()
			form := good(tokenForm.FindStringSubmatch(page)[1])
			test.change(w, form)
			answer := w.visit("POST", LoginPath, form, test.header...)
			if answer.Code != test.status {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
			if _, err := w.current(); (err == nil) != (test.status == 303) {
				t.Errorf("signed in: %v", err)
			}
		})
	}
}

// TestFormReturns: R-OID-11, T-40. The form leads nowhere else, wherever it was
// asked to.
func TestFormReturns(t *testing.T) {
	w := newEnv(t)
	for _, target := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/.policy_auth/logout"} {
		address := LoginPath + "?return_to=" + url.QueryEscape(target)
		page := w.visit("GET", address, nil).Body.String()
		form := url.Values{"username": {"alice"}, "password": {password}, "token": {tokenForm.FindStringSubmatch(page)[1]}}
		if answer := w.visit("POST", address, form); answer.Code != 303 || answer.Header().Get("Location") != "/" {
			t.Errorf("%q leads to %v", target, answer.Header())
		}
	}
}

// TestRevalidate: R-401-8. A session is whose the file of users says now.
func TestRevalidate(t *testing.T) {
	tests := []struct {
		name   string
		users  []string
		reason authenticator.Reason
	}{
		{"as before", nil, ""},
		{"disabled", []string{"    disabled: true\n"}, authenticator.ReasonAccountDisabled},
		{"expired", []string{"    expires: 2001-01-01T00:00:00Z\n"}, authenticator.ReasonAccountDisabled},
		{"removed", []string{}, authenticator.ReasonAccountDisabled},
		{"another role", []string{"    roles: [owner]\n"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t)
			alice, dave := account("alice", hash(), ""), account("dave", hash(), "")
			w.setUsers(alice, dave)
			w.signIn("alice", password, "/")
			found, err := w.current()
			if err != nil {
				t.Fatal(err)
			}
			if test.users != nil {
				w.setUsers(dave)
			}
			for _, more := range test.users {
				w.setUsers(alice + more)
			}
			outcome := w.Methods[0].Revalidate(context.Background(), w.Sessions, found)
			if outcome.Reason != test.reason || (outcome.Verdict == authenticator.Accepted) != (test.reason == "") {
				t.Fatalf("%+v", outcome)
			}
			if test.reason == "" && (outcome.Identity.Method != "session" || outcome.Identity.AuthTime != w.now.Unix() || len(outcome.Identity.Roles) != len(test.users)) {
				t.Errorf("%+v", outcome.Identity)
			}
		})
	}
}

// TestRevalidatePassword: another password ends sessions, as another person's does
// who has the same name in another file.
func TestRevalidatePassword(t *testing.T) {
	w := newEnv(t)
	w.signIn("alice", password, "/")
	found, _ := w.current()
	w.setUsers(account("alice", newHash(), "")) // the same password with another salt counts as another
	if outcome := w.Methods[0].Revalidate(context.Background(), w.Sessions, found); outcome.Verdict == authenticator.Accepted || outcome.Reason != authenticator.ReasonSessionRevoked {
		t.Errorf("%+v", outcome)
	}
}

// TestFormProgram: a program that signs in is answered with a document.
func TestFormProgram(t *testing.T) {
	w := newEnv(t)
	page := w.visit("GET", LoginPath, nil).Body.String()
	form := url.Values{"username": {"alice"}, "password": {"wrong"}, "token": {tokenForm.FindStringSubmatch(page)[1]}}
	answer := w.visit("POST", LoginPath, form, "Accept", "application/json")
	if answer.Code != 401 || answer.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(answer.Body.String(), `"login_url":"/.policy_auth/login"`) {
		t.Errorf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
}
