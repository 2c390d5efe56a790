package token

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// JWT-SVIDs of SPIFFE: keys for the use jwt-svid, typ JOSE, no iss, and a kid by
// which alone such a key is chosen.
func TestN27SVID(t *testing.T) {
	set, skipped, err := ParseJWKSet([]byte(`{"spiffe_sequence":1,"spiffe_refresh_hint":300,"keys":[` + strings.Join([]string{
		ecJWK(&p256Key().PublicKey, map[string]any{"use": "jwt-svid", "kid": "a"}),
		ecJWK(&p256Key().PublicKey, map[string]any{"use": "jwt-svid"}),
		rsaJWK(&rsaKey().PublicKey, map[string]any{"use": "x509-svid", "x5c": []string{"MIIB"}}),
	}, ",") + `]}`))
	if err != nil || len(set.keys) != 1 || len(skipped) != 2 || !strings.Contains(skipped[0].Error(), "no kid") {
		t.Fatalf("%v, skipped %v, %v", set, skipped, err)
	}
	c := testConfig(t, "ES256")
	c.Issuer, c.Keys = "", set
	v := newVerifier(t, c)
	payload := claimsWith(map[string]any{"iss": nil, "iat": nil, "sub": "spiffe://example.org/api"})
	for header, want := range map[string]authenticator.Reason{
		`{"alg":"ES256","kid":"a","typ":"JOSE"}`: "",
		`{"alg":"ES256","kid":"a","typ":"JWT"}`:  "",
		`{"alg":"ES256","kid":"a"}`:              "",
		`{"alg":"ES256","typ":"JOSE"}`:           authenticator.ReasonTokenSignature,
		`{"alg":"ES256","kid":""}`:               authenticator.ReasonTokenSignature,
		`{"alg":"ES256","kid":"b"}`:              authenticator.ReasonTokenSignature,
	} {
		t.Run("N-27 "+header, func(t *testing.T) {
			wantReason(t, v, forge("ES256", p256Key(), header, payload), want)
		})
	}
	for _, subject := range []string{"alice", "https://example.org/api", ""} {
		raw := forge("ES256", p256Key(), `{"alg":"ES256","kid":"a"}`, claimsWith(map[string]any{"iss": nil, "sub": subject}))
		wantReason(t, v, raw, authenticator.ReasonTokenMalformed)
	}
	id, err := v.Verify(forge("ES256", p256Key(), `{"alg":"ES256","kid":"a"}`, payload))
	if err != nil || id.ID != "spiffe://example.org/api" || id.Kind != authenticator.KindClient || id.Issuer != "" {
		t.Errorf("got %+v, %v", id, err)
	}
}

// Keys in a file that cannot verify are left out beside good ones; private keys
// and secrets are errors still.
func TestN33KeyFile(t *testing.T) {
	good, ec := edJWK(edKey().Public().(ed25519.PublicKey), map[string]any{"kid": "good"}), &p256Key().PublicKey
	for name, bad := range map[string]string{
		"N-33 for encryption": ecJWK(ec, map[string]any{"use": "enc"}),
		"N-33 X25519":         edJWK(edKey().Public().(ed25519.PublicKey), map[string]any{"crv": "X25519"}),
		"N-33 secp256k1":      ecJWK(ec, map[string]any{"crv": "secp256k1"}),
		"N-33 unknown kty":    `{"kty":"AKP","pub":"AAAA"}`,
	} {
		t.Run(name, func(t *testing.T) {
			keys, skipped, err := ParseJWKFile("keys.json", jwks(bad, good))
			if err != nil || len(keys) != 1 || keys[0].id != "good" || len(skipped) != 1 {
				t.Errorf("%v, skipped %v, %v", keys, skipped, err)
			}
			if _, _, err := ParseJWKFile("keys.json", jwks(bad)); err == nil {
				t.Error("a file without a usable key is taken")
			}
		})
	}
	for name, bad := range map[string]string{
		"N-33 private key": ecJWK(ec, map[string]any{"d": "AAAA"}),
		"N-33 secret":      `{"kty":"oct","k":"` + b64(testSecret) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := ParseJWKFile("keys.json", jwks(bad, good)); !errors.Is(err, errNotPublic) || !strings.Contains(err.Error(), "keys.json") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Ed25519 (RFC 9864) is EdDSA with that curve, in tokens, keys and the configuration.
func TestN26Ed25519(t *testing.T) {
	public := edKey().Public().(ed25519.PublicKey)
	for _, name := range []string{"", "EdDSA", "Ed25519"} {
		members := map[string]any{"kid": "ed"}
		if name != "" {
			members["alg"] = name
		}
		set, skipped, err := ParseJWKSet(jwks(edJWK(public, members)))
		if err != nil || len(skipped) > 0 {
			t.Fatalf("a key for %q: %v, %v", name, skipped, err)
		}
		for _, configured := range [][]string{nil, {"EdDSA"}, {"Ed25519"}} {
			c := testConfig(t, "EdDSA")
			c.Keys, c.Algorithms = set, configured
			v := newVerifier(t, c)
			for _, algorithm := range []string{"EdDSA", "Ed25519"} {
				wantReason(t, v, forge("EdDSA", edKey(), `{"alg":"`+algorithm+`","kid":"ed"}`, claimsWith(nil)), authenticator.ReasonNone)
			}
		}
	}
	if _, skipped, err := ParseJWKSet(jwks(ecJWK(&p256Key().PublicKey, map[string]any{"alg": "Ed25519"}))); err == nil || len(skipped) != 1 {
		t.Errorf("an EC key for Ed25519: %v, %v", skipped, err)
	}
	c := testConfig(t, "ES256")
	wantReason(t, newVerifier(t, c), forge("EdDSA", edKey(), `{"alg":"Ed25519"}`, claimsWith(nil)), authenticator.ReasonTokenSignature)
	if halfHash("Ed25519", "x") != halfHash("EdDSA", "x") {
		t.Error("at_hash differs")
	}
}
