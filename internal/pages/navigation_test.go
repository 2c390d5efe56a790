package pages

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestN43Navigation: what a browser says of a request itself counts; without
// that, X-Requested-With tells a script's.
//
// R-PAGE-6
func TestN43Navigation(t *testing.T) {
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	tests := []struct {
		name               string
		lines              []string
		navigation, script bool
	}{
		{"a browser's navigation", []string{"Sec-Fetch-Mode", "navigate", "Accept", html}, true, false},
		{"an old browser's", []string{"Accept", html}, true, false},
		{"a program", []string{"Accept", "*/*"}, false, false},
		{"fetch", []string{"Sec-Fetch-Mode", "cors", "Accept", html}, false, true},
		{"two modes", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Mode", "cors", "Accept", html}, false, true},
		{"an empty mode", []string{"Sec-Fetch-Mode", "", "Accept", html}, false, true},
		{"N-43 jQuery without Sec-Fetch", []string{"X-Requested-With", "XMLHttpRequest", "Accept", html}, false, true},
		{"N-43 another library", []string{"X-Requested-With", "fetch", "Accept", html}, false, true},
		{"N-43 Android's WebView", []string{"X-Requested-With", "com.example.app", "Accept", html}, true, false},
		{"N-43 WebView with Sec-Fetch", []string{"X-Requested-With", "com.example.app", "Sec-Fetch-Mode", "navigate"}, true, false},
		{"N-43 an empty X-Requested-With", []string{"X-Requested-With", "", "Accept", html}, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			for i := 0; i+1 < len(test.lines); i += 2 {
				r.Header.Add(test.lines[i], test.lines[i+1])
			}
			if IsNavigation(r) != test.navigation || IsScript(r) != test.script {
				t.Errorf("navigation %v, script %v", IsNavigation(r), IsScript(r))
			}
		})
	}
}

// TestN41Dialogs: a script is offered no scheme that opens a browser's dialog
// while there is another, or a login; only what depends on it is in Vary.
//
// R-CH-9, R-CACHE-2
func TestN41Dialogs(t *testing.T) {
	p := open(t, Config{})
	realm := func(scheme string) authenticator.Challenge { return challenge(scheme, "realm", "r") }
	tests := []struct {
		name       string
		challenges []authenticator.Challenge
		login      string
		want       []string
		varies     bool
	}{
		{"another scheme", []authenticator.Challenge{realm("Basic"), realm("Bearer")}, "", []string{`Bearer realm="r"`}, true},
		{"other dialogs", []authenticator.Challenge{realm("digest"), realm("Negotiate"), realm("NTLM"), realm("Session")}, "", []string{`Session realm="r"`}, true},
		{"nothing else", []authenticator.Challenge{realm("Basic")}, "", []string{`Basic realm="r"`}, false},
		{"a login alone", []authenticator.Challenge{realm("Basic")}, "/login", []string{`Session realm="restricted"`}, true},
		{"no dialog", []authenticator.Challenge{realm("Bearer")}, "", []string{`Bearer realm="r"`}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := refuse(http.StatusUnauthorized, authenticator.ReasonCredentialsMissing)
			d.Challenges, d.LoginURL, d.Script = test.challenges, test.login, true
			got := ask(t, p, d)
			if !slices.Equal(got.Header["Www-Authenticate"], test.want) || slices.Contains(got.Header["Vary"], "Sec-Fetch-Mode") != test.varies {
				t.Errorf("%v", got.Header)
			}
			d.Script = false
			if got := ask(t, p, d); len(got.Header["Www-Authenticate"]) != len(test.challenges) || slices.Contains(got.Header["Vary"], "X-Requested-With") != test.varies {
				t.Errorf("for others %v", got.Header)
			}
		})
	}
}

// TestN47Icon: the pages that people see have an empty icon, so that browsers ask
// for none.
func TestN47Icon(t *testing.T) {
	const icon = `<link rel="icon" href="data:,">`
	p := open(t, Config{})
	if page := bodyOf(t, p, refuse(http.StatusForbidden, authenticator.ReasonPolicyDenied), "Accept", asHTML); !strings.Contains(page, icon) {
		t.Error("a refusal has no icon")
	}
	recorder := httptest.NewRecorder()
	if err := p.WriteSignIn(recorder, httptest.NewRequest(http.MethodGet, "/", nil), SignInPage{Kind: PasswordLogin}); err != nil || !strings.Contains(recorder.Body.String(), icon) {
		t.Errorf("a sign-in page has no icon: %v", err)
	}
}
