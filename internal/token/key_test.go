package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
)

// R-JWT-6: weak keys and those of other kinds are refused at load.
func TestNewPublicKeyRefuses(t *testing.T) {
	good := rsaKey().PublicKey
	modulus := func(bits uint) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.Add(n, big.NewInt(1))
	}
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	for name, test := range map[string]struct {
		material any
		want     string
	}{
		"1024 bits":          {&rsa.PublicKey{N: modulus(1024), E: 65537}, "1024 bits (allowed: 2048 to 16384)"},
		"2047 bits":          {&rsa.PublicKey{N: modulus(2047), E: 65537}, "2047 bits"},
		"huge":               {&rsa.PublicKey{N: modulus(16385), E: 65537}, "16385 bits"},
		"modulus zero":       {&rsa.PublicKey{N: new(big.Int), E: 65537}, "0 bits"},
		"even modulus":       {&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}, "even modulus"},
		"exponent 1":         {&rsa.PublicKey{N: good.N, E: 1}, "exponent 1"},
		"exponent 0":         {&rsa.PublicKey{N: good.N, E: 0}, "exponent 0"},
		"exponent 2":         {&rsa.PublicKey{N: good.N, E: 2}, "exponent 2"},
		"even exponent":      {&rsa.PublicKey{N: good.N, E: 65536}, "exponent 65536"},
		"P-224":              {&p224.PublicKey, "curve P-224 (allowed: P-256, P-384, P-521)"},
		"private key":        {rsaKey(), "unsupported kind"},
		"a secret":           {[]byte("x"), "unsupported kind"},
		"nothing":            {nil, "unsupported kind"},
		"not a public curve": {ed25519.PrivateKey(nil), "unsupported kind"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := newPublicKey(test.material)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("newPublicKey: %v, want %q", err, test.want)
			}
			if key.material != nil {
				t.Error("a key came with the error")
			}
		})
	}
	if _, err := newPublicKey(&rsa.PublicKey{N: good.N, E: 3}); err != nil {
		t.Errorf("exponent 3: %v", err)
	}
}

// R-JWT-4: each key fits the algorithms of its kind and curve and no other.
func TestNewPublicKeyAlgorithms(t *testing.T) {
	for algorithm, want := range map[string]string{
		"RS256": "RS256 RS384 RS512 PS256 PS384 PS512", "ES256": "ES256", "ES384": "ES384", "ES512": "ES512", "EdDSA": "EdDSA",
		"HS256": "HS256 HS384 HS512",
	} {
		if got := strings.Join(testKey(t, algorithm).algorithms, " "); got != want {
			t.Errorf("the key for %s fits %s, want %s", algorithm, got, want)
		}
	}
}
