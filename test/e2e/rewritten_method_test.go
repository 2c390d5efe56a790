//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestE2E_N04_Method: the method that Caddy's method or rewrite makes of a request's is
// judged beside the client's own, by tables, Rego and matchers.
func TestE2E_N04_Method(t *testing.T) {
	w := newEnv(t)
	w.Write("methods.yaml", "rules:\n  - paths: [/*]\n    allow: [{roles: [admin]}, {anyone: true, methods: [GET, POST]}]\n")
	w.Write("p/p.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if input.request.method in {\"GET\", \"POST\"}\n")
	const users = "basic {\n users DIR/users.yaml\n }\n"
	change := "@verb query verb=*\n method @verb {query.verb}\n"
	answer := "respond \"SEEN {method}\"\n"
	for name, site := range map[string]string{
		"table":   change + "policy_auth {\n" + users + "access DIR/methods.yaml\n }\n" + answer,
		"rego":    change + "policy_auth {\n" + users + "policies DIR/p\n }\n" + answer,
		"a route": "route {\n @verb query verb=*\n method @verb {query.verb}\n policy_auth {\n" + users + "access DIR/methods.yaml\n }\n" + answer + "}\n",
		"matcher": change + "@writes method DELETE\n policy_auth @writes {\n" + users + "}\n" + answer,
	} {
		t.Run(name, func(t *testing.T) {
			_, url := w.serve(site)
			for _, test := range []struct {
				method, target, header string
				want                   int
			}{
				{"GET", "/x", "", 200}, {"GET", "/x?verb=post", "", 200}, {"GET", "/x?verb=delete", "", 401}, {"DELETE", "/x?verb=get", "", 401},
			} {
				if status, _, body := do(t, test.method, url+test.target, ""); status != test.want || status == 401 && strings.Contains(body, "SEEN") {
					t.Errorf("%s %s: %d %q, want %d", test.method, test.target, status, body, test.want)
				}
			}
			if status, _, body := do(t, "POST", url+"/x", "", "X-HTTP-Method-Override", "DELETE"); name == "matcher" && status != 401 {
				t.Errorf("an override: %d %q", status, body)
			}
		})
	}
}

// TestE2E_N04_Query: the query that Caddy's handlers make of a request's is judged beside
// the client's own, and rewrites that leave it as it is change nothing.
func TestE2E_N04_Query(t *testing.T) {
	w := newEnv(t)
	w.Write("p/p.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if not input.request.query.uid\n\nallow if input.identity.username in input.request.query.uid\n")
	w.Write("open.yaml", "rules:\n  - paths: [/*]\n    allow: [{anyone: true, methods: [GET]}]\n")
	const users = "basic {\n users DIR/users.yaml\n }\n"
	answer := "respond {uri}\n"
	t.Run("uri query", func(t *testing.T) {
		_, url := w.serve("uri query user>uid\n policy_auth {\n" + users + "policies DIR/p\n }\n" + answer)
		for target, want := range map[string]int{"/?user=alice": 401, "/?uid=alice": 401, "/?other=alice": 200} {
			if status, _, body := do(t, "GET", url+target, ""); status != want {
				t.Errorf("%s: %d %q, want %d", target, status, body, want)
			}
		}
		if status, _, body := do(t, "GET", url+"/?user=bob", "bob"); status != http.StatusOK || body != "/?uid=bob" {
			t.Errorf("the user: %d %q", status, body)
		}
	})
	t.Run("an override that a rewrite makes", func(t *testing.T) {
		_, url := w.serve("uri query act>_method\n policy_auth {\n" + users + "access DIR/open.yaml\n }\n" + answer)
		for target, want := range map[string]int{"/?act=DELETE": 401, "/?act=GET": 200, "/": 200} {
			if status, _, body := do(t, "GET", url+target, ""); status != want {
				t.Errorf("%s: %d %q, want %d", target, status, body, want)
			}
		}
	})
	t.Run("harmless", func(t *testing.T) {
		for _, rewrite := range []string{"rewrite * /index.php?{query}", "rewrite * /index.php", "rewrite * /index.php?p={path}&{query}", "rewrite * /index.php?{query}&_url={path}"} {
			_, url := w.serve("route {\n" + rewrite + "\n policy_auth {\n" + users + "access DIR/open.yaml\n }\n" + answer + "}\n")
			for _, target := range []string{"/x?a=1&b=%20%26&c", "/100%25/Gr%C3%BC%C3%9Fe?q=100%25", "/", "/x?a=b;c&d=%zz"} {
				if status, _, body := do(t, "GET", url+target, ""); status != 200 {
					t.Errorf("%s: %s: %d %q", rewrite, target, status, body)
				}
			}
		}
	})
}

// TestE2E_N04_Preflight: what answers a preflight that passes gives nothing away.
func TestE2E_N04_Preflight(t *testing.T) {
	w := newEnv(t)
	w.Write("www/x.html", "SECRET {{.Req.Method}}")
	const policy = "policy_auth {\n basic {\n users DIR/users.yaml\n }\n cors upstream\n }\n"
	for name, answer := range map[string]string{
		"respond": "respond SECRET", "templates": "root DIR/www\n templates\n rewrite /x.html\n method GET\n file_server",
		"a file": "method GET\n root DIR/www\n file_server", "an error": "error 418\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, url := w.serve("route {\n header Access-Control-Allow-Origin *\n" + policy + answer + "\n}")
			status, header, body := do(t, "OPTIONS", url+"/x.html", "", "Origin", "https://a.example", "Access-Control-Request-Method", "PUT")
			if want := map[bool]int{true: 418, false: 200}[name == "an error"]; status != want || body != "" || header.Get("Content-Type")+header.Get("Etag")+header.Get("Last-Modified") != "" {
				t.Errorf("%d %q %v", status, body, header)
			}
			if header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%v", header)
			}
			if status, _, body := do(t, "OPTIONS", url+"/x.html", ""); status != 401 || strings.Contains(body, "SECRET") {
				t.Errorf("no preflight: %d %q", status, body)
			}
		})
	}
}
