package authn

import (
	"net/http/httptest"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestS25Owns: what may be a token of an issuer of ours is never another's.
func TestS25Owns(t *testing.T) {
	f := &foreignBearers{issuers: []string{foldIssuer("https://ID.example.com/")}}
	const header = "eyJhbGciOiJIUzI1NiJ9." // {"alg":"HS256"}
	tests := []struct {
		name, raw string
		want      bool
	}{
		{"no dot", "abc", true},
		{"one dot", "a.b", true},
		{"four parts", "a.b.c.d", true},
		{"six parts", "a.b.c.d.e.f", true},
		{"three unreadable parts", "a.b.c", false},
		{"five parts", "a.b.c.d.e", false},
		{"no issuer", header + "e30.AA", false},
		{"another issuer", header + "eyJpc3MiOiJhIn0.AA", true},                                    // {"iss":"a"}
		{"two issuers", header + "eyJpc3MiOiJhIiwiaXNzIjoiYiJ9.AA", false},                         // {"iss":"a","iss":"b"}
		{"ours", header + "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIn0.AA", false},                 // https://id.example.com
		{"ours with slashes", header + "eyJpc3MiOiJodHRwczovL2lkLkVYQU1QTEUuY29tLy8ifQ.AA", false}, // https://id.EXAMPLE.com//
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := f.owns(test.raw); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestS25BesideSession: a token of another application passes beside a valid session
// alone; without one a method verifies it.
func TestS25BesideSession(t *testing.T) {
	j, sign := es256(t)
	j.sources = bearerSources
	cookie := authenticator.FromCookie("id")
	chain, err := NewChain([]Method{{Name: "jwt", Authenticator: j}, {Name: "session", Authenticator: &fake{name: "session", source: cookie, accept: "good"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	chain.foreign = &foreignBearers{issuers: []string{foldIssuer(j.Issuer)}, named: []*JWT{j}, session: []authenticator.Source{cookie}}
	tests := []struct {
		name, token, cookie string
		verdict             authenticator.Verdict
		method              string
		foreign             bool
	}{
		{"beside a session", "llat-0123456789", "id=good", authenticator.Accepted, "session", true},
		{"beside an ended session", "llat-0123456789", "id=bad", authenticator.Rejected, "jwt", false},
		{"without a session", "llat-0123456789", "", authenticator.Rejected, "jwt", false},
		{"a token of ours beside a session", sign(1), "id=good", authenticator.Accepted, "jwt", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+test.token)
			r.Header.Set("Cookie", test.cookie)
			got := chain.Identify(r, true)
			if got.Verdict != test.verdict || got.Method != test.method || got.ForeignBearer != test.foreign {
				t.Errorf("got %+v", got)
			}
		})
	}
}
