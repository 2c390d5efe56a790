//go:build e2e

package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// check runs caddy policy-auth check in the env's directory.
func check(t *testing.T, w *env, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, prose strings.Builder
	cmd := exec.Command(binary(t), append([]string{"policy-auth", "check"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.Dir, &out, &prose
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), prose.String()
}

// TestE2ECheck: what a check finds is so on a running server: whoever is refused
// for a claim gets in without it; what it is silent about, and what it refuses,
// the server serves and refuses (T-03, T-60, T-74).
func TestE2ECheck(t *testing.T) {
	w := newEnv(t)
	const open = "package caddy.authz\n\nallow if {\n\tinput.identity.authenticated\n\tnot input.identity.claims.banned\n}\n"
	const shut = "package caddy.authz\n\nallow if {\n\tinput.identity.authenticated\n\tinput.identity.claims.banned == false\n}\n"
	hash, err := bcrypt.GenerateFromPassword([]byte(canary), 8)
	if err != nil {
		t.Fatal(err)
	}
	user := func(name, claims string) string {
		return "  " + name + ":\n    password: " + string(hash) + "\n    claims: " + claims + "\n"
	}
	w.Write("checked.yaml", "users:\n"+user("in", "{banned: false}")+user("out", "{banned: true}")+user("bare", "{}"))
	w.Write("policies/authz.rego", open)
	s, url := w.serve("policy_auth {\nbasic {\n users DIR/checked.yaml\n }\n policies DIR/policies\n}\nrespond protected")
	answers := func() [3]int {
		var statuses [3]int
		for i, name := range []string{"in", "out", "bare"} {
			statuses[i], _, _ = do(t, "GET", url+"/", name)
		}
		return statuses
	}

	status, stdout, _ := check(t, w, "--policies", "policies")
	if status != 1 || !strings.Contains(stdout, "authz.rego:5: a denial becomes an allow without input.identity.claims.banned: not input.identity.claims.banned") {
		t.Errorf("%d %s", status, stdout)
	}
	if got := answers(); got != [3]int{200, 403, 200} {
		t.Errorf("open: %v", got)
	}
	status, stdout, _ = check(t, w, "--policies", "policies", "--json")
	var report struct {
		Findings []struct{ Input map[string]any }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || status != 1 || len(report.Findings) != 1 || report.Findings[0].Input["contract"] != "caddy/v1" {
		t.Errorf("%d %v %s", status, err, stdout)
	}

	w.Write("policies/authz.rego", shut)
	if status, _, body := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if status, stdout, stderr := check(t, w, "--policies", "policies"); status != 0 || stdout != "" || !strings.HasPrefix(stderr, "0 found; ") {
		t.Errorf("%d %s%s", status, stdout, stderr)
	}
	if got := answers(); got != [3]int{200, 403, 403} {
		t.Errorf("shut: %v", got)
	}

	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if not input.identity.blockd\n")
	const want = `authz.rego:3: PA001: input.identity has no "blockd"`
	if status, stdout, stderr := check(t, w, "--policies", "policies"); status != 2 || stdout != "" || !strings.Contains(stderr, want) {
		t.Errorf("%d %s%s", status, stdout, stderr)
	}
	if status, _, body := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 422 || !strings.Contains(unquoted(body), want) {
		t.Errorf("%d %s", status, body)
	}
}
