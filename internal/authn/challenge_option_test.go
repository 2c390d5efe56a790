package authn

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// quiet is a method that no challenge offers.
type quiet struct {
	fake
	Offer
}

// TestN42Offer: a method with challenge off is accepted and never offered.
func TestN42Offer(t *testing.T) {
	method := &quiet{fake: fake{name: "one", source: authenticator.FromScheme("Bearer"), accept: "first", other: authenticator.Unclaimed}, Offer: Offer{"off"}}
	basic := &fake{name: "basic", source: authenticator.FromScheme("Basic"), accept: "good", other: authenticator.Rejected}
	chain, err := NewChain([]Method{{Name: "one", Authenticator: method}, {Name: "basic", Authenticator: basic}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, demand := range []authenticator.ChallengeRequest{{MaxAge: -1}, {Method: "one", Verdict: authenticator.Rejected, MaxAge: -1}, {Method: "basic", Verdict: authenticator.Rejected, MaxAge: -1}} {
		if got := chain.Challenges(demand); len(got) != 1 || got[0].Scheme != "basic" {
			t.Errorf("%+v: %v", demand, got)
		}
	}
	if outcome := chain.Identify(&http.Request{Header: http.Header{"Authorization": {"Bearer first"}}}, true); outcome.Verdict != authenticator.Accepted {
		t.Errorf("it is not accepted: %+v", outcome)
	}
}

// TestN42CheckOffers: where no method is offered there has to be a login.
//
// R-401-1
func TestN42CheckOffers(t *testing.T) {
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
			if err := CheckOffers(test.methods, test.login); (err == nil) != test.ok {
				t.Error(err)
			}
		})
	}
}
