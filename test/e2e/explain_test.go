//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// typed runs caddy policy-auth and returns its exit status and both outputs.
func typed(t *testing.T, dir string, args ...string) (int, string, string) {
	t.Helper()
	cmd := exec.Command(binary(t), append([]string{"policy-auth"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// TestE2EExplain: R-LOG-4, T-45, T-50. Whoever is refused can be told why in one
// command, which the log line names, down to the condition that failed; nothing of
// it is reachable where the site is.
func TestE2EExplain(t *testing.T) {
	tests := []struct {
		name, lines string
		wants       []string
		whatIf      []string
	}{
		{
			"a policy", "policies DIR/policies",
			[]string{"denied: policy_denied", "caller: bob", `no        7  "owner" in input.identity.roles`, `input.identity.roles is ["member"]`},
			[]string{"--role", "owner"},
		},
		{
			"an access table", "access DIR/access.yaml",
			[]string{"denied: policy_denied", "caller: bob", "access.yaml:4 (rule 2) is the first that matches the host and the path", `no  roles: [admin]   (the request has ["member"])`},
			[]string{"--role", "admin"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t)
			w.Write("policies/authz.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if {\n\tinput.request.method == \"GET\"\n\t\"owner\" in input.identity.roles\n}\n")
			s, site := w.serve("policy_auth {\nbasic {\n users DIR/users.yaml\n }\n " + test.lines + "\n}\nrespond protected")
			admin := strings.TrimPrefix(s.admin, "http://")
			status, header, _ := do(t, "GET", site+"/admin/x?access_token="+canary, "bob")
			id := header.Get("X-Request-Id")
			if status != http.StatusForbidden || id == "" {
				t.Fatalf("%d, id %q", status, id)
			}
			eventually(t, "the log names the command", func() bool { return strings.Contains(s.logged(), "caddy policy-auth explain "+id) })
			code, stdout, stderr := typed(t, w.Dir, "explain", id, "--address", admin)
			for _, want := range test.wants {
				if !strings.Contains(stdout, want) {
					t.Errorf("it lacks %q", want)
				}
			}
			if code != 1 || strings.Contains(stdout+stderr, canary) {
				t.Errorf("exit status %d\n%s%s", code, stdout, stderr)
			}
			if code, stdout, stderr := typed(t, w.Dir, append([]string{"explain", id, "--address", admin}, test.whatIf...)...); code != 0 || !strings.HasPrefix(stdout, "allowed") {
				t.Errorf("what if: %d\n%s%s", code, stdout, stderr)
			}
			if code, stdout, _ := typed(t, w.Dir, "explain", "--address", admin, "--as", "eve", "--", "curl", "-I", site+"/admin/x"); code != 1 || !strings.Contains(stdout, "caller: eve") {
				t.Errorf("curl: %d\n%s", code, stdout)
			}
			if code, _, stderr := typed(t, w.Dir, "explain", "no-such-id", "--address", admin); code != 2 || !strings.Contains(stderr, "not among the last 1000 refusals") {
				t.Errorf("an unknown id: %d\n%s", code, stderr)
			}
			if status, _, body := do(t, "GET", s.admin+"/policy_auth/decisions?id="+id, ""); status != 200 || !strings.Contains(body, id) || strings.Contains(body, canary) {
				t.Errorf("decisions: %d %s", status, body)
			}
			if _, _, body := do(t, "GET", site+"/policy_auth/decisions", "alice"); strings.Contains(body, id) {
				t.Error("the site shows refusals")
			}
		})
	}
}
