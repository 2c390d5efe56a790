package lint_test

import (
	"strings"
	"testing"
)

// TestN58Decision: a decision of a kind that allows no request is an error, with
// its line and what to write.
func TestN58Decision(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"true", "allow := true", ""},
		{"a condition", "default allow := false\n\nallow if input.identity.authenticated", ""},
		{"an object", `allow := {"allow": true}`, ""},
		{"a rule", "allow := other\n\nother if input.identity.authenticated", ""},
		{"what data holds", "allow := data.x", ""},
		{"a text", `allow := "yes"`, `3: PA008: the decision is a string; write true, false or an object with the member allow`},
		{"a number under a condition", "default allow := false\n\nallow := 1 if input.identity.authenticated", "5: PA008: the decision is a number"},
		{"a field", "allow := input.identity.roles", "3: PA008: the decision is an array"},
		{"an else", "allow if input.identity.authenticated\n\nelse := \"no\"", "5: PA008: the decision is a string"},
		{"a set", `allow contains "yes"`, "3: PA008: the decision is a set"},
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
