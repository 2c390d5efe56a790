//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestE2E_S09Fixation: an application behind a site cannot sign its visitors in as
// another user, and installs no service worker where passwords are typed, as a real
// browser sees it.
func TestE2E_S09Fixation(t *testing.T) {
	w := newEnv(t)
	evil := strings.Repeat("A", 43)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch r.URL.Path {
		case "/public/sw.js":
			h.Set("Content-Type", "text/javascript")
			h.Set("Service-Worker-Allowed", "/")
			return
		case "/public/set":
			for _, line := range []string{"a=1; Path=/", "__Host-policy_auth=%s; Path=/; Secure", "=__Host-policy_auth=%s; Path=/; Secure", "__Host-policy_auth_login=%s; Path=/; Secure"} {
				h.Add("Set-Cookie", strings.ReplaceAll(line, "%s", evil))
			}
		}
		h.Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<title>app</title>here")
	}))
	defer upstream.Close()
	config, admin, site := w.secureSite("Caddyfile", "app.test", "policy_auth {\n"+formSite+"}\nreverse_proxy "+strings.TrimPrefix(upstream.URL, "http://"))
	s := start(t, w.Dir, config, admin)
	b := openWindow(t)
	b.visit(site + "/public/set")
	b.wantText("here")
	if cookies := b.cookies(); len(cookies) != 1 || cookies["a"]["value"] != "1" {
		t.Errorf("S-09 the browser has %v", cookies)
	}
	const register = "return navigator.serviceWorker.register('/public/sw.js', {scope: '/'}).then(() => 'installed', e => e.name + ' ' + e.message)"
	if got := fmt.Sprint(b.run(register)); !strings.Contains(got, "403") {
		t.Errorf("S-09 the service worker: %s", got)
	}
	eventually(t, "the log tells of both", func() bool {
		log := s.logged()
		return strings.Contains(log, "sets a cookie of policy_auth") && strings.Contains(log, `"codes":"service_worker"`)
	})
}
