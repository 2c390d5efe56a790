package authn

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// reader is a method that reads some places and accepts nothing.
type reader struct {
	authenticator.Authenticator
	sources []authenticator.Source
}

func (m reader) Sources() []authenticator.Source { return m.sources }

func (m reader) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge { return nil }

// TestN53UnreadCredentials: a credential that no method reads is named by its place, and
// none of its bytes is.
func TestN53UnreadCredentials(t *testing.T) {
	chain, err := NewChain([]Method{{Name: "jwt", Authenticator: reader{sources: []authenticator.Source{authenticator.FromScheme("Bearer"), authenticator.FromQuery("access_token")}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "canary-4711"
	tests := []struct {
		name, target string
		header       []string
		kinds, names string
	}{
		{"nothing", "/", nil, "", ""},
		{"what is read", "/?access_token=" + secret, []string{"Authorization", "Bearer " + secret}, "", ""},
		{"another scheme", "/", []string{"Authorization", "basic " + secret}, "authorization", "Authorization Basic"},
		{"a token without a scheme", "/", []string{"Authorization", secret}, "authorization", "Authorization without a scheme"},
		{"a word that may be secret", "/", []string{"Authorization", secret + " x"}, "authorization", "Authorization with a scheme that is not known"},
		{"a key", "/", []string{"X-Api-Key", secret}, "header", "X-Api-Key"},
		{"a parameter", "/?token=" + secret, nil, "query", "?token"},
		{"an empty parameter", "/?token=", nil, "", ""},
		{"a header like others", "/?page=2", []string{"X-Page", "2", "Cookie", "token=" + secret}, "", ""},
		{"all", "/?apikey=" + secret, []string{"X-Api-Key", secret, "Authorization", "Digest " + secret}, "authorization header query", "?apikey|Authorization Digest|X-Api-Key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", test.target, nil)
			for i := 0; i+1 < len(test.header); i += 2 {
				r.Header.Add(test.header[i], test.header[i+1])
			}
			u := chain.UnreadCredentials(r)
			if got := strings.Join(u.Kinds, " "); got != test.kinds {
				t.Errorf("kinds %q, want %q", got, test.kinds)
			}
			if got := strings.Join(u.Names, "|"); got != test.names || strings.Contains(got, secret) {
				t.Errorf("names %q, want %q", got, test.names)
			}
		})
	}
}
