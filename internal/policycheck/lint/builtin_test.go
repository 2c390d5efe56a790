package lint_test

import (
	"strings"
	"testing"
)

// TestBuiltInRules: a reference to a rule that a built-in package does not have is an
// error, with the rules that it has.
func TestBuiltInRules(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"a rule of the table", "allow if data.caddy.access.allow", ""},
		{"a rule without description", "allow if count(data.caddy.access.judged) > 0", ""},
		{"a whole package", "allow if data.caddy.access.decision.allow", ""},
		{"a variable", "allow if {\n\tsome name in [\"allow\"]\n\tdata.caddy.access[name]\n}", ""},
		{"data beside the packages", "allow if data.caddy.teams.red", ""},
		{"misspelt", "allow if data.caddy.access.alow", `3: PA010: data.caddy.access has no rule "alow"; did you mean allow?; allowed: allow, `},
		{"under not", "allow if not data.caddy.access.bloked", `3: PA010: data.caddy.access has no rule "bloked"; did you mean blocked?`},
		{"by an import", "import data.caddy.helpers\n\nallow if helpers.act_below", `5: PA010: data.caddy.helpers has no rule "act_below"; did you mean acts_below?`},
		{"none is near", "allow if data.caddy.access.permission", `3: PA010: data.caddy.access has no rule "permission"; allowed: `},
		{"a misspelt package", "allow if data.caddy.acces.allow", `3: PA010: there is no package data.caddy.acces; did you mean data.caddy.access?`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := linted(t, map[string]string{"a.rego": "package caddy.authz\n\n" + test.body + "\n"})
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], "a.rego:"+test.want)) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	if got := linted(t, map[string]string{"a.rego": "package caddy.authz\n\nallow if data.caddy.access.nothing\n"}); strings.Contains(strings.Join(got, ""), "judged") {
		t.Errorf("%q lists rules that are not documented", got)
	}
}

// TestMisspeltDecision: a rule beside the decision is a warning if its name is nearly
// that of the decision and no rule reads it.
func TestMisspeltDecision(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"misspelt", "default allow := false\n\nalow if input.identity.authenticated", "5: PA011: no rule reads alow, and the decision is allow; did you mean allow?"},
		{"in another form", "default allow := false\n\nallowed if input.identity.authenticated", "5: PA011: no rule reads allowed, and the decision is allow"},
		{"two letters exchanged", "default allow := false\n\nallwo if input.identity.authenticated", "5: PA011: "},
		{"several definitions", "default allow := false\n\ndefault alow := false\n\nalow if input.identity.authenticated", "7: PA011: "},
		{"a rule that the decision reads", "default allow := false\n\nallow if allowed\n\nallowed if input.identity.authenticated", ""},
		{"a function", "default allow := false\n\nallo(x) if x == input.identity.id", ""},
		{"another name", "default allow := false\n\ndeny if input.identity.authenticated", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := linted(t, map[string]string{"a.rego": "package caddy.authz\n\n" + test.body + "\n"})
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], "a.rego:"+test.want)) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
