package testrun

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

const (
	members = "package caddy.authz\n\nallow if {\n\tinput.identity.authenticated\n\t\"member\" in input.identity.roles\n}\n"
	head    = "package caddy.authz_test\n\nimport data.caddy.authz\nimport data.caddy.testing\n\n"
	alice   = `testing.input_of(testing.request("GET", "/"), testing.user("alice", ["member"]))`
	nobody  = `testing.input_of(testing.request("GET", "/"), testing.anonymous)`
)

// tested returns a source with a policy for members and some tests.
func tested(t testing.TB, tests string) (policytest.Dir, policy.Config) {
	t.Helper()
	d := policytest.NewDir(t)
	d.Write("p/authz.rego", members)
	if tests != "" {
		d.Write("p/authz_test.rego", head+tests)
	}
	return d, policy.Config{Sources: []string{d.Path + "/p"}, RequireTests: true}
}

// TestRequireTests: policies are taken if their tests pass and there are some
// (T-60). The same policies without the demand load whatever the tests say.
func TestRequireTests(t *testing.T) {
	tests := []struct {
		name, tests string
		wants       []string // nil if it loads
	}{
		{"a test that passes", "test_member if authz.allow with input as " + alice, nil},
		{"one that fails", "test_a if authz.allow with input as " + alice + "\n\ntest_nobody if authz.allow with input as " + nobody,
			[]string{"authz_test.rego:8: the test data.caddy.authz_test.test_nobody failed"}},
		{"no test", "", []string{"require_tests: no test in", "/p: write rules whose names begin with test_"}},
		{"a file without a test", "member := " + alice, []string{"require_tests: no test in"}},
		{"all are skipped", "todo_test_member if authz.allow with input as " + alice, []string{"require_tests: no test in"}},
		{"an error of a built-in function", "test_a if not to_number(\"x\") == 1", []string{"authz_test.rego:6: the test data.caddy.authz_test.test_a could not be run", "to_number"}},
		{"a function that is off", "test_a if http.send({\"method\": \"GET\", \"url\": \"http://127.0.0.1:1\"})", []string{"authz_test.rego:6", "http.send"}},
		{"a test that does not parse", "test_a if {", []string{"authz_test.rego:"}},
		{"a test that does not compile", "test_a if authz.alow with input as " + alice + "\n\ntest_b if nope", []string{"authz_test.rego:8"}},
		{"a case of a table", "test_table[name] if {\n\tsome name, want in {\"in\": true, \"out\": false}\n\tauthz.allow with input as " + alice + "\n\twant\n}",
			[]string{"authz_test.rego:6: the test data.caddy.authz_test.test_table failed: case out"}},
		{"two of one name", "test_a if authz.allow with input as " + alice + "\n\ntest_a if false", []string{"authz_test.rego:8"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, config := tested(t, test.tests)
			if test.wants == nil {
				load(t, config)
			} else {
				refused(t, config, test.wants...)
			}
			config.RequireTests = false
			load(t, config)
		})
	}
}

// TestRequireTestsReserved: tests cannot replace what is built in and so pass.
func TestRequireTestsReserved(t *testing.T) {
	d, config := tested(t, "test_a if authz.allow with input as "+alice)
	d.Write("p/helpers_test.rego", "package caddy.helpers\n\nunder(_) := true\n")
	refused(t, config, "helpers_test.rego:1", "the package caddy.helpers is built in")
}

// TestRequireTestsTable: tests see the access table.
func TestRequireTestsTable(t *testing.T) {
	d, config := tested(t, "import data.caddy.access\n\ntest_table if access.allow with input as "+alice)
	d.Write("p/authz.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n")
	config.Access = []string{d.Write("access.yaml", "rules: [{paths: [/*], allow: [{roles: [member]}]}]\n")}
	load(t, config)
	d.Write("access.yaml", "rules: [{paths: [/*], allow: [{roles: [admin]}]}]\n")
	refused(t, config, "test_table failed")
}

// TestTest: each test has a result, in the order of files and lines, with the
// condition at which it failed and what it printed.
func TestTest(t *testing.T) {
	d, config := tested(t, "test_passes if authz.allow with input as "+alice+"\n\ntest_fails if {\n\tprint(\"hello\")\n\tauthz.allow with input as "+nobody+"\n}\n\ntodo_test_later if false")
	report, err := Run(t.Context(), options(t, config), Options{Explain: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range report.Results {
		got = append(got, r.Outcome)
	}
	if !slices.Equal(got, []string{Passed, Failed, Skipped}) || report.Passed() {
		t.Fatalf("got %q, passed %v", got, report.Passed())
	}
	failed := report.Results[1]
	if failed.Line != 8 || failed.File != filepath.Join(d.Path, "p/authz_test.rego") || failed.Output != "hello\n" || !strings.Contains(failed.FailedAt, "authz_test.rego:10: authz.allow") {
		t.Errorf("got %+v", failed)
	}
	if only, err := Run(t.Context(), options(t, config), Options{Run: "test_passes$"}); err != nil || len(only.Results) != 1 || !only.Passed() {
		t.Errorf("one alone: %+v %v", only, err)
	}
	if none, err := Run(t.Context(), options(t, config), Options{Run: "nothing"}); err != nil || none.Passed() || none.Results == nil {
		t.Errorf("none: %+v %v", none, err)
	}
	if _, err := Run(t.Context(), options(t, config), Options{Run: "("}); err == nil {
		t.Error("a filter that is no regular expression")
	}
	if _, err := Run(t.Context(), options(t, policy.Config{Sources: []string{d.Path + "/none"}}), Options{}); err == nil {
		t.Error("a source that is not there")
	}
}

// TestTestTimeout: a test that runs away ends, and so do all together; those
// that were not run have not passed.
func TestTestTimeout(t *testing.T) {
	const forever = "count([x | some x in numbers.range(1, 100000); some y in numbers.range(1, 100000); x == y]) > 0"
	_, config := tested(t, "test_a if "+forever+"\n\ntest_b if authz.allow with input as "+alice)
	report, err := Run(t.Context(), options(t, config), Options{Timeout: 50 * time.Millisecond})
	if err != nil || len(report.Results) != 2 || report.Results[0].Outcome != Error || report.Results[1].Outcome != Passed {
		t.Fatalf("got %+v %v", report, err)
	}
	if !strings.Contains(report.Results[0].Message, "longer than 50ms") {
		t.Errorf("got %q", report.Results[0].Message)
	}
	ctx, release := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer release()
	if _, err := Run(ctx, options(t, config), Options{}); err == nil || !strings.Contains(err.Error(), "not all were run") {
		t.Errorf("all together: %v", err)
	}
}

// TestTestCoverage: what no test evaluates is named by line; what is built in is
// not counted.
func TestTestCoverage(t *testing.T) {
	d, config := tested(t, "test_passes if authz.allow with input as "+alice)
	path := d.Write("p/authz.rego", members+"\nallow if {\n\tinput.identity.kind == \"client\"\n\t\"deployer\" in input.identity.roles\n}\n")
	report, err := Run(t.Context(), options(t, config), Options{Coverage: true})
	if err != nil || report.Coverage == nil {
		t.Fatal(err)
	}
	file := report.Coverage.Files[path]
	if len(report.Coverage.Files) != 1 || file.Percent <= 0 || file.Percent >= 100 || !slices.Contains(file.Missing, "10") {
		t.Errorf("got %+v", report.Coverage)
	}
}

// TestTableAloneTests: a table alone has no tests: none is run.
func TestTableAloneTests(t *testing.T) {
	config := policy.Config{Access: []string{policytest.NewDir(t).Write("access.yaml", "rules: []\n")}}
	if report, err := Run(t.Context(), options(t, config), Options{Coverage: true}); err != nil || len(report.Results) > 0 || report.Passed() {
		t.Errorf("%+v %v", report, err)
	}
}
