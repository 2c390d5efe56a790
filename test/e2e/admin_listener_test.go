//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestE2E_S42AdminListener: a policy that may use http.send does not reach Caddy's
// admin endpoint, by whatever address or redirect; the log says why. Other servers of
// this machine answer it.
func TestE2E_S42AdminListener(t *testing.T) {
	w := newEnv(t)
	admin := "127.0.0.1:" + port(t)
	var target string
	friend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		}
	}))
	defer friend.Close()
	_, number, _ := strings.Cut(admin, ":")
	target = "http://localhost:" + number + "/stop"
	w.Write("policies/authz.rego", `package caddy.authz

default allow := false

target := {
	"/friend": "`+friend.URL+`/",
	"/redirect": "`+friend.URL+`/redirect",
	"/address": "http://`+admin+`/config/",
	"/name": "http://localhost:`+number+`/config/",
	"/unspecified": "http://0.0.0.0:`+number+`/config/",
	"/ipv6": "http://[::ffff:127.0.0.1]:`+number+`/config/",
}[input.request.path]

allow if http.send({"method": "get", "url": target, "enable_redirect": true}).status_code == 200
`)
	listen := port(t)
	w.Write("Caddyfile", "{\n admin "+admin+"\n auto_https off\n}\nhttp://127.0.0.1:"+listen+" {\npolicy_auth {\n policies "+w.Dir+"/policies {\n  builtins allow http.send\n  timeout 2s\n }\n}\nrespond reached\n}\n")
	s := start(t, w.Dir, "Caddyfile", admin)
	url := "http://127.0.0.1:" + listen
	if status, _, body := do(t, "GET", url+"/friend", ""); status != 200 || body != "reached" {
		t.Fatalf("S-42 another server: %d %s\n%s", status, body, s.logged())
	}
	for i, path := range []string{"/address", "/name", "/unspecified", "/ipv6", "/redirect"} {
		if status, _, _ := do(t, "GET", url+path, ""); status != 500 {
			t.Errorf("S-42 %s: %d", path, status)
		}
		eventually(t, "the log says why "+path+" is refused", func() bool {
			return strings.Count(s.logged(), "is Caddy's admin endpoint, which policies") > i
		})
	}
	if status, _, _ := do(t, "GET", s.admin+"/policy_auth/policies", ""); status != 200 {
		t.Errorf("S-42 the admin endpoint: %d", status)
	}
}
