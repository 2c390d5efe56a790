package authn

import "testing"

// Keys that sign for anybody make strangers known, whatever the issuer is called.
func TestN27SharedKeys(t *testing.T) {
	for url, want := range map[string]bool{
		"https://www.googleapis.com/oauth2/v3/certs":                                          true,
		"https://token.actions.githubusercontent.com/.well-known/jwks":                        true,
		"https://LOGIN.microsoftonline.com/11111111-2222-3333-4444-555555555555/discovery/v2": true,
		"https://spire.example.com/keys":                                                      false,
	} {
		j := &JWT{Issuer: anyone, JWKSURL: url, Audience: []string{"api"}}
		if got := j.PublicSignUp(); got != want {
			t.Errorf("%s: %v", url, got)
		}
		j.Require = []Requirement{{Claim: "hd", Values: []string{"example.com"}}}
		if j.PublicSignUp() {
			t.Errorf("%s: in spite of require", url)
		}
	}
}
