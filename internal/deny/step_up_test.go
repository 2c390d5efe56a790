package deny

import (
	"net/http"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// asking is a method that can ask for a step-up, or cannot.
type asking struct {
	scheme string
	stepUp bool
}

func (a asking) Sources() []authenticator.Source {
	return []authenticator.Source{authenticator.FromHeader("X-" + a.scheme)}
}

func (asking) Authenticate(*http.Request, authenticator.Credential) authenticator.Outcome {
	return authenticator.Outcome{}
}

func (a asking) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	c := authenticator.Challenge{Scheme: a.scheme}
	if a.stepUp && d.Reason == authenticator.ReasonStepUpRequired {
		c.Params = []authenticator.Param{{Name: "error", Value: "insufficient_user_authentication"}}
	}
	return []authenticator.Challenge{c}
}

// TestStepUpOfMethods: R-SU-1. A caller with a credential that a sign-in can replace is asked
// for one; a password and a key get 403, for scopes by their name.
func TestStepUpOfMethods(t *testing.T) {
	chain, err := authn.NewChain([]authn.Method{
		{Name: "jwt", Authenticator: asking{"Bearer", true}}, {Name: "basic", Authenticator: asking{"Basic", false}}, {Name: "session", Authenticator: asking{"Session", false}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rs := &Responder{Chain: chain}
	for name, test := range map[string]struct {
		method string
		asked  decision.Challenge
		reason authenticator.Reason
		status int
	}{
		"a token":               {"jwt", decision.Challenge{ACRValues: []string{"mfa"}, MaxAge: -1}, "step_up_required", 401},
		"a token's age":         {"jwt", decision.Challenge{MaxAge: 60}, "step_up_required", 401},
		"a token's scopes":      {"jwt", decision.Challenge{Scopes: []string{"a"}, MaxAge: -1}, "insufficient_scope", 403},
		"a session":             {"session", decision.Challenge{MaxAge: 60}, "step_up_required", 401},
		"a password":            {"basic", decision.Challenge{ACRValues: []string{"mfa"}, MaxAge: 60}, "policy_denied", 403},
		"a password and scopes": {"basic", decision.Challenge{Scopes: []string{"a"}, MaxAge: 60}, "insufficient_scope", 403},
	} {
		r, _ := http.NewRequest(http.MethodGet, "/", nil)
		result := exchange.Result{Decision: policy.Decision{Decision: decision.Decision{Reason: "policy_denied", Challenge: &test.asked}}}
		result.Outcome = authenticator.Accept(&authenticator.Identity{Authenticated: true, ID: "a", Method: test.method})
		result.Outcome.Method = test.method
		if reason, status := rs.statusCase(r, nil, &result).choose(); reason != test.reason || status != test.status {
			t.Errorf("%s: %d %s", name, status, reason)
		}
	}
}
