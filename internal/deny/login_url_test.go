package deny

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// signInPage returns the responder of a site with an external sign-in page.
func signInPage(t *testing.T, page string) *Responder {
	t.Helper()
	external, err := login.ParseExternalPage(page)
	if err != nil {
		t.Fatal(err)
	}
	return newResponder(t, func(rs *Responder) { rs.Target = &login.Target{External: external} })
}

// TestOffersSignIn: signing in is offered only if it can help.
func TestOffersSignIn(t *testing.T) {
	absent := authenticator.Outcome{Verdict: authenticator.Absent}
	expired := authenticator.Outcome{Verdict: authenticator.Absent, Reason: authenticator.ReasonSessionExpired}
	audience := authenticator.Outcome{Verdict: authenticator.Absent, Reason: authenticator.ReasonTokenAudience}
	known := authenticator.Outcome{Verdict: authenticator.Accepted, Method: "session", Identity: &authenticator.Identity{Authenticated: true}}
	token := authenticator.Outcome{Verdict: authenticator.Accepted, Method: "jwt", Identity: &authenticator.Identity{Authenticated: true}}
	fresher := &decision.Challenge{MaxAge: 60}
	scopes := &decision.Challenge{Scopes: []string{"a"}, MaxAge: -1}
	for _, test := range []struct {
		name    string
		path    string
		own     bool
		outcome authenticator.Outcome
		policy  decision.Decision
		want    bool
	}{
		{"an anonymous caller", "/a", false, absent, decision.Decision{}, true},
		{"an expired session", "/a", false, expired, decision.Decision{}, true},
		{"a credential that a new one does not replace", "/a", false, audience, decision.Decision{}, false},
		{"a wrong credential", "/a", false, authenticator.Reject(authenticator.ReasonCredentialsInvalid), decision.Decision{}, false},
		{"the sign-in page itself", "/login", false, absent, decision.Decision{}, false},
		{"the policy does not offer it", "/a", false, absent, decision.Decision{Login: &decision.Login{}}, false},
		{"a known caller", "/a", true, known, decision.Decision{}, false},
		{"a known caller, and the policy offers it", "/a", false, token, decision.Decision{Login: &decision.Login{Offered: true}}, true},
		{"a known caller, and the policy does not offer it", "/a", true, known, decision.Decision{Login: &decision.Login{}, Challenge: fresher}, false},
		{"a session that is not fresh enough", "/a", true, known, decision.Decision{Challenge: fresher}, true},
		{"a session without a scope", "/a", true, known, decision.Decision{Challenge: scopes}, false},
		{"a session that another page has made", "/a", false, known, decision.Decision{Challenge: fresher}, false},
		{"a token that is not fresh enough", "/a", true, token, decision.Decision{Challenge: fresher}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rs := signInPage(t, "/login?rd={return_to}")
			rs.OwnPages = test.own
			_, r, ex := open(httptest.NewRequest("GET", test.path, nil))
			result := &exchange.Result{Caller: exchange.Caller{Outcome: test.outcome}, Decision: policy.Decision{Decision: test.policy}}
			if got := rs.offersSignIn(r, ex, result); got != test.want {
				t.Errorf("got %v", got)
			}
			rs.Target = nil
			if rs.offersSignIn(r, ex, result) {
				t.Error("a site without a sign-in page offers it")
			}
		})
	}
}

// TestLoginURL: only answers that may lead to the sign-in page have its URL.
func TestLoginURL(t *testing.T) {
	const page = "https://login.example.com/?rd=https%3A%2F%2Fexample.com%2Fa"
	for _, test := range []struct {
		name   string
		status int
		policy decision.Decision
		want   string
	}{
		{"401", 401, decision.Decision{}, page},
		{"303", 303, decision.Decision{}, page},
		{"403", 403, decision.Decision{}, ""},
		{"404", 404, decision.Decision{}, ""},
		{"the policy offers it", 401, decision.Decision{Login: &decision.Login{Offered: true}}, page},
		{"the policy does not offer it", 401, decision.Decision{Login: &decision.Login{}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			rs := signInPage(t, "https://login.example.com/?rd={return_to}")
			_, r, ex := open(httptest.NewRequest("GET", "https://example.com/a", nil))
			result := &exchange.Result{Status: test.status, Decision: policy.Decision{Decision: test.policy}, Navigation: true}
			if got := rs.loginURL(r, ex, result); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			rs.Target = nil
			if got := rs.loginURL(r, ex, result); got != "" {
				t.Errorf("without a sign-in page: %q", got)
			}
		})
	}
}

// TestStepsUp: a challenge for scopes alone does not ask for another sign-in.
func TestStepsUp(t *testing.T) {
	for name, test := range map[string]struct {
		challenge *decision.Challenge
		want      bool
	}{
		"none":           {nil, false},
		"scopes":         {&decision.Challenge{Scopes: []string{"a"}, MaxAge: -1}, false},
		"a level":        {&decision.Challenge{ACRValues: []string{"2"}, MaxAge: -1}, true},
		"a fresh one":    {&decision.Challenge{MaxAge: 0}, true},
		"a recent one":   {&decision.Challenge{MaxAge: 60}, true},
		"nothing at all": {&decision.Challenge{MaxAge: -1}, false},
	} {
		if got := stepsUp(test.challenge); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestChallengeDetails: only a known caller is told which scopes and which sign-in a policy
// asks for.
func TestChallengeDetails(t *testing.T) {
	challenge := &decision.Challenge{Scopes: []string{"orders:write"}, ACRValues: []string{"2"}, MaxAge: 60}
	for _, known := range []bool{false, true} {
		rs := newResponder(t, func(*Responder) {})
		_, r, ex := open(httptest.NewRequest("GET", "/a", nil))
		result := &exchange.Result{Status: 401, Reason: authenticator.ReasonStepUpRequired, Decision: policy.Decision{Decision: decision.Decision{Challenge: challenge}}}
		if result.Input.Identity = authenticator.Anonymous(); known {
			result.Input.Identity = (&authenticator.Identity{Authenticated: true, ID: "alice"}).Normalize()
		}
		got := rs.details(r, ex, result)
		if told := slices.Equal(got.Scopes, challenge.Scopes) && slices.Equal(got.ACRValues, challenge.ACRValues) && got.MaxAge == 60; told != known {
			t.Errorf("known: %v: got %+v", known, got)
		}
		if !known && (len(got.Scopes)+len(got.ACRValues) > 0 || got.MaxAge != -1) {
			t.Errorf("an anonymous caller is told %+v", got)
		}
	}
}

// TestPolicyRedirect: the redirect of a policy sets the status and is sent.
func TestPolicyRedirect(t *testing.T) {
	rs := newResponder(t, func(*Responder) {})
	recorder, r, ex := open(httptest.NewRequest("GET", "/a", nil))
	denied := decision.Decision{Reason: authenticator.ReasonPolicyDenied, Redirect: &decision.Redirect{To: "https://example.com/terms", Status: 307}}
	result := exchange.Result{Caller: exchange.Caller{Outcome: authenticator.Outcome{Verdict: authenticator.Accepted, Identity: authenticator.Anonymous()}}, Decision: policy.Decision{Decision: denied}}
	result.Input.Identity = authenticator.Anonymous()
	result = rs.ChooseStatus(r, ex, result)
	if err := rs.Respond(recorder, r, ex, &result); err != nil || recorder.Code != 307 || !strings.Contains(recorder.Header().Get("Location"), "/terms") {
		t.Errorf("%v, status %d, headers %v", err, recorder.Code, recorder.Header())
	}
}
