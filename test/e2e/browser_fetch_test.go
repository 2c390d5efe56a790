//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// fetchSite is a site with a public page and a method of two.
const fetchSite = "policy_auth {\n" + basicSite + "METHOD}\nrespond /public/page `<!doctype html><title>page</title><p>page</p>`\nrespond protected"

// fetchScript asks for a protected path and keeps the status of the answer,
// which a script gets only when no dialog of the browser is in between.
const fetchScript = "window.seen = ''; fetch('/mail', {headers: HEADERS}).then(answer => window.seen = String(answer.status))"

// TestE2E_N41FetchChallenge: a browser's fetch on a site with a login and Basic gets its 401;
// Chromium opens its own password dialog where Basic is the only challenge.
//
// R-CH-9
func TestE2E_N41FetchChallenge(t *testing.T) {
	w := newEnv(t)
	window := openWindow(t)
	ask := func(method, headers string) (*server, func() string) {
		s, url := w.serve(strings.Replace(fetchSite, "METHOD", method, 1))
		window.visit(url + "/public/page")
		window.run(strings.Replace(fetchScript, "HEADERS", headers, 1))
		return s, func() (seen string) {
			_ = window.try("POST", "/execute/sync", map[string]any{"script": "return window.seen", "args": []any{}}, &seen)
			return seen
		}
	}
	form := "login form {\n users DIR/users.yaml\n }\n session {\n store file DIR/store.db\n }\n"
	for name, headers := range map[string]string{"fetch": "{}", "X-Requested-With": "{'X-Requested-With': 'XMLHttpRequest', Accept: 'text/html'}"} {
		_, seen := ask(form, headers)
		eventually(t, name+" has its 401", func() bool { return seen() == "401" })
	}
	s, seen := ask("", "{}")
	s.wantLogged("\"/mail\"")
	time.Sleep(time.Second) // a dialog is open: nothing comes
	if got := seen(); got != "" {
		t.Errorf("where Basic is alone, fetch got %q without a dialog: this test shows nothing", got)
	}
}

// TestE2E_N43OldBrowsers: a script of an old browser is not sent to sign in, a page is.
//
// R-PAGE-6
func TestE2E_N43OldBrowsers(t *testing.T) {
	w := newEnv(t)
	_, url := w.serve("policy_auth {\n" + formSite + "}\nrespond protected")
	const html = "text/html, */*; q=0.01"
	if status, header, _ := do(t, "GET", url+"/mail", "", "Accept", html, "X-Requested-With", "XMLHttpRequest"); status != 401 || header.Get("Location") != "" {
		t.Errorf("a script: %d %v", status, header)
	}
	if status, _, _ := do(t, "GET", url+"/mail", "", "Accept", html); status != 303 {
		t.Errorf("a page: %d", status)
	}
}

// TestE2E_N47Icons: a browser that shows our pages asks for no icon of the site; on the
// site's own page without one, it does.
func TestE2E_N47Icons(t *testing.T) {
	w := newEnv(t)
	window := openWindow(t)
	s, url := w.serve("log\npolicy_auth {\n" + jwtSite + "access DIR/access.yaml\n}\nrespond /public/page `<!doctype html><title>page</title><p>page</p>`\nrespond protected")
	window.visit(url + "/mail")
	window.wantText("Sign in")
	window.visit(url + "/admin/")
	window.visit(url + "/public/page")
	icons := func() (lines []string) {
		for line := range strings.Lines(s.logged()) {
			if strings.Contains(line, "handled request") && strings.Contains(line, `"uri":"/favicon.ico"`) {
				lines = append(lines, line)
			}
		}
		return lines
	}
	eventually(t, "a page without an icon has the browser ask for one", func() bool { return len(icons()) > 0 })
	for _, line := range icons() {
		if !strings.Contains(line, url+"/public/page") {
			t.Errorf("a page of ours has the browser ask for an icon: %s", line)
		}
	}
}
