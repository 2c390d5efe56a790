package authn

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestN42ChallengeOff: a method with challenge off is accepted, and no 401 offers it.
func TestN42ChallengeOff(t *testing.T) {
	jwt, sign := es256(t)
	jwt.sources, jwt.Challenge = bearerSources, "off"
	for name, quiet := range map[string]authenticator.Authenticator{
		"jwt": jwt, "api_key": &APIKey{From: "bearer", sources: bearerSources, ChallengeOption: ChallengeOption{"off"}},
		"basic": &Basic{Realm: "r", ChallengeOption: ChallengeOption{"off"}}, "session": &Session{sources: []authenticator.Source{authenticator.FromCookie("id")}, ChallengeOption: ChallengeOption{"off"}},
	} {
		other := &fake{name: "other", source: authenticator.FromHeader("X-Other"), accept: "good"}
		chain, err := NewChain([]Method{{Name: name, Authenticator: quiet}, {Name: "other", Authenticator: other}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, request := range []authenticator.ChallengeRequest{{MaxAge: -1}, {Method: name, Verdict: authenticator.Rejected, MaxAge: -1}, {Method: "other", Verdict: authenticator.Rejected, MaxAge: -1}} {
			if got := chain.Challenges(request); len(got) != 1 || got[0].Scheme != "other" {
				t.Errorf("%s, %+v: %v", name, request, got)
			}
		}
		if name != "jwt" {
			continue
		}
		if outcome := chain.Identify(&http.Request{Header: http.Header{"Authorization": {"Bearer " + sign(1)}}}, true); outcome.Verdict != authenticator.Accepted {
			t.Errorf("%s is not accepted: %+v", name, outcome)
		}
	}
}

// TestN42CheckChallenges: where no method is offered there has to be a login.
//
// R-401-1
func TestN42CheckChallenges(t *testing.T) {
	off, on := json.RawMessage(`{"method": "jwt", "challenge": "off"}`), json.RawMessage(`{"method": "basic"}`)
	other := json.RawMessage(`{"method": "other", "challenge": {"scheme": "Other"}}`)
	tests := []struct {
		name    string
		methods []json.RawMessage
		login   bool
		ok      bool
	}{
		{"none", nil, false, true},
		{"all are offered", []json.RawMessage{on, on}, false, true},
		{"one is offered", []json.RawMessage{off, on}, false, true},
		{"another module's word", []json.RawMessage{off, other}, false, true},
		{"none is offered", []json.RawMessage{off, off}, false, false},
		{"none is offered, in another case, as modules are read", []json.RawMessage{off, json.RawMessage(`{"method": "basic", "Challenge": "off"}`)}, false, false},
		{"none is offered, beside a login", []json.RawMessage{off, off}, true, true},
		{"no object", []json.RawMessage{json.RawMessage(`[]`)}, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := CheckChallenges(test.methods, test.login); (err == nil) != test.ok {
				t.Error(err)
			}
		})
	}
}
