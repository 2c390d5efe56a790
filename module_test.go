package policyauth

import (
	"os"
	"strings"
	"testing"
)

// TestProvisionErrors: a site whose configuration cannot work does not start
// (T-07, T-08, T-60, T-63, T-68).
func TestProvisionErrors(t *testing.T) {
	w := newEnv(t)
	w.Write("bad.rego", "package caddy.authz\n\nallow if {\n")
	w.Write("typo.rego", "package caddy.authz\n\nallow if input.identity.authenticated == nope\n")
	w.Write("other.rego", "package somewhere.other\n\nallow := true\n")
	w.Write("send.rego", "package caddy.authz\n\nallow if http.send({\"method\": \"get\", \"url\": \"http://localhost\"})\n")
	w.Write("ignores.rego", "package caddy.authz\n\nallow if input.identity.authenticated\n")
	w.Write("access-bad.yaml", "rules:\n  - paths: [/*]\n    role: [admin]\n    allow: [{}]\n")
	w.Write("empty.yaml", "")
	w.Write("private.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	if err := os.Mkdir(w.Dir+"/nothing", 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, block string
		want        []string
	}{
		{"nothing at all", "", []string{"every request would be refused"}},
		{"missing users", "basic {\n users DIR/none.yaml\n }", []string{"basic: ", "none.yaml: no such file"}},
		{"empty users", "basic {\n users DIR/empty.yaml\n }", []string{"empty.yaml: the file is empty"}},
		{"basic twice", "basic {\n users DIR/users.yaml\n }\n basic {\n users DIR/users.yaml\n }", []string{"basic is set twice", "one basic with the users of both"}},
		{"missing keys", "api_key {\n keys DIR/none.yaml\n }", []string{"api_key: keys: ", "none.yaml: no such file"}},
		{"missing secret", "jwt any {\n secret {env.POLICY_AUTH_TEST_MISSING}\n audience a\n }", []string{"secret"}},
		{"short secret", "jwt any {\n secret abc\n audience a\n }", []string{"too short"}},
		{"missing key file", "jwt any {\n key_file DIR/none.pem\n audience a\n }", []string{"none.pem: no such file"}},
		{"a private key", "jwt any {\n key_file DIR/private.pem\n audience a\n }", []string{"private.pem: block 1: a private key"}},
		{"strangers alone", "jwt https://accounts.google.com {\n audience a\n }", []string{"being signed in is not enough", "require, access or policies"}},
		{"strangers who sign in", "login oidc https://accounts.google.com {\n client_id a\n }", []string{"the login oidc (accounts.google.com)", "allowed, by access or policies"}},
		{"a bad key set", "jwt any {\n jwks_file DIR/empty.yaml\n audience a\n }", []string{"empty.yaml: the key set is not JSON"}},
		{"N-29 missing jwks_bearer", "jwt https://id.example.com {\n jwks_bearer {file.DIR/none}\n audience a\n }", []string{"jwks_bearer"}},
		{"N-29 missing tls_ca", "jwt https://id.example.com {\n tls_ca DIR/none.pem\n audience a\n }", []string{"tls_ca", "none.pem: no such file"}},
		{"N-29 no tls_ca", "login oidc https://id.example.com {\n client_id a\n tls_ca DIR/empty.yaml\n }", []string{"tls_ca", "the file is empty"}},
		{"missing access table", "access DIR/none.yaml", []string{"access: ", "none.yaml: no such file"}},
		{"empty access table", "access DIR/empty.yaml", []string{"empty.yaml: the file is empty"}},
		{"bad access table", "access DIR/access-bad.yaml", []string{"access-bad.yaml:3:5: unknown key \"role\"", "access-bad.yaml:4:13: an empty alternative"}},
		{"missing policies", "policies DIR/none", []string{"policies: ", "none: no such file"}},
		{"empty directory", "policies DIR/nothing", []string{"nothing: neither policies"}},
		{"bad Rego", "policies DIR/bad.rego", []string{"bad.rego:4", "rego_parse_error"}},
		{"unknown name", "policies DIR/typo.rego", []string{"typo.rego:3", "nope"}},
		{"no such rule", "policies DIR/other.rego", []string{"no rule caddy.authz.allow", "packages there: somewhere.other"}},
		{"a function that is off", "policies DIR/send.rego", []string{"send.rego:3", "undefined function http.send"}},
		{"a table that nobody asks", "access DIR/access.yaml\n policies DIR/ignores.rego", []string{"would be ignored"}},
		{"missing constant", "access DIR/access.yaml\n config {\n a {env.POLICY_AUTH_TEST_MISSING}\n }", []string{"config: a"}},
		{"missing error pages", "access DIR/access.yaml\n error_pages DIR/none", []string{"error_pages", "none: no such file"}},
		{"no error page", "access DIR/access.yaml\n error_pages DIR/nothing", []string{"there is no page"}},
		{"basic before keys in passwords", "basic {\n users DIR/users.yaml\n }\n api_key {\n keys DIR/users.yaml\n from basic_password\n }", []string{"keys"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.provision(test.block)
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

// TestSharedIssuers: product.md, section 4. With a rule of its own, a site may
// take tokens that anybody can get.
func TestSharedIssuers(t *testing.T) {
	w := newEnv(t)
	for _, block := range []string{
		"jwt https://accounts.google.com {\n audience a\n require hd example.com\n }",
		"jwt https://accounts.google.com {\n audience a\n }\n access DIR/access.yaml",
		"jwt https://id.example.com {\n audience a\n }",
		"jwt https://id.example.com {\n audience a\n from cookie token\n }\n cors {\n origins https://app.example.com\n credentials\n }",
	} {
		if _, err := w.provision(block); err != nil {
			t.Errorf("%s: %v", block, err)
		}
	}
}

// TestHelloWorld: methods alone are a site: any known caller may.
func TestHelloWorld(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site("basic {\n users DIR/users.yaml\n }")
	for name, want := range map[string]int{"bob": 200, "eve": 401} {
		if recorder, _ := ask(h, asUser(get("/"), name), new(reached)); recorder.Code != want {
			t.Errorf("%s: %d", name, recorder.Code)
		}
	}
	if recorder, _ := ask(h, get("/"), new(reached)); recorder.Code != 401 {
		t.Errorf("anonymous: %d", recorder.Code)
	}
}

// TestSharedButBroken: a configuration does not load with broken policies, even
// if an older one still works with the last good ones (house.md, Survival).
func TestSharedButBroken(t *testing.T) {
	w := newEnv(t)
	first, _ := w.site(basicSite)
	w.Write("access.yaml", "rules: nonsense\n")
	if _, err := w.provision(basicSite); err == nil {
		t.Error("broken policies were accepted")
	}
	if recorder, _ := ask(first, asUser(get("/"), "bob"), new(reached)); recorder.Code != 200 {
		t.Errorf("the older site answers %d", recorder.Code)
	}
	if err := first.Cleanup(); err != nil {
		t.Error(err)
	}
	if err := first.Cleanup(); err != nil {
		t.Error(err)
	}
}
