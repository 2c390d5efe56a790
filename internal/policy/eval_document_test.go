package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestEval: the value of a decision for a document of somebody's own, and what
// it comes to.
func TestEval(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow := input.config.answer\n")
	tests := []struct {
		name   string
		input  any
		want   any
		allow  bool
		reason authenticator.Reason
	}{
		{"a true allow", map[string]any{"answer": true}, true, true, ""},
		{"a false one", map[string]any{"answer": false}, false, false, authenticator.ReasonPolicyDenied},
		{"an object", map[string]any{"answer": map[string]any{"allow": true}}, map[string]any{"allow": true}, true, ""},
		{"no decision", map[string]any{"answer": "yes"}, "yes", false, authenticator.ReasonPolicyUndefined},
		{"undefined", map[string]any{}, nil, false, authenticator.ReasonPolicyUndefined},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			value, decision, err := set.Eval(t.Context(), map[string]any{"config": test.input})
			if err != nil || decision.Allow != test.allow || decision.Reason != test.reason {
				t.Errorf("got %v %q %v, %v", decision.Allow, decision.Reason, decision.Err, err)
			}
			if diff := cmp.Diff(test.want, value); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, _, err := set.Eval(t.Context(), func() {}); err == nil {
		t.Error("an input that is no document")
	}
}

// TestEvalFails: an evaluation that fails is told.
func TestEvalFails(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if to_number(input.config.answer) == 1\n")
	if value, decision, err := set.Eval(t.Context(), map[string]any{"config": map[string]any{"answer": "x"}}); value != nil || decision.Err == nil || decision.Allow || err != nil {
		t.Errorf("got %v %+v %v", value, decision, err)
	}
}
