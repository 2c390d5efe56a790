package lint_test

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policycheck/lint"
)

// TestS10NegatedUnknown: a not that also holds for a caller whose field is not
// known is told, through rules and functions; one that is taken back, one that
// denies and one beside the question what is known are not.
func TestS10NegatedUnknown(t *testing.T) {
	tests := []struct {
		name, body string
		want       string // begins with the line; "" if nothing is told
	}{
		{"a list", `allow if not "guest" in input.identity.roles`, "3: PA007: this also holds if input.identity.roles is unknown; check input.identity.unknown too"},
		{"a helper", "import data.caddy.helpers\n\nallow if not helpers.has_group(\"guests\")", "5: PA007: this also holds if input.identity.groups"},
		{"a rule", "allow if not banned\n\nbanned if \"banned\" in input.identity.groups", "3: PA007: this also holds if input.identity.groups"},
		{"a rule of a rule", "allow if not banned\n\nbanned if listed\n\nlisted if input.identity.email == \"x\"", "3: PA007: this also holds if input.identity.email"},
		{"not equal", `allow if input.identity.acr != "weak"`, "3: PA007: this also holds if input.identity.acr"},
		{"a claim", `allow if not input.identity.claims.banned`, "3: PA007: this also holds if input.identity.claims"},
		{"a kind", `allow if not input.identity.kind == "client"`, "3: PA007: this also holds if input.identity.kind"},
		{"an address", `allow if not net.cidr_contains("10.0.0.0/8", input.client.ip)`, "3: PA007: this also holds if input.client.ip is unknown; check input.client.forwarded_untrusted too"},
		{"a comprehension", `allow if not count([r | some r in input.identity.roles; r == "guest"]) > 0`, "3: PA007: this also holds if input.identity.roles"},
		{"in a decision that is an object", "allow := {\"allow\": ok}\n\nok if not \"guest\" in input.identity.roles", "5: PA007: this also holds if input.identity.roles"},
		{"a not of several conditions", "import future.keywords.not\n\nallow if not {\n\tinput.identity.roles[_] == \"guest\"\n}", "5: PA007: "},
		{"what must be there", `allow if "staff" in input.identity.roles`, ""},
		{"taken back", "allow if not foreign\n\nforeign if not \"staff\" in input.identity.roles", ""},
		{"what denies", "allow := {\"allow\": true, \"deny\": deny}\n\ndeny contains \"staff only\" if not \"staff\" in input.identity.roles", ""},
		{"what is known", "allow if {\n\tnot \"guest\" in input.identity.roles\n\tnot \"roles\" in input.identity.unknown\n}", ""},
		{"an address that is known", "allow if {\n\tnot net.cidr_contains(\"10.0.0.0/8\", input.client.ip)\n\tinput.client.forwarded_untrusted == false\n}", ""},
		{"another field", `allow if not input.request.method == "GET"`, ""},
		{"a rule that the decision does not reach", "allow if true\n\nother if not \"guest\" in input.identity.roles", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compiler := compiled(t, map[string]string{"a.rego": "package caddy.authz\n\n" + test.body + "\n"})
			var lines []string
			for _, finding := range lint.Run(lint.Config{
				Compiler: compiler, Files: map[string]bool{"a.rego": true}, Input: input(t), Decision: ast.MustParseRef("data.caddy.authz.allow"), Unknowns: unknowns,
			}) {
				lines = append(lines, strings.TrimPrefix(finding.String(), "a.rego:"))
				if finding.Severity != lint.Warning {
					t.Errorf("%s is an error", finding)
				}
			}
			if test.want == "" && len(lines) > 0 || test.want != "" && (len(lines) != 1 || !strings.HasPrefix(lines[0], test.want)) {
				t.Errorf("got %q, want %q", lines, test.want)
			}
		})
	}
}

// unknowns are what a server may not be able to tell.
var unknowns = []lint.Unknowns{
	{Fields: []string{"identity.acr", "identity.claims", "identity.email", "identity.groups", "identity.kind", "identity.roles"}, Told: "identity.unknown"},
	{Fields: []string{"client.ip"}, Told: "client.forwarded_untrusted"},
}
