package token

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const (
	keyThumbprint         = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	certificateThumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
)

// TestConfirmation: a token with a cnf that can be checked keeps it, also when it is
// cached, and Verify, which knows no proof, accepts none of them (R-DP-2, R-MT-1).
func TestConfirmation(t *testing.T) {
	for name, test := range map[string]struct {
		cnf   any
		want  Confirmation
		bound string
	}{
		"none":          {nil, Confirmation{}, "none"},
		"null":          {null, Confirmation{}, "none"},
		"a key":         {map[string]any{"jkt": keyThumbprint}, Confirmation{KeyThumbprint: keyThumbprint}, "dpop"},
		"a certificate": {map[string]any{"x5t#S256": certificateThumbprint}, Confirmation{CertificateThumbprint: certificateThumbprint}, "certificate"},
		// R-MT-6
		"both": {map[string]any{"jkt": keyThumbprint, "x5t#S256": certificateThumbprint}, Confirmation{keyThumbprint, certificateThumbprint}, "dpop"},
	} {
		t.Run(name, func(t *testing.T) {
			v, raw := newVerifier(t, testConfig(t, "HS256")), token("HS256", map[string]any{"cnf": test.cnf})
			got, err := v.VerifyLimited(Parse(raw), nil)
			if err != nil || got.Confirmation != test.want || got.Identity.Bound != test.bound {
				t.Fatalf("%+v, %v", got, err)
			}
			if cached, known := v.VerifyCached(raw); !known || cached != got {
				t.Errorf("cached as %+v", cached)
			}
			want := authenticator.ReasonNone
			if test.bound != "none" {
				want = authenticator.ReasonTokenUnbound
			}
			wantReason(t, v, raw, want)
			wantReason(t, newVerifier(t, testConfig(t, "HS256")), raw, want)
		})
	}
}

// TestN05ForeignConfirmation: a cnf that cannot be checked rejects the token, whatever
// its form.
func TestN05ForeignConfirmation(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	for form, cnf := range map[string]any{
		"jwk": map[string]any{"jwk": map[string]any{"kty": "RSA"}}, "kid": map[string]any{"kid": "1"}, "another": map[string]any{"x-binding": true},
		"empty": map[string]any{}, "string": "0ZcO", "false": false, "list": []string{}, "number": 1,
		"one more": map[string]any{"jkt": keyThumbprint, "kid": "1"}, "null inside": map[string]any{"jkt": null}, "SHA-1": map[string]any{"x5t": "dGVzdA"},
		"short": map[string]any{"jkt": keyThumbprint[1:]}, "padded": map[string]any{"jkt": keyThumbprint + "="}, "no base64url": map[string]any{"jkt": "+" + keyThumbprint[1:]},
		"unused bits": map[string]any{"jkt": keyThumbprint[:42] + "J"}, "a line end": map[string]any{"jkt": keyThumbprint + "\n"}, "case": map[string]any{"JKT": keyThumbprint},
		"a number for a hash": map[string]any{"x5t#S256": 1}, "hex": map[string]any{"x5t#S256": "0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd"},
	} {
		t.Run("N-05 "+form, func(t *testing.T) {
			raw := token("HS256", map[string]any{"cnf": cnf})
			wantReason(t, v, raw, authenticator.ReasonTokenUnbound)
			if got, err := v.VerifyLimited(Parse(raw), nil); reasonOf(t, err) != authenticator.ReasonTokenUnbound || got.Identity != nil {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestIDTokenIsNotBound: a session does not become a bound credential by a cnf in its
// ID token or userinfo.
func TestIDTokenIsNotBound(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	cnf := map[string]any{"jkt": keyThumbprint}
	id, err := v.Identify(&IDToken{claims: object{"sub": "alice", "cnf": cnf}}, map[string]any{"cnf": cnf})
	if err != nil || id.Bound != "none" {
		t.Errorf("%+v, %v", id, err)
	}
}
