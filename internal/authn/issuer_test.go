package authn

import (
	"strings"
	"testing"
)

// TestN58Issuer: a discovery document's address is no issuer, and the error names
// the issuer.
func TestN58Issuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://id.example.com":          "",
		"https://id.example.com/realms/a": "",
		"any":                             "",
		"https://id.example.com/.well-known/openid-configuration":                "is most likely https://id.example.com,",
		"https://id.example.com/realms/a/.well-known/openid-configuration":       "is most likely https://id.example.com/realms/a,",
		"https://id.example.com/.well-known/oauth-authorization-server/realms/a": "is most likely https://id.example.com/realms/a,",
	} {
		err := checkIssuer(issuer)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", issuer, err, want)
		}
	}
}

// TestN58Require: a * is no pattern in require.
func TestN58Require(t *testing.T) {
	j := &JWT{Issuer: "https://id.example.com", Audience: []string{"api"}, Secret: strings.Repeat("test-material-", 4), Require: []Requirement{{Claim: "team", Values: []string{"*"}}}}
	if err := j.check(); err == nil || !strings.Contains(err.Error(), "require team: * is no pattern") {
		t.Error(err)
	}
}
