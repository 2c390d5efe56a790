package token

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestN58TokenHints: a refusal that a mistake in the configuration or at the issuer
// explains says what to do, whole, though details are cut off.
func TestN58TokenHints(t *testing.T) {
	c := testConfig(t, "ES256")
	c.Map = map[string][]string{"roles": {"roles"}, "groups": {"a.groups"}, "email": {"mail"}}
	v := newVerifier(t, c)
	good := token("ES256", nil)
	tests := []struct{ name, raw, detail, want string }{
		{"object", token("ES256", map[string]any{"roles": map[string]any{"admin": true}}), "hint", "map roles keys:roles reads the names in the object"},
		{"objects", token("ES256", map[string]any{"a": map[string]any{"groups": []any{map[string]any{"id": "x"}}}}), "hint", "map groups a.groups[].<member> reads a member of each object in the list"},
		{"numbers", token("ES256", map[string]any{"roles": []any{1}}), "hint", ""},
		{"object as a text", token("ES256", map[string]any{"mail": map[string]any{"a": "b"}}), "hint", ""},
		{"encrypted", "e30.e30.e30.e30.e30", "problem", "the token is an encrypted token (JWE), of five segments: have the issuer send a signed one (JWS)"},
		{"four segments", "e30.e30.e30.e30", "problem", "the token has not three segments"},
		{"quotes", `"` + good + `"`, "problem", "the token stands in quotes: send it without them"},
		{"a slash more", token("ES256", map[string]any{"iss": testIssuer + "/"}), "hint", "it differs by the slash at its end alone: configure the issuer to the letter as the provider writes it"},
		{"another issuer", token("ES256", map[string]any{"iss": "https://evil.example"}), "hint", ""},
		{"no issuer", token("ES256", map[string]any{"iss": nil}), "hint", ""},
	}
	for _, test := range tests {
		t.Run("N-58 "+test.name, func(t *testing.T) {
			_, err := v.Verify(test.raw)
			if reasonOf(t, err) == "" || err.(*Error).detail(test.detail) != test.want {
				t.Errorf("%v, want %s %q", err, test.detail, test.want)
			}
		})
	}
}

// TestN58NoIssuedAt: an ID token or a logout token without iat is refused in words of
// its own, not by the name of an option of jwt.
func TestN58NoIssuedAt(t *testing.T) {
	v := clientVerifier(t, "RS256")
	_, byLogin := v.VerifyID(idToken("RS256", map[string]any{"iat": nil}), expect(nil))
	_, byLogout := v.VerifyLogout(forge("RS256", rsaKey(), `{"alg":"RS256","typ":"logout+jwt"}`, logoutClaims(map[string]any{"iat": nil})))
	for _, err := range []error{byLogin, byLogout} {
		if reasonOf(t, err) != authenticator.ReasonTokenMalformed || !strings.HasSuffix(err.Error(), "the payload has no iat") {
			t.Error(err)
		}
	}
}

// TestIssuerHint: what differs by more than a slash has no hint.
func TestIssuerHint(t *testing.T) {
	for received, want := range map[string]string{
		"https://id.example": "", "https://id.example/": "slash", "https://id.example//": "", "https://id.example.evil": "", "": "",
		"https://login.example/{tenantid}/v2.0": "template",
	} {
		if got := IssuerHint("https://id.example", received); (got == "") != (want == "") || !strings.Contains(got, want) || len(got) > maxDetail {
			t.Errorf("%q: %q", received, got)
		}
	}
	if ExplainIssuer("https://id.example/", "https://id.example") == "" || ExplainIssuer("https://id.example", "https://id.example") != "" {
		t.Error("no explanation")
	}
}

// TestN29UserinfoAlgorithm: signed userinfo may have another algorithm than ID tokens,
// which its issuer announces apart, if the issuer's keys fit it.
func TestN29UserinfoAlgorithm(t *testing.T) {
	c := testConfig(t, "RS256")
	c.Audiences, c.Algorithms = []string{testClient}, []string{"RS256"}
	v := newVerifier(t, c)
	answer := map[string]any{"aud": testClient, "exp": nil, "iat": nil}
	for algorithm, want := range map[string]authenticator.Reason{"RS256": "", "PS256": "", "ES256": authenticator.ReasonTokenSignature, "HS256": authenticator.ReasonTokenSignature} {
		if _, err := v.ParseUserinfo([]byte(token(algorithm, answer)), true); reasonOf(t, err) != want {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if _, err := v.VerifyID(token("PS256", map[string]any{"aud": testClient, "nonce": "n"}), Expected{Nonce: "n", MaxAge: -1}); reasonOf(t, err) != authenticator.ReasonTokenSignature {
		t.Errorf("an ID token: %v", err)
	}
}
