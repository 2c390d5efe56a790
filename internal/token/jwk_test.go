package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"testing"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func jwk(members, changes map[string]any) string {
	maps.Copy(members, changes)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
	return string(must(json.Marshal(members)))
}

func rsaJWK(public *rsa.PublicKey, changes map[string]any) string {
	return jwk(map[string]any{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}, changes)
}

func ecJWK(public *ecdsa.PublicKey, changes map[string]any) string {
	point := must(public.Bytes())
	half := len(point) / 2
	return jwk(map[string]any{"kty": "EC", "crv": public.Curve.Params().Name, "x": b64(point[1 : half+1]), "y": b64(point[half+1:])}, changes)
}

func edJWK(public ed25519.PublicKey, changes map[string]any) string {
	return jwk(map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}, changes)
}

func TestParseJWK(t *testing.T) {
	public := edKey().Public().(ed25519.PublicKey)
	for name, test := range map[string]struct {
		data string
		kid  string
		want string // algorithms
	}{
		"RSA":              {rsaJWK(&rsaKey().PublicKey, nil), "", "RS256 RS384 RS512 PS256 PS384 PS512"},
		"RSA for one":      {rsaJWK(&rsaKey().PublicKey, map[string]any{"alg": "PS384", "kid": "r", "use": "sig"}), "r", "PS384"},
		"P-256":            {ecJWK(&p256Key().PublicKey, map[string]any{"key_ops": []string{"verify"}}), "", "ES256"},
		"P-384":            {ecJWK(&ecKeys()["ES384"].PublicKey, nil), "", "ES384"},
		"P-521":            {ecJWK(&ecKeys()["ES512"].PublicKey, map[string]any{"kid": "../x"}), "../x", "ES512"},
		"Ed25519":          {edJWK(public, map[string]any{"alg": "EdDSA"}), "", "EdDSA"},
		"members we skip":  {edJWK(public, map[string]any{"x5c": []string{"x"}, "x5u": "http://127.0.0.1/", "iat": 1}), "", "EdDSA"},
		"verify and sign":  {edJWK(public, map[string]any{"key_ops": []string{"sign", "verify"}}), "", "EdDSA"},
		"longest kid":      {edJWK(public, map[string]any{"kid": strings.Repeat("k", maxKeyID)}), strings.Repeat("k", maxKeyID), "EdDSA"},
		"kid not a number": {edJWK(public, map[string]any{"kid": "1"}), "1", "EdDSA"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := parseJWK([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(key.algorithms, " "); got != test.want || key.id != test.kid || key.pinned {
				t.Errorf("key %q for %s (pinned %v), want %q for %s", key.id, got, key.pinned, test.kid, test.want)
			}
		})
	}
}

// R-JWT-4, R-JWT-5, R-JWT-6, T-32, T-53: keys that must not be used.
func TestParseJWKRefuses(t *testing.T) {
	ec, ed := &p256Key().PublicKey, edKey().Public().(ed25519.PublicKey)
	r := &rsaKey().PublicKey
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	x := must(ec.Bytes())[1:33]
	for name, test := range map[string]struct{ data, want string }{
		"for encryption":        {ecJWK(ec, map[string]any{"use": "enc"}), "use enc"},
		"use is a list":         {ecJWK(ec, map[string]any{"use": []string{"sig"}}), "use that is not a string"},
		"use in capitals":       {ecJWK(ec, map[string]any{"use": "SIG"}), "use SIG"},
		"other operations":      {ecJWK(ec, map[string]any{"key_ops": []string{"encrypt", "wrapKey"}}), "operation verify"},
		"only signing":          {ecJWK(ec, map[string]any{"key_ops": []string{"sign"}}), "operation verify"},
		"no operation":          {ecJWK(ec, map[string]any{"key_ops": []string{}}), "operation verify"},
		"operation not a list":  {ecJWK(ec, map[string]any{"key_ops": "verify"}), "key_ops"},
		"use right, ops wrong":  {ecJWK(ec, map[string]any{"use": "sig", "key_ops": []string{"deriveKey"}}), "operation verify"},
		"alg of another kind":   {ecJWK(ec, map[string]any{"alg": "RS256"}), "algorithm RS256"},
		"alg of another curve":  {ecJWK(ec, map[string]any{"alg": "ES384"}), "algorithm ES384"},
		"alg that is none":      {ecJWK(ec, map[string]any{"alg": "none"}), "algorithm none"},
		"alg for a secret":      {rsaJWK(r, map[string]any{"alg": "HS256"}), "algorithm HS256"},
		"alg for encryption":    {rsaJWK(r, map[string]any{"alg": "RSA-OAEP"}), "algorithm RSA-OAEP"},
		"alg that does not be":  {ecJWK(&ecKeys()["ES512"].PublicKey, map[string]any{"alg": "ES521"}), "algorithm ES521"},
		"alg a number":          {rsaJWK(r, map[string]any{"alg": 256}), "alg that is not a string"},
		"secret":                {jwk(map[string]any{"kty": "oct", "k": b64(testSecret)}, nil), "secret"},
		"private EC key":        {ecJWK(ec, map[string]any{"d": "AAAA"}), "private key"},
		"private RSA key":       {rsaJWK(r, map[string]any{"d": "AAAA"}), "private key"},
		"private Ed25519 key":   {edJWK(ed, map[string]any{"d": "AAAA"}), "private key"},
		"unknown kty":           {jwk(map[string]any{"kty": "AKP", "pub": "AAAA"}, nil), `kty "AKP" (allowed: RSA, EC, OKP)`},
		"kty in lower case":     {ecJWK(ec, map[string]any{"kty": "ec"}), `kty "ec"`},
		"no kty":                {ecJWK(ec, map[string]any{"kty": nil}), `kty ""`},
		"kty a number":          {ecJWK(ec, map[string]any{"kty": 1}), "kty that is not a string"},
		"secp256k1":             {ecJWK(ec, map[string]any{"crv": "secp256k1"}), `crv "secp256k1" (allowed: P-256, P-384, P-521)`},
		"curve of another size": {ecJWK(ec, map[string]any{"crv": "P-384"}), "not 48 bytes"},
		"not on the curve":      {ecJWK(ec, map[string]any{"y": b64(x)}), "not on declared curve"},
		"point at zero":         {ecJWK(ec, map[string]any{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}), "not on declared curve"},
		"short coordinate":      {ecJWK(ec, map[string]any{"x": b64(x[1:])}), "not 32 bytes"},
		"long coordinate":       {ecJWK(ec, map[string]any{"x": b64(append([]byte{0}, x...))}), "not 32 bytes"},
		"no coordinate":         {ecJWK(ec, map[string]any{"y": nil}), "no usable y"},
		"padded coordinate":     {ecJWK(ec, map[string]any{"x": b64(x) + "="}), "no usable x"},
		"coordinate a number":   {ecJWK(ec, map[string]any{"x": 1}), "x that is not a string"},
		"X25519":                {edJWK(ed, map[string]any{"crv": "X25519"}), `crv "X25519" (allowed: Ed25519)`},
		"Ed448":                 {edJWK(ed, map[string]any{"crv": "Ed448"}), `crv "Ed448"`},
		"short Ed25519":         {edJWK(ed[1:], nil), "not 32 bytes"},
		"RSA without n":         {rsaJWK(r, map[string]any{"n": nil}), "no usable n"},
		"RSA with an empty n":   {rsaJWK(r, map[string]any{"n": ""}), "no usable n"},
		"RSA with a line break": {rsaJWK(r, map[string]any{"n": b64(r.N.Bytes()[:8]) + "\n"}), "no usable n"},
		"RSA without e":         {rsaJWK(r, map[string]any{"e": nil}), "no usable e"},
		"RSA exponent 1":        {rsaJWK(r, map[string]any{"e": b64([]byte{1})}), "exponent 1"},
		"RSA exponent 2":        {rsaJWK(r, map[string]any{"e": b64([]byte{2})}), "exponent 2"},
		"RSA exponent 0":        {rsaJWK(r, map[string]any{"e": b64([]byte{0})}), "exponent 0"},
		"RSA exponent huge":     {rsaJWK(r, map[string]any{"e": b64(r.N.Bytes())}), "exponent of more than 31 bits"},
		"RSA of 1024 bits":      {rsaJWK(weak, nil), "1024 bits"},
		"kid a number":          {edJWK(ed, map[string]any{"kid": 1}), "kid that is not a string"},
		"kid too long":          {edJWK(ed, map[string]any{"kid": strings.Repeat("k", maxKeyID+1)}), "kid that is too long"},
		"member twice":          {`{"kty":"OKP",` + edJWK(ed, nil)[1:], "two members"},
		"not an object":         {`"key"`, "not a JSON object"},
		"null":                  {`null`, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := parseJWK([]byte(test.data))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("parseJWK: %v, want %q", err, test.want)
			}
			if key.material != nil {
				t.Error("a key came with the error")
			}
		})
	}
}
