//go:build e2e

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const badgeKey = "test material, not a secret"

// badgeOf returns what the method of test/e2e/plugin accepts for an id.
func badgeOf(id string) string {
	mac := hmac.New(sha256.New, []byte(badgeKey))
	mac.Write([]byte(id))
	return "Badge " + id + ":" + hex.EncodeToString(mac.Sum(nil))
}

// withPlugin builds Caddy with the method of test/e2e/plugin, by xcaddy, and makes it the
// one that the test drives. Xcaddy compiles with the flags of the product, so that only
// the plugin and the linking are new.
func withPlugin(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "caddy")
	build := exec.Command("go", "tool", "-modfile=tools/go.mod", "xcaddy", "build", "v2.11.9", "--output", path,
		"--with", "github.com/policyauth/caddy-policy-auth@v0.0.0=.", "--with", "example.com/badge@v0.0.0=./test/e2e/plugin")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("xcaddy: %v\n%s", err, output)
	}
	t.Setenv("POLICY_AUTH_CADDY", path)
}

// TestE2EPlugin: a method of another module, built in by xcaddy and configured in a
// Caddyfile, is one like ours.
func TestE2EPlugin(t *testing.T) {
	withPlugin(t)
	t.Run("requests", testPluginRequests)
	t.Run("configuration", testPluginConfiguration)
	t.Run("providers", testProviders)
}

func testPluginRequests(t *testing.T) {
	w := newEnv(t)
	w.Write("policy/policy.rego", `package caddy.authz

default allow := false

allow if {
	input.identity.method == "badge"
	input.identity.kind == "user"
	input.identity.id == "alice"
	input.identity.claims.length == 5
	"staff" in input.identity.groups
	input.request.headers.authorization == "[redacted]"
}

allow if input.request.path == "/public"
`)
	s, url := w.serve("policy_auth {\n badge {\n  key \"" + badgeKey + "\"\n  realm \"the \\\"lab\\\"\"\n }\n" + jwtSite + " policies DIR/policy\n identity_headers {\n  X-User id\n }\n}\n" +
		"respond \"{http.request.header.X-User} by {http.policy_auth.method}, {http.request.header.Authorization}\"")
	tests := []struct {
		name, path, authorization string
		status                    int
		body                      string
	}{
		{"accepted", "/", badgeOf("alice"), 200, "alice by badge, "},
		{"accepted, and denied by the policy", "/", badgeOf("bob"), 403, ""},
		{"another code", "/", badgeOf("alice") + "00", 401, ""},
		{"another code at a public page", "/public", badgeOf("alice") + "00", 401, ""},
		{"no badge", "/", "Badge alice", 400, ""},
		{"absent", "/", "", 401, ""},
		{"absent at a public page", "/public", "", 200, " by , "},
		{"a method that panics", "/", badgeOf("broken"), 500, ""},
		{"a method that panics at a public page", "/public", badgeOf("broken"), 500, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var header []string
			if test.authorization != "" {
				header = []string{"Authorization", test.authorization}
			}
			status, answer, body := do(t, "GET", url+test.path, "", header...)
			if status != test.status || status == 200 && body != test.body {
				t.Errorf("%d %s", status, body)
			}
			if challenged := slices.Contains(answer["Www-Authenticate"], `Badge realm="the \"lab\""`); challenged != (status == 401) || status == 401 && len(answer["Www-Authenticate"]) != 3 {
				t.Errorf("challenges %q", answer["Www-Authenticate"])
			}
		})
	}
	log := s.logged()
	for _, want := range []string{`"reason":"authenticator_error"`, "method badge: panic: string, in example.com/badge.(*Badge).Authenticate", "the code is not the one of the badge", `"candidate"`} {
		if found := strings.Contains(log, want); found != (want != `"candidate"`) {
			t.Errorf("the log has %q: %t", want, found)
		}
	}
	if strings.Contains(log, badgeOf("alice")[len("Badge "):]) || strings.Contains(log, "the reader is broken") {
		t.Error("the log has a credential")
	}
}

func testPluginConfiguration(t *testing.T) {
	w := newEnv(t)
	tests := []struct{ name, block, want, line string }{
		{"as it is", "badge {\n  key {env.BADGE_KEY}\n  realm lab\n }", "", ""},
		{"an unknown option", "badge {\n  secret a\n }", `unknown option "secret" of badge, want key or realm`, "4"},
		{"a bad value", "badge {\n  realm \"Laborat\u00f3rio\"\n }", "only printable ASCII can be sent", "4"},
		{"an unknown method", "bagde {\n }", "badge", "3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.Write("Caddyfile", "localhost {\n policy_auth {\n "+test.block+"\n }\n}\n")
			var errors strings.Builder
			adapt := exec.Command(binary(t), "adapt", "--config", filepath.Join(w.Dir, "Caddyfile"))
			adapt.Stderr = &errors
			adapted, err := adapt.Output()
			if test.want != "" {
				if said := strings.ReplaceAll(errors.String(), `\"`, `"`); err == nil || !strings.Contains(said, test.want) || !strings.Contains(said, "Caddyfile:"+test.line) {
					t.Errorf("%v\n%s", err, said)
				}
				return
			}
			if err != nil || !strings.Contains(string(adapted), `"authenticators":[{"key":"{env.BADGE_KEY}","method":"badge","realm":"lab"}]`) {
				t.Fatalf("%v\n%s", err, adapted)
			}
			validate(t, w, adapted)
		})
	}
}

// validate loads what a Caddyfile became, with a good key and with bad ones.
func validate(t *testing.T, w *env, adapted []byte) {
	t.Helper()
	w.Write("caddy.json", string(adapted))
	for key, want := range map[string]string{badgeKey: "Valid configuration", "short": "badge: key: want at least 16 bytes", "": "badge: key: "} {
		command := exec.Command(binary(t), "validate", "--config", filepath.Join(w.Dir, "caddy.json"))
		command.Env = append(os.Environ(), "BADGE_KEY="+key, "XDG_DATA_HOME="+t.TempDir())
		output, err := command.CombinedOutput()
		if !strings.Contains(string(output), want) || (err == nil) != (key == badgeKey) {
			t.Errorf("key %q: %v\n%s", key, err, output)
		}
	}
}
