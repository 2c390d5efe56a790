package token

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func jwks(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func texts(errs []error) []string {
	list := []string{}
	for _, err := range errs {
		list = append(list, err.Error())
	}
	return list
}

// R-JWK-1, T-53: junk beside good keys is left out with a line for each.
func TestParseJWKSetSkipsJunk(t *testing.T) {
	set, skipped, err := ParseJWKSet(jwks(
		`{"kty":"AKP","pub":"AAAA"}`,
		ecJWK(&p256Key().PublicKey, map[string]any{"kid": "e"}),
		`{"kty":"oct","k":"`+b64(testSecret)+`"}`,
		`{"kty":"RSA","n":"AAAA","e":"AQAB"}`,
		`null`,
		`{"kty":"OKP","kty":"OKP"}`,
		`{"x":"`+"\xff"+`"}`,
		rsaJWK(&rsaKey().PublicKey, map[string]any{"alg": "RSA-OAEP", "kid": "r"}),
		rsaJWK(&rsaKey().PublicKey, map[string]any{"use": "enc"}),
		edJWK(edKey().Public().(ed25519.PublicKey), nil),
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`key 1 of the key set has the kty "AKP" (allowed: RSA, EC, OKP)`,
		`key 3 of the key set is a secret, which does not belong in a key set`,
		`key 4 of the key set is an RSA key of 0 bits (allowed: 2048 to 16384)`,
		`key 5 of the key set is not a JSON object`,
		`key 6 of the key set has two members named "kty"`,
		`key 7 of the key set is not UTF-8`,
		`key 8 of the key set is for the algorithm RSA-OAEP (allowed for such a key: [RS256 RS384 RS512 PS256 PS384 PS512])`,
		`key 9 of the key set is for the use enc (allowed: sig jwt-svid)`,
	}
	if diff := cmp.Diff(want, texts(skipped)); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ES256", "EdDSA"}, set.Algorithms()); diff != "" {
		t.Errorf("algorithms (-want +got):\n%s", diff)
	}
	c := testConfig(t, "ES256")
	c.Keys = set
	v := newVerifier(t, c)
	wantReason(t, v, token("ES256", nil), "")
	wantReason(t, v, token("EdDSA", nil), "")
	wantReason(t, v, token("RS256", nil), authenticator.ReasonTokenSignature)
}

// R-JWK-3: a kid of two keys means neither; other kids work, one line is said.
func TestParseJWKSetDuplicateKid(t *testing.T) {
	first, second := newECKeys()["ES256"], newECKeys()["ES256"]
	set, skipped, err := ParseJWKSet(jwks(
		ecJWK(&first.PublicKey, map[string]any{"kid": "twice"}),
		ecJWK(&p256Key().PublicKey, map[string]any{"kid": "once"}),
		ecJWK(&second.PublicKey, map[string]any{"kid": "twice"}),
		rsaJWK(&rsaKey().PublicKey, map[string]any{"kid": "same", "alg": "RS256"}),
		rsaJWK(&rsaKey().PublicKey, map[string]any{"kid": "same", "alg": "PS256"}),
	))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"the kid twice of the key set names 2 different keys of one type"}, texts(skipped)); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	c := testConfig(t, "ES256")
	c.Keys = set
	v := newVerifier(t, c)
	wantReason(t, v, forge("ES256", first, `{"alg":"ES256","kid":"twice"}`, claimsWith(nil)), authenticator.ReasonTokenSignature)
	wantReason(t, v, forge("ES256", second, `{"alg":"ES256","kid":"twice"}`, claimsWith(nil)), authenticator.ReasonTokenSignature)
	wantReason(t, v, forge("ES256", first, `{"alg":"ES256"}`, claimsWith(nil)), authenticator.ReasonTokenSignature)
	wantReason(t, v, forge("ES256", p256Key(), `{"alg":"ES256","kid":"once"}`, claimsWith(nil)), "")
	for _, algorithm := range []string{"RS256", "PS256"} {
		wantReason(t, v, forge(algorithm, rsaKey(), `{"alg":"`+algorithm+`","kid":"same"}`, claimsWith(nil)), "")
	}
	wantReason(t, v, forge("RS384", rsaKey(), `{"alg":"RS384","kid":"same"}`, claimsWith(nil)), authenticator.ReasonTokenSignature)
}

// TestJWKSetKidOfSeveralTypes: keys of different types and curves under one kid are
// alternatives (RFC 7517, section 4.5), and of those of one type the kid names none.
//
// R-JWK-3
func TestJWKSetKidOfSeveralTypes(t *testing.T) {
	kid := map[string]any{"kid": "one"}
	set, skipped, err := ParseJWKSet(jwks(
		rsaJWK(&rsaKey().PublicKey, kid),
		ecJWK(&ecKeys()["ES256"].PublicKey, kid),
		ecJWK(&ecKeys()["ES384"].PublicKey, kid),
		edJWK(edKey().Public().(ed25519.PublicKey), kid),
		ecJWK(&ecKeys()["ES512"].PublicKey, kid),
		ecJWK(&newECKeys()["ES512"].PublicKey, kid),
	))
	if err != nil || len(skipped) != 1 {
		t.Fatalf("left out %v, %v", skipped, err)
	}
	c := testConfig(t, "ES256")
	c.Keys = set
	v := newVerifier(t, c)
	for _, algorithm := range []string{"RS256", "ES256", "ES384", "EdDSA", "ES512"} {
		var want authenticator.Reason
		if algorithm == "ES512" {
			want = authenticator.ReasonTokenSignature
		}
		wantReason(t, v, forge(algorithm, signer(algorithm), `{"alg":"`+algorithm+`","kid":"one"}`, claimsWith(nil)), want)
	}
}

// R-JWK-1: a set without a usable key is an error, as is what is no set.
func TestParseJWKSetErrors(t *testing.T) {
	good := ecJWK(&p256Key().PublicKey, nil)
	for name, test := range map[string]struct{ data, want string }{
		"empty":          {``, "is not JSON"},
		"not JSON":       {`<html>`, "is not JSON"},
		"cut off":        {`{"keys":[` + good, "is not JSON"},
		"trailing":       {string(jwks(good)) + "{}", "is not JSON"},
		"a list":         {`[` + good + `]`, "is not a JSON object"},
		"a single key":   {good, "no list of keys"},
		"no keys member": {`{"KEYS":[` + good + `]}`, "no list of keys"},
		"keys null":      {`{"keys":null}`, "no list of keys"},
		"keys an object": {`{"keys":{"a":` + good + `}}`, "no list of keys"},
		"keys twice":     {`{"keys":[],"keys":[` + good + `]}`, "two members named keys"},
		"no key":         {`{"keys":[]}`, "no usable key"},
		"no usable key":  {string(jwks(`{}`, `1`)), "no usable key"},
		"only ambiguous": {string(jwks(ecJWK(&newECKeys()["ES256"].PublicKey, map[string]any{"kid": "a"}), ecJWK(&p256Key().PublicKey, map[string]any{"kid": "a"}))), "no usable key"},
		"too many":       {string(jwks(strings.Split(strings.Repeat(good+"|", 257), "|")[:257]...)), "more than 256 keys"},
		"far too deep":   {`{"keys":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			set, _, err := ParseJWKSet([]byte(test.data))
			if err == nil || set != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ParseJWKSet: %v, want %q", err, test.want)
			}
		})
	}
	if _, _, err := ParseJWKSet([]byte(`{"x":{"keys":1},"keys":[` + good + `],"y":[1,2]}`)); err != nil {
		t.Errorf("other members: %v", err)
	}
}
