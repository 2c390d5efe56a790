package token

import (
	"maps"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// logoutClaims returns the claims of a good logout token, changed.
func logoutClaims(changes map[string]any) string {
	claims := map[string]any{
		"aud": testClient, "jti": "j-1", "sid": "s-1",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	maps.Copy(claims, changes)
	return claimsWith(claims)
}

// TestVerifyLogout: R-LO-3, OpenID Connect Back-Channel Logout, section 2.6.
func TestVerifyLogout(t *testing.T) {
	now := testNow.Unix()
	tests := []struct {
		name    string
		changes map[string]any
		want    authenticator.Reason
	}{
		{"good", nil, ""},
		{"a subject alone", map[string]any{"sid": nil}, ""},
		{"a session alone", map[string]any{"sub": nil}, ""},
		{"neither", map[string]any{"sid": nil, "sub": nil}, authenticator.ReasonTokenMalformed},
		{"a session that is a list", map[string]any{"sid": []int{1}}, authenticator.ReasonTokenMalformed},
		{"no id", map[string]any{"jti": nil}, authenticator.ReasonTokenMalformed},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, authenticator.ReasonTokenIssuer},
		{"another audience", map[string]any{"aud": "other"}, authenticator.ReasonTokenAudience},
		{"no audience", map[string]any{"aud": nil}, authenticator.ReasonTokenAudience},
		{"no time of issue", map[string]any{"iat": nil}, authenticator.ReasonTokenMalformed},
		{"no expiry", map[string]any{"exp": nil}, authenticator.ReasonTokenMalformed},
		{"expired", map[string]any{"exp": now - 100}, authenticator.ReasonTokenExpired},
		{"a nonce", map[string]any{"nonce": "n-1"}, authenticator.ReasonTokenType},
		{"a nonce that is null", map[string]any{"nonce": null}, ""},
		{"no events", map[string]any{"events": nil}, authenticator.ReasonTokenType},
		{"another event", map[string]any{"events": map[string]any{"urn:other": map[string]any{}}}, authenticator.ReasonTokenType},
		{"an event that is no object", map[string]any{"events": map[string]any{logoutEvent: true}}, authenticator.ReasonTokenType},
		{"events that are a list", map[string]any{"events": []string{logoutEvent}}, authenticator.ReasonTokenType},
	}
	v := clientVerifier(t, "RS256")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := forge("RS256", rsaKey(), `{"alg":"RS256","typ":"logout+jwt"}`, logoutClaims(test.changes))
			got, err := v.VerifyLogout(raw)
			if reason := reasonOf(t, err); reason != test.want || (got == nil) != (test.want != "") {
				t.Errorf("got %+v, %v; want %q", got, err, test.want)
			}
		})
	}
}

// TestVerifyLogoutHeader: the type may be left out; another kind of token, and
// one that nobody signed, end no session.
func TestVerifyLogoutHeader(t *testing.T) {
	tests := map[string]struct {
		algorithm, header string
		key               any
		want              authenticator.Reason
	}{
		"no type":      {"RS256", `{"alg":"RS256"}`, rsaKey(), ""},
		"JWT":          {"RS256", `{"alg":"RS256","typ":"JWT"}`, rsaKey(), ""},
		"spelt out":    {"RS256", `{"alg":"RS256","typ":"application/logout+jwt"}`, rsaKey(), ""},
		"access token": {"RS256", `{"alg":"RS256","typ":"at+jwt"}`, rsaKey(), authenticator.ReasonTokenType},
		"a secret":     {"HS256", `{"alg":"HS256"}`, []byte(testClient), authenticator.ReasonTokenSignature},
		"another key":  {"ES256", `{"alg":"ES256"}`, p256Key(), authenticator.ReasonTokenSignature},
	}
	v := clientVerifier(t, "RS256")
	for name, test := range tests {
		if _, err := v.VerifyLogout(forge(test.algorithm, test.key, test.header, logoutClaims(nil))); reasonOf(t, err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if _, err := v.VerifyLogout(encode(`{"alg":"none"}`) + "." + encode(logoutClaims(nil)) + "."); err == nil {
		t.Error("unsigned")
	}
	if _, err := v.VerifyLogout(idToken("RS256", nil)); reasonOf(t, err) != authenticator.ReasonTokenType {
		t.Errorf("an ID token: %v", err)
	}
}
