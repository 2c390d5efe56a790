package token

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// certificateOf returns a self-signed certificate that expired long ago.
func certificateOf(private *ecdsa.PrivateKey) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "id.example.com"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0),
	}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)))
}

func TestParsePEM(t *testing.T) {
	rsaPEM, ecPEM, edPEM := pemOf(rsaKey().Public()), pemOf(p256Key().Public()), pemOf(edKey().Public())
	for name, test := range map[string]struct {
		data []byte
		want []string // one algorithm that each key fits
	}{
		"RSA":             {rsaPEM, []string{"RS256"}},
		"PKCS #1":         {block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), []string{"PS512"}},
		"P-384":           {pemOf(ecKeys()["ES384"].Public()), []string{"ES384"}},
		"Ed25519":         {edPEM, []string{"EdDSA"}},
		"certificate":     {certificateOf(p256Key()), []string{"ES256"}},
		"several":         {slices.Concat(rsaPEM, ecPEM, certificateOf(p256Key()), edPEM), []string{"RS256", "ES256", "ES256", "EdDSA"}},
		"text before":     {slices.Concat([]byte("subject=CN = id.example.com\n\n"), rsaPEM), []string{"RS256"}},
		"text between":    {slices.Concat(rsaPEM, []byte("\n# the next one\n"), ecPEM, []byte("\n \t\n")), []string{"RS256", "ES256"}},
		"CRLF":            {bytes.ReplaceAll(rsaPEM, []byte("\n"), []byte("\r\n")), []string{"RS256"}},
		"no last newline": {bytes.TrimSpace(rsaPEM), []string{"RS256"}},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := ParsePEM("keys.pem", test.data)
			if err != nil || len(keys) != len(test.want) {
				t.Fatalf("ParsePEM: %d keys, %v, want %d", len(keys), err, len(test.want))
			}
			for i, algorithm := range test.want {
				if k := keys[i]; !k.fits(algorithm) || !k.pinned || k.id != k.thumbprint || len(k.id) != 43 {
					t.Errorf("key %d is %v, want a pinned one for %s", i+1, k, algorithm)
				}
			}
		})
	}
}

// R-JWT-6: whatever is wrong is named with its file and block.
func TestParsePEMErrors(t *testing.T) {
	good := pemOf(p256Key().Public())
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(p256Key()))
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	broken := bytes.Replace(good, []byte("\nM"), []byte("\n!"), 1)
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"empty":               {nil, "keys.pem: the file is empty"},
		"white space":         {[]byte(" \n"), "keys.pem: the file is empty"},
		"no PEM":              {[]byte("ssh-ed25519 AAAA"), "keys.pem: no PEM block found"},
		"private key":         {block("PRIVATE KEY", pkcs8), "keys.pem: block 1: a private key"},
		"EC private key":      {block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p256Key()))), "openssl pkey -in keys.pem -pubout"},
		"RSA private key":     {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "block 1: a private key"},
		"encrypted key":       {block("ENCRYPTED PRIVATE KEY", []byte("x")), "block 1: a private key"},
		"private key second":  {slices.Concat(good, block("PRIVATE KEY", pkcs8)), "keys.pem: block 2: a private key"},
		"unknown block":       {block("CERTIFICATE REQUEST", []byte("x")), `block 1: "CERTIFICATE REQUEST" is not supported (allowed: PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE)`},
		"garbage inside":      {block("PUBLIC KEY", []byte("garbage")), "block 1: not a usable PUBLIC KEY"},
		"other form inside":   {block("RSA PUBLIC KEY", must(x509.MarshalPKIXPublicKey(rsaKey().Public()))), "block 1: not a usable RSA PUBLIC KEY"},
		"bad certificate":     {block("CERTIFICATE", []byte("x")), "block 1: not a usable CERTIFICATE"},
		"trailing text":       {slices.Concat(good, []byte("x")), "keys.pem: something follows block 1 that is not PEM"},
		"cut off":             {good[:len(good)-20], "keys.pem: block 1: broken or not ended"},
		"broken first":        {slices.Concat(broken, good), "keys.pem: block 1: broken or not ended"},
		"broken last":         {slices.Concat(good, broken), "keys.pem: block 2: broken or not ended"},
		"cut off in between":  {slices.Concat(good, good[:60], []byte("\n"), good), "keys.pem: block 2: broken or not ended"},
		"unsupported curve":   {pemOf(p224.Public()), "block 1: the key is on the curve P-224"},
		"key agreement":       {pemOf(x25519.Public()), "block 1: the key is of an unsupported kind"},
		"short RSA":           {pemOf(weak), "block 1: the key is an RSA key of 1024 bits"},
		"short RSA, second":   {slices.Concat(good, pemOf(weak)), "block 2: the key is an RSA key"},
		"even exponent":       {pemOf(&rsa.PublicKey{N: rsaKey().N, E: 65536}), "exponent"},
		"trailing DER":        {block("PUBLIC KEY", append(must(x509.MarshalPKIXPublicKey(p256Key().Public())), 0)), "block 1"},
		"point off the curve": {offCurve(t), "block 1: not a usable PUBLIC KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := ParsePEM("keys.pem", test.data)
			if err == nil || !strings.Contains(err.Error(), test.want) || keys != nil {
				t.Errorf("ParsePEM: %v, want %q", err, test.want)
			}
		})
	}
}

// offCurve returns a PKIX key whose point is not on its curve.
func offCurve(t *testing.T) []byte {
	t.Helper()
	der := must(x509.MarshalPKIXPublicKey(p256Key().Public()))
	der[len(der)-1] ^= 1
	return block("PUBLIC KEY", der)
}

// Tokens may name a key that an operator chose as they like.
func TestParsePEMVerifies(t *testing.T) {
	other := newECKeys()["ES256"]
	keys, err := ParsePEM("keys.pem", slices.Concat(pemOf(other.Public()), certificateOf(p256Key())))
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig(t, "ES256")
	c.Keys = newSwapped(testSet(t, keys...))
	v := newVerifier(t, c)
	for kid, want := range map[string]authenticator.Reason{
		"": "", "whatever": "", keys[1].thumbprint: "", keys[0].thumbprint: authenticator.ReasonTokenSignature,
	} {
		wantReason(t, v, forge("ES256", p256Key(), `{"alg":"ES256","kid":"`+kid+`"}`, claimsWith(nil)), want)
	}
}
