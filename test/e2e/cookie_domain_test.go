//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestE2E_N51CookieDomain: a cookie_domain that does not cover the site's host is an
// error at load; where the hosts are not known, the page and the log of a sign-in say
// what is wrong.
func TestE2E_N51CookieDomain(t *testing.T) {
	w := newEnv(t)
	site := "policy_auth {\n" + strings.Replace(formSite, "session {", "session {\n cookie_domain example.com", 1) + "}\nrespond ok"
	config, _, _ := w.secureSite("Caddyfile", "app.test", site)
	validate := exec.Command(binary(t), "validate", "--config", config)
	validate.Dir = w.Dir
	output, err := validate.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "cookie_domain example.com does not cover app.test, a host of this site") {
		t.Errorf("N-51 at load: %v\n%s", err, output)
	}
	listen, admin := port(t), "127.0.0.1:"+port(t)
	w.Write("Caddyfile", "{\n admin "+admin+"\n auto_https off\n}\nhttp://:"+listen+" {\n"+strings.ReplaceAll(site, "DIR", w.Dir)+"\n}\n")
	s := start(t, w.Dir, "Caddyfile", admin)
	status, _, body := do(t, "GET", "http://127.0.0.1:"+listen+"/.policy_auth/login", "", "Accept", "text/html")
	if status != 403 || !strings.Contains(body, "No sign-in at this address") {
		t.Errorf("N-51 at run time: %d %s", status, body)
	}
	eventually(t, "the log says why", func() bool {
		return strings.Contains(s.logged(), `"reason":"cookie_domain"`) && strings.Contains(s.logged(), "the host 127.0.0.1 is not in the domain example.com")
	})
}
