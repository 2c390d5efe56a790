//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestE2EInputSchema: a policy that reads what input has not is refused by validate
// and on a running server, which goes on with the last good one (T-03, T-60);
// claims_schema closes the claims.
func TestE2EInputSchema(t *testing.T) {
	w := newEnv(t)
	const good = "package caddy.authz\n\nallow if \"member\" in input.identity.roles\n"
	w.Write("policies/authz.rego", good)
	w.Write("claims.json", `{"type": "object", "properties": {"team": {"type": "string", "enum": ["red", "blue"]}}}`)
	s, url := w.serve("policy_auth {\nbasic {\n users DIR/users.yaml\n }\n policies DIR/policies {\n claims_schema DIR/claims.json\n }\n}\nrespond protected")
	is := func(want int) bool { status, _, _ := do(t, "GET", url+"/", "bob"); return status == want }
	if !is(200) {
		t.Fatal("a member is refused")
	}
	for rule, want := range map[string]string{
		"allow if not input.identity.blockd":            `authz.rego:3: PA001: input.identity has no \"blockd\"`,
		"allow if input.identity.kind != \"usr\"":       `authz.rego:3: PA003: input.identity.kind is never \"usr\"`,
		"allow if not input.identity.claims.tema":       `authz.rego:3: PA001: input.identity.claims has no \"tema\"; did you mean team?`,
		"allow if input.identity.claims.team != \"re\"": `authz.rego:3: PA003: input.identity.claims.team is never \"re\"; did you mean red?`,
	} {
		w.Write("policies/authz.rego", "package caddy.authz\n\n"+rule+"\n")
		if status, _, body := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 422 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", rule, status, body)
		}
		if !is(200) {
			t.Errorf("%s: the last good policy is gone", rule)
		}
		validate := exec.Command(binary(t), "validate", "--config", "Caddyfile")
		validate.Dir = w.Dir
		if output, err := validate.CombinedOutput(); err == nil || !strings.Contains(unquoted(string(output)), unquoted(want)) {
			t.Errorf("%s: %v\n%s", rule, err, output)
		}
	}
	w.Write("policies/authz.rego", good)
	w.Write("claims.json", `{"type": "objekt"}`)
	if status, _, body := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 422 || !strings.Contains(body, "claims_schema: ") || !strings.Contains(body, "claims.json") {
		t.Errorf("a bad schema: %d %s", status, body)
	}
}

// unquoted returns a text without the quotes that JSON escapes.
func unquoted(text string) string { return strings.ReplaceAll(text, `\"`, `"`) }
