package deny

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestChooseStatus is the table of product.md's section "Which answer": R-401-1,
// R-401-2, R-401-3, R-401-4, R-401-5, R-401-6, R-401-8, R-403-1, R-403-2,
// R-403-3, R-403-4, R-403-5, R-403-6, R-SU-1, R-SU-4, W1, W13.
func TestChooseStatus(t *testing.T) {
	accepted := authenticator.Outcome{Verdict: authenticator.Accepted, Identity: &authenticator.Identity{Authenticated: true}}
	absent := authenticator.Outcome{Verdict: authenticator.Absent}
	reject := func(reason authenticator.Reason) authenticator.Outcome { return authenticator.Reject(reason) }
	tests := []struct {
		name   string
		c      statusCase
		reason authenticator.Reason
		status int
	}{
		{"anonymous, denied", statusCase{outcome: absent, reason: "policy_denied", challenged: true}, "credentials_missing", 401},
		{"anonymous, denied, no method", statusCase{outcome: absent, reason: "policy_denied"}, "credentials_missing", 403},
		{"anonymous, policy says 403", statusCase{outcome: absent, reason: "policy_denied", status: 403, challenged: true}, "policy_denied", 403},
		{"anonymous, policy says 451", statusCase{outcome: absent, reason: "policy_denied", status: 451, challenged: true}, "policy_denied", 451},
		{"anonymous, step-up is not leaked", statusCase{outcome: absent, reason: "policy_denied", stepUp: true, challenged: true}, "credentials_missing", 401},
		{"anonymous, scopes are not leaked", statusCase{outcome: absent, reason: "policy_denied", scopes: true, challenged: true}, "credentials_missing", 401},
		{"anonymous, concealed all the same 401", statusCase{outcome: absent, reason: "policy_denied", challenged: true, conceal: true}, "credentials_missing", 401},
		{"anonymous, policy undefined", statusCase{outcome: absent, reason: "policy_undefined", challenged: true}, "credentials_missing", 401},
		{"known, denied", statusCase{outcome: accepted, reason: "policy_denied", challenged: true}, "policy_denied", 403},
		{"known, concealed", statusCase{outcome: accepted, reason: "policy_denied", challenged: true, conceal: true}, "policy_denied", 404},
		{"known, concealed though the policy says 403", statusCase{outcome: accepted, reason: "policy_denied", status: 403, conceal: true}, "policy_denied", 404},
		{"known, policy says 429", statusCase{outcome: accepted, reason: "policy_denied", status: 429, conceal: true}, "policy_denied", 429},
		{"known, policy says 401", statusCase{outcome: accepted, reason: "policy_denied", status: 401, challenged: true}, "policy_denied", 401},
		{"known, policy says 401, no challenge", statusCase{outcome: accepted, reason: "policy_denied", status: 401}, "policy_denied", 403},
		{"N-61 known, policy says 401 with a challenge of its own", statusCase{outcome: accepted, reason: "policy_denied", status: 401, ownChallenge: true}, "policy_denied", 401},
		{"N-61 anonymous, policy says 401 with a challenge of its own", statusCase{outcome: absent, reason: "policy_denied", status: 401, ownChallenge: true}, "policy_denied", 401},
		{"N-61 a challenge for another status", statusCase{outcome: absent, reason: "policy_denied", ownChallenge: true}, "credentials_missing", 403},
		{"a proxy's status", statusCase{outcome: accepted, reason: "policy_denied", status: 407, challenged: true}, "policy_denied", 403},
		{"a proxy's status for an anonymous caller", statusCase{outcome: absent, reason: "policy_denied", status: 407, challenged: true}, "policy_denied", 403},
		{"no certificate", statusCase{outcome: absent, reason: "policy_denied", certificates: true}, "certificate_required", 403},
		// R-MT-5
		{"a bad certificate", statusCase{outcome: authenticator.Outcome{Verdict: authenticator.Absent, Reason: "credentials_invalid"}, reason: "policy_denied", certificates: true}, "certificate_required", 403},
		{"no certificate beside other methods", statusCase{outcome: absent, reason: "policy_denied", certificates: true, challenged: true}, "credentials_missing", 401},
		{"a certificate, denied", statusCase{outcome: accepted, reason: "policy_denied", certificates: true}, "policy_denied", 403},
		{"a connection for another host", statusCase{outcome: authenticator.Outcome{Verdict: authenticator.Malformed, Reason: "misdirected"}, certificates: true}, "misdirected", 421},
		{"known, step-up", statusCase{outcome: accepted, reason: "policy_denied", stepUp: true, challenged: true}, "step_up_required", 401},
		{"known, step-up, concealed", statusCase{outcome: accepted, reason: "policy_denied", stepUp: true, challenged: true, conceal: true}, "step_up_required", 401},
		{"known, scope", statusCase{outcome: accepted, reason: "policy_denied", scopes: true, challenged: true}, "insufficient_scope", 403},
		{"known, undefined", statusCase{outcome: accepted, reason: "policy_undefined", challenged: true}, "policy_undefined", 403},
		{"known, error", statusCase{outcome: accepted, reason: "policy_error", challenged: true, conceal: true}, "policy_error", 500},
		{"anonymous, error", statusCase{outcome: absent, reason: "policy_error", challenged: true}, "policy_error", 500},
		{"timeout", statusCase{outcome: accepted, reason: "policy_timeout", challenged: true}, "policy_timeout", 500},
		{"N-15 too much at once", statusCase{outcome: absent, reason: "busy", challenged: true}, "busy", 503},
		{"no policy", statusCase{outcome: accepted, reason: "policy_unavailable", challenged: true}, "policy_unavailable", 503},
		{"bad credential", statusCase{outcome: reject("credentials_invalid"), challenged: true}, "credentials_invalid", 401},
		{"bad credential, concealed", statusCase{outcome: reject("token_expired"), challenged: true, conceal: true}, "token_expired", 401},
		{"disabled account", statusCase{outcome: reject("account_disabled"), challenged: true}, "account_disabled", 401},
		{"throttled", statusCase{outcome: reject("throttled"), challenged: true}, "throttled", 429},
		{"insecure", statusCase{outcome: reject("insecure_transport"), challenged: true}, "insecure_transport", 403},
		{"cross-site", statusCase{outcome: reject("cross_site"), challenged: true, conceal: true}, "cross_site", 403},
		{"two credentials", statusCase{outcome: authenticator.Outcome{Verdict: authenticator.Malformed, Reason: "credentials_ambiguous"}, challenged: true}, "credentials_ambiguous", 400},
		{"keys out", statusCase{outcome: authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: "keys_unavailable"}, challenged: true}, "keys_unavailable", 503},
		{"a method that failed", statusCase{outcome: authenticator.Outcome{Verdict: authenticator.Failed, Reason: "authenticator_error"}, challenged: true}, "authenticator_error", 500},
		{"unclaimed is refused", statusCase{outcome: authenticator.Outcome{Verdict: authenticator.Unclaimed, Reason: "token_issuer"}, challenged: true}, "token_issuer", 401},
		{"the zero value", statusCase{}, "", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reason, status := test.c.choose()
			if reason != test.reason || status != test.status {
				t.Errorf("got %s %d, want %s %d", reason, status, test.reason, test.status)
			}
		})
	}
}

// TestChallengesFor: R-403-2 and R-BR-6 name the error, R-401-1 every method.
func TestChallengesFor(t *testing.T) {
	basic := authenticator.Challenge{Scheme: "Basic", Params: []authenticator.Param{{Name: "realm", Value: "x"}}}
	bearer := authenticator.Challenge{Scheme: "Bearer", Params: []authenticator.Param{{Name: "realm", Value: "x"}, {Name: "error", Value: "y"}}}
	for status, want := range map[int]int{401: 2, 403: 1, 400: 1, 404: 0, 429: 0, 500: 0, 503: 0} {
		if got := challengesFor(status, func() []authenticator.Challenge { return []authenticator.Challenge{basic, bearer} }); len(got) != want {
			t.Errorf("%d: got %d challenges, want %d", status, len(got), want)
		}
	}
}
