package token

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// R-JWT-18, R-AT-1: types by the type that is expected.
func TestKindType(t *testing.T) {
	access := map[string]any{"client_id": "app", "jti": "1"}
	for _, test := range []struct {
		expected, header string
		want             authenticator.Reason
	}{
		{"", ``, ""},
		{"", `,"typ":"JWT"`, ""},
		{"", `,"typ":"jwt"`, ""},
		{"", `,"typ":"application/jwt"`, ""},
		{"", `,"typ":"at+jwt"`, ""},
		{"", `,"typ":"application/at+jwt"`, ""},
		{"", `,"typ":""`, authenticator.ReasonTokenType},
		{"", `,"typ":"dpop+jwt"`, authenticator.ReasonTokenType},
		{"", `,"typ":"logout+jwt"`, authenticator.ReasonTokenType},
		{"", `,"typ":"secevent+jwt"`, authenticator.ReasonTokenType},
		{"", `,"typ":"token-introspection+jwt"`, authenticator.ReasonTokenType},
		{"", `,"typ":"APPLICATION/DPoP+JWT"`, authenticator.ReasonTokenType},
		{"", `,"typ":"JWT "`, authenticator.ReasonTokenType},
		{"", `,"typ":"policy-auth-identity+jwt"`, authenticator.ReasonTokenType},
		{"at+jwt", `,"typ":"Application/Policy-Auth-Identity+JWT"`, authenticator.ReasonTokenType},
		{"", `,"typ":"JOSE"`, ""},
		{"at+jwt", `,"typ":"JOSE"`, authenticator.ReasonTokenType},
		{"at+jwt", `,"typ":"at+jwt"`, ""},
		{"at+jwt", `,"typ":"AT+JWT"`, ""},
		{"at+jwt", `,"typ":"application/at+jwt"`, ""},
		{"at+jwt", `,"typ":"Application/At+Jwt"`, ""},
		{"at+jwt", `,"typ":"JWT"`, authenticator.ReasonTokenType},
		{"at+jwt", `,"typ":"text/at+jwt"`, authenticator.ReasonTokenType},
		{"at+jwt", `,"typ":"application/x/at+jwt"`, authenticator.ReasonTokenType},
		{"at+jwt", ``, authenticator.ReasonTokenType},
		{"Application/AT+JWT", `,"typ":"at+jwt"`, ""},
		{"JWT", `,"typ":"jwt"`, ""},
		{"JWT", ``, authenticator.ReasonTokenType},
		{"JWT", `,"typ":"at+jwt"`, authenticator.ReasonTokenType},
		{"dpop+jwt", `,"typ":"dpop+jwt"`, ""},
	} {
		t.Run(test.expected+" "+test.header, func(t *testing.T) {
			c := testConfig(t, "HS256")
			c.Type = test.expected
			raw := forge("HS256", testSecret, `{"alg":"HS256"`+test.header+`}`, claimsWith(access))
			wantReason(t, newVerifier(t, c), raw, test.want)
		})
	}
}

// TestS22Type: S-22. No verifier accepts a JWT that identity_jwt issued for an upstream,
// whatever type it is told to expect.
func TestS22Type(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Type = "Application/Policy-Auth-Identity+JWT"
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "are no credentials") {
		t.Errorf("such a type can be configured: %v", err)
	}
	v := newVerifier(t, testConfig(t, "HS256"))
	v.typ = IdentityType
	wantReason(t, v, forge("HS256", testSecret, `{"alg":"HS256","typ":"policy-auth-identity+jwt"}`, claimsWith(nil)), authenticator.ReasonTokenType)
}

// R-JWT-19: an ID token is not an access token.
func TestKindIDToken(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	for _, claim := range idTokenClaims {
		for header, want := range map[string]authenticator.Reason{
			`{"alg":"HS256"}`:                authenticator.ReasonTokenType,
			`{"alg":"HS256","typ":"JOSE"}`:   authenticator.ReasonTokenType,
			`{"alg":"HS256","typ":"JWT"}`:    "",
			`{"alg":"HS256","typ":"at+jwt"}`: "",
		} {
			wantReason(t, v, forge("HS256", testSecret, header, claimsWith(map[string]any{claim: "x"})), want)
		}
	}
}

// R-AT-2: an access token has all that RFC 9068 demands of it.
func TestKindAccessTokenClaims(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Type = "at+jwt"
	v := newVerifier(t, c)
	accessToken := func(change string, value any) string {
		changes := map[string]any{"client_id": "app", "jti": "1"}
		changes[change] = value
		return forge("HS256", testSecret, `{"alg":"HS256","typ":"at+jwt"}`, claimsWith(changes))
	}
	wantReason(t, v, accessToken("scope", "a b"), authenticator.ReasonNone)
	for _, claim := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		t.Run(claim, func(t *testing.T) {
			if _, err := v.Verify(accessToken(claim, nil)); err == nil {
				t.Errorf("accepted without %s", claim)
			}
		})
	}
	wantReason(t, v, accessToken("jti", null), authenticator.ReasonTokenMalformed)
}
