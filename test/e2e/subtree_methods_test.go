//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestE2E_S08Subtree: a method that acts on everything below its path, or below its
// destination, is allowed only if the rules there allow it, with a table and with Rego.
func TestE2E_S08Subtree(t *testing.T) {
	w := newEnv(t)
	w.Write("below.yaml", `rules:
  - hosts: [b.test]
    paths: [/vault/keys/*]
    allow: [{roles: [admin]}]
  - paths: [/files/private/*]
    allow: [{roles: [admin]}]
  - allow: [{authenticated: true}]
`)
	w.Write("below.rego", `package caddy.authz

import data.caddy.helpers

default allow := false

allow if {
	input.identity.authenticated
	not helpers.touches("/files/private")
}

allow if helpers.has_role("admin")
`)
	site := func(judge string) string {
		return "policy_auth {\n basic {\n users DIR/users.yaml\n }\n " + judge + "\n }\n respond served"
	}
	s, tables := w.serveTLS("", site("access DIR/below.yaml"))
	_, regos := w.serveTLS("", site("policies DIR/below.rego"))
	tests := []struct {
		name, method, path, user string
		header                   []string
		want                     int
	}{
		{"DELETE above", "DELETE", "/files", "bob", nil, 403},
		{"DELETE above by an admin", "DELETE", "/files", "alice", nil, 200},
		{"DELETE beside", "DELETE", "/files/mine", "bob", nil, 200},
		{"GET", "GET", "/files", "bob", nil, 200},
		{"PROPFIND of the members", "PROPFIND", "/files", "bob", []string{"Depth", "1"}, 200},
		{"PROPFIND of all", "PROPFIND", "/files", "bob", []string{"Depth", "infinity"}, 403},
		{"PROPFIND without Depth", "PROPFIND", "/files", "bob", nil, 403},
		{"PROPFIND of all by an admin", "PROPFIND", "/files", "alice", nil, 200},
		{"LOCK of all", "LOCK", "/files", "bob", nil, 403},
		{"LOCK of itself", "LOCK", "/files", "bob", []string{"Depth", "0"}, 200},
		{"COPY from above", "COPY", "/files", "bob", []string{"Destination", "/y"}, 403},
		{"COPY onto what is above", "COPY", "/y", "bob", []string{"Destination", "/files"}, 403},
		{"MOVE from above", "MOVE", "/files", "bob", []string{"Destination", "/y"}, 403},
		{"MOVE onto what is above", "MOVE", "/y", "bob", []string{"Destination", "http://a.test/Files/"}, 403},
		{"MOVE beside", "MOVE", "/files/x", "bob", []string{"Destination", "/files/y"}, 200},
		{"COPY below a prefix that the destination lacks", "COPY", "/files/mine/m", "bob", []string{"Destination", "/private/planted"}, 403},
		{"an override", "POST", "/files", "bob", []string{"X-HTTP-Method-Override", "DELETE"}, 403},
		{"an override in the query", "POST", "/files?_method=delete", "bob", nil, 403},
	}
	for _, test := range tests {
		for judge, address := range map[string]string{"access": tables[0], "policies": regos[0]} {
			for _, wire := range wires {
				got, err := wire.send(address, query{test.method, test.path, "a.test", append(as(test.user), test.header...)})
				if err != nil || got.status != test.want {
					t.Errorf("%s, %s, %s: %d %v, want %d", judge, wire.name, test.name, got.status, err, test.want)
				}
			}
		}
	}
	got, err := overHTTP1(tables[0], query{"MOVE", "/x", "a.test", append(as("bob"), "Destination", "http://b.test/vault")})
	if err != nil || got.status != 403 {
		t.Fatalf("below the destination on its host: %d %v", got.status, err)
	}
	id := got.header.Get("X-Request-Id")
	eventually(t, "the log names the rule", func() bool { return strings.Contains(s.logged(), `"rule":"below.yaml:2 (rule 1)"`) })
	code, text, _ := typed(t, w.Dir, "explain", id, "--address", strings.TrimPrefix(s.admin, "http://"))
	for _, want := range []string{"below.yaml:2 (rule 1) decides below the path or the destination", "no  roles: [admin]"} {
		if code != 1 || !strings.Contains(text, want) {
			t.Errorf("explain exits with %d, without %q:\n%s", code, want, text)
		}
	}
}
