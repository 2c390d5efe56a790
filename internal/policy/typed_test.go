package policy

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// TestTyped: a policy that reads what input has not, or compares what is never
// equal, is refused with file, line, the bad word and the allowed ones; under
// not it would open the door (T-03, T-60).
func TestTyped(t *testing.T) {
	tests := []struct {
		name, source string
		wants        []string // of the error; none if it loads
	}{
		{"what there is", "allow if input.identity.kind == \"user\"", nil},
		{"a misspelt field under not", "allow if not input.identity.blockd", []string{`a.rego:3: PA001: input.identity has no "blockd"`, "allowed: bound, "}},
		{"a misspelt field", "allow if input.request.metod == \"GET\"", []string{`a.rego:3: PA001: input.request has no "metod"; did you mean method?; allowed: method, `}},
		{"an impossible comparison", "allow if input.identity.roles == \"admin\"", []string{`a.rego:3: PA002: input.identity.roles is an array and "admin" is a string: they are never equal`}},
		{"an unknown word", "allow if input.identity.kind != \"anonymus\"", []string{`a.rego:3: PA003: input.identity.kind is never "anonymus"; did you mean anonymous?; allowed: anonymous, unknown, client, guest, user`}},
		{"a header in upper case", "allow if not input.request.headers[\"X-Blocked\"]", []string{`a.rego:3: PA004: the names in input.request.headers are lower-case: "X-Blocked" is never there, write "x-blocked"`}},
		{"an argument of a wrong kind", "allow if startswith(input.identity.roles, \"a\")", []string{"a.rego:3: rego_type_error: startswith: invalid argument(s)", "have: (array[string], string)"}},
		{"by a rule's value", "allow if who.rolez\n\nwho := {\"roles\": input.identity.roles}", []string{"a.rego:3: rego_type_error: undefined ref", "rolez"}},
		{"in another rule of the package", "allow := true\n\nunused if input.request.metod", []string{"a.rego:5: PA001"}},
		{"two of them", "allow if input.request.metod\n\nallow if input.identiy", []string{"a.rego:3: PA001", "a.rego:5: PA001"}},
		{"one mistake, told once", "allow if input.request.port == \"443\"", []string{"a.rego:3: PA002"}},
		{"claims are open", "allow if input.identity.claims.team.colour == 1", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := Config{Sources: []string{policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\n"+test.source+"\n")}}
			if test.wants == nil {
				open(t, config)
				return
			}
			refused(t, config, test.wants...)
			if _, err := Open(config, testrun.Checker(), func(Report) {}); strings.Count(err.Error(), "a.rego:") != strings.Count(strings.Join(test.wants, ""), "a.rego:") {
				t.Errorf("told more than once: %v", err)
			}
		})
	}
}

// TestTypedReach: what the decision reaches is held to the contract, and
// nothing else in a shared bundle.
func TestTypedReach(t *testing.T) {
	const bad = "allow if input.review.kind == \"Pod\"\n\nf(x) if input.review.kind == x\n"
	tests := []struct {
		name, source string
		want         bool
	}{
		{"not at all", "allow := true", true},
		{"by a rule", "allow if data.kube.admission.allow", false},
		{"by a function", "allow if data.kube.admission.f(1)", false},
		{"by a variable", "allow if data.kube[input.identity.id].allow", false},
		{"by the package", "allow if data.kube.admission[\"allow\"]", false},
		{"in an else", "allow if input.identity.authenticated\n\nelse if data.kube.admission.allow", false},
		{"in a comprehension", "allow if count({1 | data.kube.admission.allow}) > 0", false},
		{"as a replacement", "f(x) := x\n\nallow if f(1) with f as data.kube.admission.f", false},
		{"with data replaced", "allow if data.kube.admission.allow with data.x as 1", false},
		{"with an input of its own", "allow if data.kube.admission.allow with input as {\"review\": {\"kind\": \"Pod\"}}", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := policytest.NewDir(t)
			d.Write("p/a.rego", "package caddy.authz\n\n"+test.source+"\n")
			d.Write("p/kube.rego", "package kube.admission\n\n"+bad)
			config := Config{Sources: []string{d.Path + "/p"}}
			if test.want {
				open(t, config)
				return
			}
			refused(t, config, `kube.rego:3: PA001: input has no "review"; allowed: `)
		})
	}
}

// TestTypedWarning: what need not be a mistake is told and loaded.
func TestTypedWarning(t *testing.T) {
	var reported Report
	path := policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\nallow if input.request.method == \"PATC\"\n")
	set, err := Open(Config{Sources: []string{path}}, testrun.Checker(), func(r Report) { reported = r })
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if want := path + `:3: PA005: input.request.method is usually not "PATC": did you mean "PATCH"?`; strings.Join(reported.Warnings, "\n") != want {
		t.Errorf("got %q, want %q", reported.Warnings, want)
	}
}

// TestTypedReload: while running, a policy that does not fit the contract is
// not taken, and the last good one stays (T-60).
func TestTypedReload(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/a.rego", "package caddy.authz\n\nallow := false\n")
	set := open(t, Config{Sources: []string{d.Path + "/p"}})
	d.Write("p/a.rego", "package caddy.authz\n\nallow if not input.identity.blockd\n")
	if err := set.Reload(); err == nil || !strings.Contains(err.Error(), "a.rego:3: PA001") {
		t.Errorf("got %v", err)
	}
	if got := set.Decide(context.Background(), asked("/", "")); got.Allow || got.Err != nil {
		t.Errorf("got %+v", got)
	}
	if got := set.Status().Error; !strings.Contains(got, "a.rego:3: PA001") {
		t.Errorf("status %q", got)
	}
}

// TestTypedExamples: the examples fit the contract, and judging them does not
// make loading slow.
func TestTypedExamples(t *testing.T) {
	for decision, source := range map[string]string{
		"data.caddy.authz.allow":        "../../examples/quickstart/policies",
		"data.examples.office.decision": "../../policies/examples/office",
		"data.examples.owners.allow":    "../../policies/examples/owners",
		"data.examples.scopes.decision": "../../policies/examples/scopes",
		"data.examples.webdav.allow":    "../../policies/examples/webdav",
	} {
		start := time.Now()
		open(t, Config{Sources: []string{source}, Decision: decision})
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: loading took %v", source, took)
		}
	}
}
