package command

import (
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/explain"
)

// TestDescribeDenied: the explanation of a denied request begins with the reason of its
// answer, shows what the policies decide beside it, and the hint of the log. If the caller
// is changed, it begins with the decision about that caller.
func TestDescribeDenied(t *testing.T) {
	denied := explain.Response{
		Explanation: explain.Explanation{Reason: authenticator.ReasonPolicyDenied, Codes: []string{"no_rule"}, Decision: "data.caddy.authz.allow", Revision: "1"},
		Refusal: &decisionlog.Refusal{
			Time: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC), Status: 401, Reason: authenticator.ReasonCredentialsMissing, Codes: []string{"no_rule"}, Rule: "default",
			Details: map[string]string{"unread_credential": "X-Api-Key", "hint": "add a method"},
		},
	}
	text := describe(denied)
	for _, want := range []string{
		"decision: data.caddy.authz.allow, revision 1: denied: policy_denied no_rule\n",
		"answer: 401 credentials_missing default at 2026-01-02T15:04:05Z\n  hint: add a method\n  unread_credential: X-Api-Key\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if !strings.HasPrefix(text, "denied: credentials_missing no_rule\n") {
		t.Errorf("%q does not begin with the reason of the answer", text)
	}
	denied.Changes = []string{"as bob"}
	if text := describe(denied); !strings.HasPrefix(text, "denied: policy_denied no_rule\n") {
		t.Errorf("%q does not begin with the decision", text)
	}
	denied.Allow = true
	if text := describe(denied); !strings.HasPrefix(text, "allowed\n") || !strings.Contains(text, "revision 1: allowed\n") {
		t.Errorf("%q does not begin with the decision", text)
	}
}
