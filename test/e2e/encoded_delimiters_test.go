//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestE2E_N03_EncodedDelimiters: a path that Caddy's rewrite cuts at an encoded "?" or "#" is judged as
// what is left of it (N-02, N-03, S-05, S-06).
func TestE2E_N03_EncodedDelimiters(t *testing.T) {
	w := newEnv(t)
	w.Write("www/admin/keys.txt", "SECRET")
	w.Write("www/top.txt", "SECRET")
	w.Write("www/files/100%25.txt", "open")
	w.Write("decoded.yaml", "rules:\n  - paths: [/app/admin/*, /app/top.txt]\n    allow: [{roles: [admin]}]\n  - allow: [{anyone: true}]\n")
	_, url := w.serve("route {\n policy_auth {\n basic {\n users DIR/users.yaml\n }\n access DIR/decoded.yaml\n }\n @app path_regexp app ^/app/(.*)$\n rewrite @app /{re.app.1}\n root DIR/www\n file_server\n}")
	k := &keptAlive{address: strings.TrimPrefix(url, "http://"), name: "127.0.0.1"}
	defer k.close()
	for target, want := range map[string]int{
		"/app/%2561dmin/keys.txt": 401, "/app/admin%252fkeys.txt": 401, "/app/docs/%252e%252e/admin/keys.txt": 400, "/app/top.txt%3f": 401, "/app/top.txt%23": 401,
		"/app/top.txt%253fx": 401, "/app/%252525252561dmin/keys.txt": 400, "/files/100%2525.txt": 200, "/app/top.txt": 401,
	} {
		if status, body, err := k.send("GET", target, ""); status != want || strings.Contains(body, "SECRET") {
			t.Errorf("%s: %d %q %v, want %d", target, status, body, err, want)
		}
	}
}

// TestE2E_N06_Override: what PHP takes for _method is held against a rule's methods (N-06,
// S-06).
func TestE2E_N06_Override(t *testing.T) {
	c := newChained(t)
	c.env.Write("www/index.php", "<?php echo $_GET['_method'] ?? 'none';")
	c.env.Write("chain.yaml", "rules:\n  - paths: [/*]\n    allow: [{anyone: true, methods: [GET]}]\n")
	php := "\nroot DIR/www\n php_fastcgi PHP"
	c.add(t, "route {\n"+chainPolicy+php+"\n}", "")
	c.add(t, "route {"+php+"\n}", "")
	c.start(t)
	with, without := &keptAlive{address: c.addresses[0]}, &keptAlive{address: c.addresses[1]}
	defer with.close()
	defer without.close()
	seen := 0
	for _, query := range []string{"_method=DELETE", ".method=DELETE", "+_method=DELETE", "%20.method=DELETE", "[method=DELETE", "_method%00x=DELETE", "a=1;_method=DELETE", "%5b_method=DELETE"} {
		if _, body, _ := without.send("GET", "/index.php?"+query, ""); body == "DELETE" {
			seen++
		}
		if status, body, err := with.send("GET", "/index.php?"+query, ""); status != 401 {
			t.Errorf("%s: %d %q %v", query, status, body, err)
		}
	}
	if seen < 3 {
		t.Errorf("PHP itself sees %d overrides", seen)
	}
	for _, query := range []string{"method=DELETE", "_method=GET", "x=_method"} {
		if status, body, err := with.send("GET", "/index.php?"+query, ""); status != 200 {
			t.Errorf("%s: %d %q %v", query, status, body, err)
		}
	}
}

// TestE2E_N04_Scripts: a PHP script, and what follows it in a path, are held against the
// rules that name them.
func TestE2E_N04_Scripts(t *testing.T) {
	c := newChained(t)
	c.env.Write("www/admin.php", "<?php echo 'SEC'.'RET';")
	c.env.Write("www/index.php", "<?php echo $_SERVER['PATH_INFO'] ?? 'none';")
	c.env.Write("chain.yaml", "rules:\n  - paths: [/admin.php, /admin/*]\n    allow: [{roles: [admin]}]\n  - allow: [{anyone: true}]\n")
	php := "\nroot DIR/www\n php_fastcgi PHP"
	c.add(t, "route {\n"+chainPolicy+php+"\n}", "")
	c.add(t, "route {"+php+"\n}", "")
	c.start(t)
	with, without := &keptAlive{address: c.addresses[0]}, &keptAlive{address: c.addresses[1]}
	defer with.close()
	defer without.close()
	for target, served := range map[string]string{"/admin.php/x": "SECRET", "/admin.php%2fx": "SECRET", "/index.php/admin/users": "/admin/users", "/index.php%2fadmin/x": "/admin/x"} {
		if _, body, err := without.send("GET", target, ""); body != served {
			t.Errorf("%s without policy_auth: %q %v", target, body, err)
		}
		if status, body, err := with.send("GET", target, ""); status != 401 {
			t.Errorf("%s: %d %q %v", target, status, body, err)
		}
	}
	if status, body, err := with.send("GET", "/index.php/users", ""); status != 200 || body != "/users" {
		t.Errorf("what no rule names: %d %q %v", status, body, err)
	}
}

// TestE2E_N08_Redirect: where a policy sends a caller stays on the origin after dots are
// resolved.
func TestE2E_N08_Redirect(t *testing.T) {
	w := newEnv(t)
	w.Write("p/p.rego", "package caddy.authz\n\ndefault decision := {\"allow\": false}\n\ndecision := {\"allow\": false, \"redirect\": {\"to\": input.request.query.to[0]}}\n")
	_, url := w.serve("policy_auth {\n basic {\n users DIR/users.yaml\n }\n policies DIR/p {\n decision data.caddy.authz.decision\n }\n }")
	for to, want := range map[string]string{"/welcome": "/welcome", "/x/..//evil.example": "/", "/x/%252e%252e//evil.example": "/"} {
		if status, header, _ := do(t, "GET", url+"/?to="+to, "bob"); status != 303 || header.Get("Location") != want {
			t.Errorf("%s: %d %q", to, status, header.Get("Location"))
		}
	}
}
