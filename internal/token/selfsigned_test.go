package token

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// selfSigned returns a JWT with its key in the header, with changed members of both:
// nil removes a member.
func selfSigned(algorithm string, header, jwk map[string]any) string {
	key := map[string]any{}
	check(json.Unmarshal(must((&jose.JSONWebKey{Key: publicOf(signer(algorithm))}).MarshalJSON()), &key))
	maps.Copy(key, jwk)
	members := map[string]any{"typ": "dpop+jwt", "alg": algorithm, "jwk": key}
	maps.Copy(members, header)
	for _, m := range []map[string]any{key, members} {
		maps.DeleteFunc(m, func(_ string, value any) bool { return value == nil })
	}
	return forge(algorithm, signer(algorithm), string(must(json.Marshal(members))), `{"a":"b"}`)
}

// TestSelfSigned: every kind of key verifies what it signed, and nothing else.
func TestSelfSigned(t *testing.T) {
	for _, algorithm := range AsymmetricAlgorithms() {
		t.Run(algorithm, func(t *testing.T) {
			raw := selfSigned(algorithm, nil, nil)
			s, err := ParseSelfSigned(raw, 8<<10)
			if err != nil || !s.VerifySignature() || s.Algorithm != algorithm || s.Type != "dpop+jwt" || s.Thumbprint != testKey(t, algorithm).thumbprint {
				t.Fatalf("%+v, %v", s, err)
			}
			if text, present, err := s.Text("a"); text != "b" || !present || err != nil {
				t.Error(text, present, err)
			}
			head, rest, _ := strings.Cut(raw, ".")
			_, signature, _ := strings.Cut(rest, ".")
			if other, err := ParseSelfSigned(head+"."+encode(`{"a":"c"}`)+"."+signature, 8<<10); err != nil || other.VerifySignature() {
				t.Error("another payload verifies", err)
			}
		})
	}
}

// TestSelfSignedRefused: what is no JWT with a good public key of its own.
func TestSelfSignedRefused(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	large := new(big.Int).Lsh(big.NewInt(1), maxEmbeddedRSABits+1)
	modulus := func(n *big.Int) map[string]any { return map[string]any{"n": encode(string(n.Bytes()))} }
	for name, raw := range map[string]string{
		"nothing": "", "no JWT": "a.b", "five segments": "a.b.c.d.e", "JSON": `{"payload":""}`,
		"no signature":         strings.TrimRight(selfSigned("ES256", nil, nil), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		"too long":             selfSigned("ES256", map[string]any{"x": strings.Repeat("x", 9<<10)}, nil),
		"a long header":        selfSigned("ES256", map[string]any{"x": strings.Repeat("x", 5<<10)}, nil),
		"crit":                 selfSigned("ES256", map[string]any{"crit": []string{"x"}}, nil),
		"no alg":               selfSigned("ES256", map[string]any{"alg": nil}, nil),
		"no jwk":               selfSigned("ES256", map[string]any{"jwk": nil}, nil),
		"a jwk that is a text": selfSigned("ES256", map[string]any{"jwk": "{}"}, nil),
		"alg none":             selfSigned("ES256", map[string]any{"alg": "none"}, nil),
		"HMAC by the key":      selfSigned("ES256", map[string]any{"alg": "HS256"}, nil),
		"another curve's alg":  selfSigned("ES256", map[string]any{"alg": "ES384"}, nil),
		"another alg of jwk":   selfSigned("RS256", nil, map[string]any{"alg": "PS256"}),
		"a private key":        selfSigned("ES256", nil, map[string]any{"d": "AQ"}),
		"a private prime":      selfSigned("RS256", nil, map[string]any{"p": "AQ"}),
		"a null private key":   selfSigned("ES256", nil, map[string]any{"d": json.RawMessage("null")}),
		"a secret":             selfSigned("ES256", nil, map[string]any{"kty": "oct", "k": "AQ"}),
		"not on the curve":     selfSigned("ES256", nil, map[string]any{"x": encode(strings.Repeat("a", 32))}),
		"for encryption":       selfSigned("ES256", nil, map[string]any{"use": "enc"}),
		"not for verifying":    selfSigned("ES256", nil, map[string]any{"key_ops": []string{"encrypt"}}),
		"a weak RSA key":       selfSigned("RS256", nil, modulus(small.N)),
		"a large RSA key":      selfSigned("RS256", nil, modulus(large.Add(large, big.NewInt(1)))),
	} {
		if s, err := ParseSelfSigned(raw, 8<<10); err == nil || s != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestSelfSignedVectors: the proofs of RFC 9449 verify, with the thumbprints that the
// vectors give (RFC 7638).
func TestSelfSignedVectors(t *testing.T) {
	var published struct {
		DPoP struct {
			Proofs []struct{ Proof, JKT string }
		} `json:"rfc9449_dpop"`
	}
	check(json.Unmarshal(vectors.Read(t, "rfc-examples", "http-auth-rfc-examples.json"), &published))
	for i, proof := range published.DPoP.Proofs {
		s, err := ParseSelfSigned(proof.Proof, 8<<10)
		if err != nil || !s.VerifySignature() || s.Thumbprint != proof.JKT {
			t.Errorf("%d: %+v, %v", i, s, err)
		}
	}
	if len(published.DPoP.Proofs) == 0 {
		t.Error("no vector was read")
	}
}

// FuzzSelfSigned: whatever a client sends, parsing does not panic, and what verifies has
// a thumbprint.
func FuzzSelfSigned(f *testing.F) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		f.Add(selfSigned(algorithm, nil, nil))
	}
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := ParseSelfSigned(raw, 8<<10)
		if err != nil {
			return
		}
		if _, _, err := s.Time("iat"); s.VerifySignature() && (len(s.Thumbprint) != 43 || s.Algorithm == "") {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
