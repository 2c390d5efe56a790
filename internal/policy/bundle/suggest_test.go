package bundle

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestSuggestFunctions: the error about a function that does not exist names the one that
// was probably meant.
func TestSuggestFunctions(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"a helper", "import data.caddy.helpers\n\nallow if helpers.has_rol(\"admin\")", "a.rego:5: rego_type_error: undefined function data.caddy.helpers.has_rol; did you mean has_role?"},
		{"a helper without its package", "allow if has_role(\"admin\")", "undefined function has_role; did you mean helpers.has_role? It needs import data.caddy.helpers"},
		{"a misspelled package", "allow if data.caddy.helper.has_role(\"admin\")", "undefined function data.caddy.helper.has_role; did you mean data.caddy.helpers?"},
		{"a built-in function", "allow if startwith(input.request.path, \"/a\")", "undefined function startwith; did you mean startswith?"},
		{"a function of the package", "allow if owns(1)\n\nown(x) if x == 1", "undefined function owns; did you mean own?"},
		{"a function that is off", "allow if http.send({}).body", "undefined function http.send: it is off"},
		{"nothing near", "allow if data.caddy.helpers.quux(1)", "undefined function data.caddy.helpers.quux"},
	} {
		t.Run(test.name, func(t *testing.T) {
			refused(t, Options{Sources: []string{policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\n"+test.body+"\n")}}, test.want)
		})
	}
}

// TestMisspeltRule: if there is no rule of the decision's name, the error names one that is
// nearly called so.
func TestMisspeltRule(t *testing.T) {
	refused(t, Options{Sources: []string{policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\nalow := true\n")}},
		"no rule caddy.authz.allow", "rules in caddy.authz: alow; rename alow to allow, or name another one with decision")
	refused(t, Options{Sources: []string{policytest.NewDir(t).Write("a.rego", "package caddy.authz\n\npermit := true\n")}},
		"rules in caddy.authz: permit; name another one with decision")
}
