package policy

import (
	"os"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

const (
	members   = "package caddy.authz\n\nallow if {\n\tinput.identity.authenticated\n\t\"member\" in input.identity.roles\n}\n"
	head      = "package caddy.authz_test\n\nimport data.caddy.authz\nimport data.caddy.testing\n\n"
	alice     = `testing.input_of(testing.request("GET", "/"), testing.user("alice", ["member"]))`
	anonymous = `testing.input_of(testing.request("GET", "/"), testing.anonymous)`
)

// tested returns a source with a policy for members and some tests.
func tested(t testing.TB, tests string) (policytest.Dir, Config) {
	t.Helper()
	d := policytest.NewDir(t)
	d.Write("p/authz.rego", members)
	if tests != "" {
		d.Write("p/authz_test.rego", head+tests)
	}
	return d, Config{Sources: []string{d.Path + "/p"}, RequireTests: true}
}

// TestRequireTestsReload: a change whose tests fail is not taken; the last good
// set decides, and the state says which test failed and where (T-07, T-60).
func TestRequireTestsReload(t *testing.T) {
	d, config := tested(t, "test_anonymous if not authz.allow with input as "+anonymous)
	set := open(t, config)
	first := set.Status().Revision
	d.Write("p/authz.rego", "package caddy.authz\n\nallow := true\n")
	if err := set.Reload(); err == nil || set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("a policy whose test fails is in use: %v", err)
	}
	status := set.Status()
	if status.Revision != first || !strings.Contains(status.Error, "authz_test.rego:6: the test data.caddy.authz_test.test_anonymous failed") {
		t.Errorf("status %+v", status)
	}
	d.Write("p/authz_test.rego", head+"test_anonymous if authz.allow with input as "+anonymous)
	if err := set.Reload(); err != nil || set.Status().Error != "" || !set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("changing the test alone was not noticed: %v", err)
	}
	if err := os.Remove(d.Path + "/p/authz_test.rego"); err != nil {
		t.Fatal(err)
	}
	if err := set.Reload(); err == nil || !strings.Contains(err.Error(), "no test in") {
		t.Errorf("without tests: %v", err)
	}
}

// TestRequireTestsSkipped: a skipped test beside others is worth a warning.
func TestRequireTestsSkipped(t *testing.T) {
	_, config := tested(t, "test_a if authz.allow with input as "+alice+"\n\ntodo_test_b if false")
	var warnings []string
	set, err := Open(config, testrun.Checker(), func(r Report) { warnings = append(warnings, r.Warnings...) })
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if len(warnings) != 1 || !strings.Contains(warnings[0], "authz_test.rego:8: the test data.caddy.authz_test.todo_test_b is skipped") {
		t.Errorf("warnings %q", warnings)
	}
}
