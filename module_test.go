package policyauth

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// takenName is a method of another plugin whose name is a subdirective, which it does not
// replace: the sites of all tests have the subdirective access.
type takenName struct{}

// turnstile is a provider of Caddy's own authentication handler that a Caddyfile can
// configure, as plugins have them.
type turnstile struct {
	Names []string `json:"names,omitempty"`
}

func init() {
	caddy.RegisterModule(takenName{})
	caddy.RegisterModule(turnstile{})
}

// CaddyModule returns the Caddy module information.
func (turnstile) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.turnstile", New: func() caddy.Module { return new(turnstile) }}
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens.
func (m *turnstile) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next(); d.NextBlock(0); {
		if d.Val() != "names" {
			return d.Errf("unknown option %s of turnstile", d.Val())
		}
		m.Names = append(m.Names, d.RemainingArgs()...)
	}
	return nil
}

// Authenticate implements caddyauth.Authenticator.
func (m *turnstile) Authenticate(http.ResponseWriter, *http.Request) (caddyauth.User, bool, error) {
	return caddyauth.User{}, false, nil
}

// CaddyModule returns the Caddy module information.
func (takenName) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".access", New: func() caddy.Module { return new(takenName) }}
}

var update = flag.Bool("update", false, "rewrite the goldens")

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
		{"bad access table", "access DIR/access-bad.yaml", []string{"access-bad.yaml:3:5: unknown key \"role\"", "access-bad.yaml:4:13: the alternative is empty"}},
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

// TestMethodsWithoutRules: methods alone are a site: any known caller may.
func TestMethodsWithoutRules(t *testing.T) {
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

// TestReloadBrokenPolicies: a configuration does not load with broken policies, even
// if an older one still works with the last good ones (house.md, Survival).
func TestReloadBrokenPolicies(t *testing.T) {
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

// TestCaddyfile adapts each testdata/caddyfile/*.caddyfile and compares with
// what stands below its line of dashes: JSON, or the error. T-63, T-65: bad
// words are errors with a line; the goldens' JSON is what TestProvision loads.
func TestCaddyfile(t *testing.T) {
	files, err := filepath.Glob("testdata/caddyfile/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(content), "\n----------\n")
			got := testenv.Adapt(input)
			if *update {
				if err := os.WriteFile(file, []byte(input+"\n----------\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if bad := strings.HasPrefix(filepath.Base(file), "bad_"); bad != strings.HasPrefix(got, "error: ") {
				t.Errorf("the file's name says bad %v", bad)
			}
		})
	}
}

// FuzzCaddyfile: no block panics the parser, and one that is taken says the same again
// as JSON.
//
// T-66
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/caddyfile/*.caddyfile")
	if err != nil || len(files) == 0 {
		f.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(content), "\n----------\n")
		if at := strings.Index(input, "policy_auth"); at >= 0 {
			f.Add(input[at:])
		}
	}
	f.Fuzz(func(t *testing.T, input string) {
		var h, again Handler
		if h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(input)) != nil {
			return
		}
		encoded, err := json.Marshal(&h)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &again); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		if second, err := json.Marshal(&again); err != nil || !bytes.Equal(encoded, second) {
			t.Errorf("%s is read as %s, %v", encoded, second, err)
		}
	})
}

// TestVersionOfOPA: T-10. OPA is one whose bundles cannot be passed off with
// another file for the signatures, and whose index and type checker decide as
// the policies say: 1.22.2 or later.
func TestVersionOfOPA(t *testing.T) {
	for _, file := range []string{"go.mod", "tools/go.mod"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var major, minor, patch int
		line := regexp.MustCompile(`github\.com/open-policy-agent/opa v[0-9.]+`).Find(content)
		if _, err := fmt.Sscanf(string(line), "github.com/open-policy-agent/opa v%d.%d.%d", &major, &minor, &patch); err != nil {
			t.Fatalf("%s: %q: %v", file, line, err)
		}
		if (major*1000+minor)*1000+patch < 1_022_002 {
			t.Errorf("%s has OPA %d.%d.%d", file, major, minor, patch)
		}
	}
}

// TestN51CookieDomainAtLoad: a cookie_domain that does not cover a host of the site is
// an error at load that names both, wherever the routes say which hosts those are.
func TestN51CookieDomainAtLoad(t *testing.T) {
	w := newEnv(t)
	block := "policy_auth {\n" + strings.Replace(formSite, "session {", "session {\n cookie_domain DOMAIN", 1) + "}\nrespond ok\n"
	plain := "policy_auth {\n" + formSite + "}\nrespond ok\n"
	tests := []struct {
		name, domain, config, refused string
	}{
		{"N-51 the host", "app.example.com", "http://app.example.com {\n" + block + "}\n", ""},
		{"N-51 a host below it", "example.com", "http://app.example.com {\n" + block + "}\n", ""},
		{"N-51 in capitals", "Example.Com", "http://APP.example.com {\n" + block + "}\n", ""},
		{"N-51 another host", "example.com", "http://app.example.org {\n" + block + "}\n", "app.example.org"},
		{"N-51 a host above it", "app.example.com", "http://example.com {\n" + block + "}\n", "example.com"},
		{"N-51 a name that ends alike", "example.com", "http://badexample.com {\n" + block + "}\n", "badexample.com"},
		{"N-51 one of several", "example.com", "http://a.example.com, http://b.example.org {\n" + block + "}\n", "b.example.org"},
		{"N-51 every host of a domain", "example.com", "http://*.example.com {\n" + block + "}\n", ""},
		{"N-51 a pattern that matches it", "app.example.com", "http://*.example.com {\n" + block + "}\n", ""},
		{"N-51 every host of another", "example.com", "http://*.example.org {\n" + block + "}\n", "*.example.org"},
		{"N-51 an address", "example.com", "http://127.0.0.1 {\n" + block + "}\n", "127.0.0.1"},
		{"N-51 any host", "example.com", "http:// {\n" + block + "}\n", ""},
		{"N-51 a handle for some hosts", "example.com", "http://a.example.com, http://b.example.org {\n@a host a.example.com\nhandle @a {\n" + block + "}\n}\n", ""},
		{"N-51 a handle for another host", "example.com", "http:// {\n@b host b.example.org\nhandle @b {\n" + block + "}\n}\n", "b.example.org"},
		{"N-51 beside another site", "example.com", "http://app.example.com {\n" + block + "}\nhttp://b.example.org {\n" + plain + "}\nhttp://c.example.org:81 {\n" + plain + "}\n", ""},
		{"N-51 beside another server", "example.com", "http://app.example.org:81 {\n" + block + "}\nhttp://b.example.com:82 {\n" + plain + "}\n", "app.example.org"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := validate(strings.NewReplacer("DOMAIN", test.domain, "DIR", w.Dir).Replace("{\n storage file_system DIR/storage\n}\n" + test.config))
			switch {
			case test.refused == "" && err != nil:
				t.Error(err)
			case test.refused != "" && (err == nil || !strings.Contains(err.Error(), "cookie_domain "+strings.ToLower(test.domain)+" does not cover "+test.refused+",")):
				t.Errorf("got %v", err)
			}
		})
	}
}
