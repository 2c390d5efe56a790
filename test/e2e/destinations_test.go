//go:build e2e

package e2e

import "testing"

// TestE2E_N07Destinations: a destination is judged with its own host, whatever the
// method, with a table and with Rego.
func TestE2E_N07Destinations(t *testing.T) {
	w := newEnv(t)
	w.Write("dav.yaml", `rules:
  - paths: [/secret/*]
    allow: [{roles: [admin]}]
  - hosts: [b.test]
    allow: [{roles: [admin]}]
  - allow: [{authenticated: true}]
`)
	w.Write("dav.rego", "package caddy.authz\n\nallow if startswith(input.request.path, \"/pub/\")\n")
	site := func(judge string) string {
		return "policy_auth {\n basic {\n users DIR/users.yaml\n }\n " + judge + "\n }\n respond served"
	}
	_, tables := w.serveTLS("", site("access DIR/dav.yaml"))
	_, regos := w.serveTLS("", site("policies DIR/dav.rego"))
	override := func(user, destination string) []string {
		return append(as(user), "Destination", destination, "X-HTTP-Method-Override", "MOVE")
	}
	for _, test := range []struct {
		name, address, method string
		header                []string
		want                  int
	}{
		{"own host", tables[0], "MOVE", append(as("bob"), "Destination", "http://a.test/pub/y"), 200},
		{"the rules of b.test", tables[0], "MOVE", append(as("bob"), "Destination", "http://b.test/pub/x"), 403},
		{"the rules of b.test allow", tables[0], "MOVE", append(as("alice"), "Destination", "http://b.test/pub/x"), 200},
		{"no rule names it", tables[0], "MOVE", append(as("alice"), "Destination", "http://c.test/pub/x"), 403},
		{"an override", tables[0], "POST", override("bob", "/secret/y"), 403},
		{"an override that is allowed", tables[0], "POST", override("alice", "/secret/y"), 200},
		{"no method of WebDAV", tables[0], "POST", append(as("bob"), "Destination", "/secret/y"), 403},
		{"Rego, own host", regos[0], "MOVE", append(as("bob"), "Destination", "https://a.test/pub/y"), 200},
		{"Rego, another host", regos[0], "MOVE", append(as("alice"), "Destination", "http://b.test/pub/x"), 403},
	} {
		for _, wire := range wires {
			if got, err := wire.send(test.address, query{test.method, "/pub/x", "a.test", test.header}); err != nil || got.status != test.want {
				t.Errorf("%s, %s: %d %v, want %d", wire.name, test.name, got.status, err, test.want)
			}
		}
	}
}
