package pages

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestChoose is the table of product.md's section "Which answer": R-401-1,
// R-401-2, R-401-3, R-401-4, R-401-5, R-401-6, R-401-8, R-403-1, R-403-2,
// R-403-3, R-403-4, R-403-5, R-403-6, R-SU-1, R-SU-4, W1, W13.
func TestChoose(t *testing.T) {
	accepted := authenticator.Outcome{Verdict: authenticator.Accepted, Identity: &authenticator.Identity{Authenticated: true}}
	absent := authenticator.Outcome{Verdict: authenticator.Absent}
	reject := func(reason authenticator.Reason) authenticator.Outcome { return authenticator.Reject(reason) }
	tests := []struct {
		name   string
		c      Case
		reason authenticator.Reason
		status int
	}{
		{"anonymous, denied", Case{Outcome: absent, Reason: "policy_denied", Challenged: true}, "credentials_missing", 401},
		{"anonymous, denied, no method", Case{Outcome: absent, Reason: "policy_denied"}, "credentials_missing", 403},
		{"anonymous, policy says 403", Case{Outcome: absent, Reason: "policy_denied", Status: 403, Challenged: true}, "policy_denied", 403},
		{"anonymous, policy says 451", Case{Outcome: absent, Reason: "policy_denied", Status: 451, Challenged: true}, "policy_denied", 451},
		{"anonymous, step-up is not leaked", Case{Outcome: absent, Reason: "policy_denied", StepUp: true, Challenged: true}, "credentials_missing", 401},
		{"anonymous, scopes are not leaked", Case{Outcome: absent, Reason: "policy_denied", Scopes: true, Challenged: true}, "credentials_missing", 401},
		{"anonymous, concealed all the same 401", Case{Outcome: absent, Reason: "policy_denied", Challenged: true, Conceal: true}, "credentials_missing", 401},
		{"anonymous, policy undefined", Case{Outcome: absent, Reason: "policy_undefined", Challenged: true}, "credentials_missing", 401},
		{"known, denied", Case{Outcome: accepted, Reason: "policy_denied", Challenged: true}, "policy_denied", 403},
		{"known, concealed", Case{Outcome: accepted, Reason: "policy_denied", Challenged: true, Conceal: true}, "policy_denied", 404},
		{"known, concealed though the policy says 403", Case{Outcome: accepted, Reason: "policy_denied", Status: 403, Conceal: true}, "policy_denied", 404},
		{"known, policy says 429", Case{Outcome: accepted, Reason: "policy_denied", Status: 429, Conceal: true}, "policy_denied", 429},
		{"known, policy says 401", Case{Outcome: accepted, Reason: "policy_denied", Status: 401, Challenged: true}, "policy_denied", 401},
		{"known, policy says 401, no challenge", Case{Outcome: accepted, Reason: "policy_denied", Status: 401}, "policy_denied", 403},
		{"N-61 known, policy says 401 with a challenge of its own", Case{Outcome: accepted, Reason: "policy_denied", Status: 401, OwnChallenge: true}, "policy_denied", 401},
		{"N-61 anonymous, policy says 401 with a challenge of its own", Case{Outcome: absent, Reason: "policy_denied", Status: 401, OwnChallenge: true}, "policy_denied", 401},
		{"N-61 a challenge for another status", Case{Outcome: absent, Reason: "policy_denied", OwnChallenge: true}, "credentials_missing", 403},
		{"a proxy's status", Case{Outcome: accepted, Reason: "policy_denied", Status: 407, Challenged: true}, "policy_denied", 403},
		{"a proxy's status for nobody", Case{Outcome: absent, Reason: "policy_denied", Status: 407, Challenged: true}, "policy_denied", 403},
		{"no certificate", Case{Outcome: absent, Reason: "certificate_required"}, "credentials_missing", 403},
		{"known, step-up", Case{Outcome: accepted, Reason: "policy_denied", StepUp: true, Challenged: true}, "step_up_required", 401},
		{"known, step-up, concealed", Case{Outcome: accepted, Reason: "policy_denied", StepUp: true, Challenged: true, Conceal: true}, "step_up_required", 401},
		{"known, scope", Case{Outcome: accepted, Reason: "policy_denied", Scopes: true, Challenged: true}, "insufficient_scope", 403},
		{"known, undefined", Case{Outcome: accepted, Reason: "policy_undefined", Challenged: true}, "policy_undefined", 403},
		{"known, error", Case{Outcome: accepted, Reason: "policy_error", Challenged: true, Conceal: true}, "policy_error", 500},
		{"anonymous, error", Case{Outcome: absent, Reason: "policy_error", Challenged: true}, "policy_error", 500},
		{"timeout", Case{Outcome: accepted, Reason: "policy_timeout", Challenged: true}, "policy_timeout", 500},
		{"N-15 too much at once", Case{Outcome: absent, Reason: "busy", Challenged: true}, "busy", 503},
		{"no policy", Case{Outcome: accepted, Reason: "policy_unavailable", Challenged: true}, "policy_unavailable", 503},
		{"bad credential", Case{Outcome: reject("credentials_invalid"), Challenged: true}, "credentials_invalid", 401},
		{"bad credential, concealed", Case{Outcome: reject("token_expired"), Challenged: true, Conceal: true}, "token_expired", 401},
		{"disabled account", Case{Outcome: reject("account_disabled"), Challenged: true}, "account_disabled", 401},
		{"throttled", Case{Outcome: reject("throttled"), Challenged: true}, "throttled", 429},
		{"insecure", Case{Outcome: reject("insecure_transport"), Challenged: true}, "insecure_transport", 403},
		{"cross-site", Case{Outcome: reject("cross_site"), Challenged: true, Conceal: true}, "cross_site", 403},
		{"two credentials", Case{Outcome: authenticator.Outcome{Verdict: authenticator.Malformed, Reason: "credentials_ambiguous"}, Challenged: true}, "credentials_ambiguous", 400},
		{"keys out", Case{Outcome: authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: "keys_unavailable"}, Challenged: true}, "keys_unavailable", 503},
		{"unclaimed is refused", Case{Outcome: authenticator.Outcome{Verdict: authenticator.Unclaimed, Reason: "token_issuer"}, Challenged: true}, "token_issuer", 401},
		{"the zero case", Case{}, "", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reason, status := Choose(test.c)
			if reason != test.reason || status != test.status {
				t.Errorf("got %s %d, want %s %d", reason, status, test.reason, test.status)
			}
		})
	}
}

// TestApplicable: R-403-2 and R-BR-6 name the error, R-401-1 every method.
func TestApplicable(t *testing.T) {
	basic := authenticator.Challenge{Scheme: "Basic", Params: []authenticator.Param{{Name: "realm", Value: "x"}}}
	bearer := authenticator.Challenge{Scheme: "Bearer", Params: []authenticator.Param{{Name: "realm", Value: "x"}, {Name: "error", Value: "y"}}}
	for status, want := range map[int]int{401: 2, 403: 1, 400: 1, 404: 0, 429: 0, 500: 0, 503: 0} {
		if got := Applicable(status, func() []authenticator.Challenge { return []authenticator.Challenge{basic, bearer} }); len(got) != want {
			t.Errorf("%d: got %d challenges, want %d", status, len(got), want)
		}
	}
}
