package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// R-JWT-1, T-32: an algorithm that is not listed is refused, though the key fits.
func TestAlgorithmAllowList(t *testing.T) {
	c := testConfig(t, "RS256")
	c.Algorithms = []string{"RS256", "PS512"}
	v := newVerifier(t, c)
	for algorithm, want := range map[string]authenticator.Reason{
		"RS256": "", "PS512": "", "RS384": authenticator.ReasonTokenSignature, "PS256": authenticator.ReasonTokenSignature,
	} {
		refused := wantReason(t, v, token(algorithm, nil), want)
		if want != "" && refused.detail("expected_algorithms") != "RS256 PS512" {
			t.Errorf("%s: details %v do not say what is allowed", algorithm, refused.Details)
		}
	}
}

// R-JWT-2, R-AT-3, T-32: unsigned tokens are refused however they are written.
func TestAlgorithmNone(t *testing.T) {
	for _, algorithm := range []string{"HS256", "RS256", "ES256"} {
		v := newVerifier(t, testConfig(t, algorithm))
		good := token(algorithm, nil)
		signature := good[strings.LastIndexByte(good, '.')+1:]
		for _, none := range []string{"none", "None", "NONE", "nOnE", " none", "none\u0000", "", "hs256", "Hs256", "HS256 ", "rs256"} {
			head := encode(must(jsonString(map[string]any{"alg": none})))
			for _, sig := range []string{"", signature, "AA"} {
				if _, err := v.Verify(head + "." + encode(claimsWith(nil)) + "." + sig); err == nil {
					t.Errorf("%s: alg %q with the signature %q was accepted", algorithm, none, sig)
				}
			}
		}
	}
	if _, err := New(Config{AnyAudience: true, Keys: testSet(t, testKey(t, "HS256")), Algorithms: []string{"none"}}); err == nil {
		t.Error("none could be configured")
	}
}

// R-JWT-2: an empty signature is refused even with a listed algorithm.
func TestAlgorithmEmptySignature(t *testing.T) {
	for algorithm := range methods {
		v := newVerifier(t, testConfig(t, algorithm))
		good := token(algorithm, nil)
		wantReason(t, v, good[:strings.LastIndexByte(good, '.')+1], authenticator.ReasonTokenMalformed)
	}
}

// R-JWT-3, T-32: no form of a public key serves as a secret.
func TestAlgorithmConfusion(t *testing.T) {
	public := &rsaKey().PublicKey
	pemText := pemOf(public)
	secrets := map[string][]byte{
		"PEM":                  pemText,
		"PEM without line end": []byte(strings.TrimSpace(string(pemText))),
		"DER":                  must(x509.MarshalPKIXPublicKey(public)),
		"PKCS #1":              x509.MarshalPKCS1PublicKey(public),
		"modulus":              public.N.Bytes(),
		"JWK":                  []byte(rsaJWK(public, nil)),
		"thumbprint":           []byte(testKey(t, "RS256").thumbprint),
	}
	for _, algorithms := range [][]string{nil, {"RS256"}} {
		c := testConfig(t, "RS256")
		c.Algorithms = algorithms
		v := newVerifier(t, c)
		for name, secret := range secrets {
			t.Run(name, func(t *testing.T) {
				for _, hs := range hmacAlgorithms {
					wantReason(t, v, forge(hs, secret, `{"alg":"`+hs+`"}`, claimsWith(nil)), authenticator.ReasonTokenSignature)
				}
			})
		}
	}
}

// R-JWT-3: even a source that mixes kinds against its contract is held off by
// the allow-list and by the key's own binding.
func TestAlgorithmKeyBinding(t *testing.T) {
	for algorithm := range methods {
		key := testKey(t, algorithm)
		for other := range methods {
			bound := slices.Contains(key.algorithms, other)
			signed := "x.y"
			signature := must(jwt.GetSigningMethod(other).Sign(signed, signer(other)))
			same := publicEqual(publicOf(signer(algorithm)), publicOf(signer(other)))
			if got := key.verify(other, signed, signature); got != (bound && same) {
				t.Errorf("a key for %s verifies %s: %v, want %v", algorithm, other, got, bound && same)
			}
		}
	}
	narrow := must(parseJWK([]byte(rsaJWK(&rsaKey().PublicKey, map[string]any{"alg": "PS256"}))))
	for _, other := range rsaAlgorithms {
		signature := must(jwt.GetSigningMethod(other).Sign("x.y", rsaKey()))
		if got := narrow.verify(other, "x.y", signature); got != (other == "PS256") {
			t.Errorf("a key for PS256 alone verifies %s: %v", other, got)
		}
	}
	if (Key{}).verify("HS256", "", nil) || (Key{material: []byte{}}).verify("none", "", nil) {
		t.Error("a zero key verifies")
	}
}

func publicEqual(a, b any) bool {
	if bytes, ok := a.([]byte); ok {
		other, ok := b.([]byte)
		return ok && slices.Equal(bytes, other)
	}
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

// R-JWT-7: an ECDSA signature has a fixed length, and its numbers are in range.
func TestAlgorithmECDSAForm(t *testing.T) {
	for _, algorithm := range ecdsaAlgorithms {
		private := ecKeys()[algorithm]
		v := newVerifier(t, testConfig(t, algorithm))
		good := token(algorithm, nil)
		cut := strings.LastIndexByte(good, '.')
		signed, raw := good[:cut], must(base64.RawURLEncoding.DecodeString(good[cut+1:]))
		half := len(raw) / 2
		order := private.Curve.Params().N.FillBytes(make([]byte, half))
		zero := make([]byte, half)
		digest := sha256.Sum256([]byte(signed))
		tests := map[string][]byte{
			"DER":            must(ecdsa.SignASN1(rand.Reader, private, digest[:])),
			"short":          raw[:len(raw)-1],
			"long":           append(slices.Clone(raw), 0),
			"padded halves":  slices.Concat([]byte{0}, raw[:half], []byte{0}, raw[half:]),
			"r is zero":      slices.Concat(zero, raw[half:]),
			"s is zero":      slices.Concat(raw[:half], zero),
			"both zero":      slices.Concat(zero, zero),
			"r is the order": slices.Concat(order, raw[half:]),
			"s is the order": slices.Concat(raw[:half], order),
		}
		for name, signature := range tests {
			t.Run(algorithm+" "+name, func(t *testing.T) {
				wantReason(t, v, signed+"."+base64.RawURLEncoding.EncodeToString(signature), authenticator.ReasonTokenSignature)
			})
		}
	}
}

// R-JWT-7: the salt of a PSS signature is as long as the hash.
func TestAlgorithmPSSSaltLength(t *testing.T) {
	v := newVerifier(t, testConfig(t, "PS256"))
	signed := encode(`{"alg":"PS256"}`) + "." + encode(claimsWith(nil))
	digest := sha256.Sum256([]byte(signed))
	for salt, want := range map[int]authenticator.Reason{
		32: "", 20: authenticator.ReasonTokenSignature, 31: authenticator.ReasonTokenSignature,
		33: authenticator.ReasonTokenSignature, 64: authenticator.ReasonTokenSignature, rsa.PSSSaltLengthAuto: authenticator.ReasonTokenSignature,
	} {
		options := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}
		signature := must(rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, digest[:], options))
		wantReason(t, v, signed+"."+base64.RawURLEncoding.EncodeToString(signature), want)
	}
	for _, m := range []*jwt.SigningMethodRSAPSS{jwt.SigningMethodPS256, jwt.SigningMethodPS384, jwt.SigningMethodPS512} {
		if m.VerifyOptions == nil || m.VerifyOptions.SaltLength != rsa.PSSSaltLengthAuto {
			t.Errorf("golang-jwt's own %s was changed", m.Name)
		}
	}
}

// R-JWT-7: an RSA signature has the length of the modulus.
func TestAlgorithmRSALength(t *testing.T) {
	for _, algorithm := range []string{"RS256", "PS256"} {
		v := newVerifier(t, testConfig(t, algorithm))
		good := token(algorithm, nil)
		cut := strings.LastIndexByte(good, '.')
		raw := must(base64.RawURLEncoding.DecodeString(good[cut+1:]))
		plusN := new(big.Int).Add(new(big.Int).SetBytes(raw), rsaKey().N).Bytes()
		for name, signature := range map[string][]byte{
			"leading zero":  append([]byte{0}, raw...),
			"trailing zero": append(slices.Clone(raw), 0),
			"short":         raw[1:],
			"not reduced":   plusN,
		} {
			t.Run(algorithm+" "+name, func(t *testing.T) {
				wantReason(t, v, good[:cut+1]+base64.RawURLEncoding.EncodeToString(signature), authenticator.ReasonTokenSignature)
			})
		}
	}
}
