package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// must returns a value that no test can do without.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// block returns a PEM block.
func block(kind string, data []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
}

// pkcs8 returns a key in PKCS #8.
func pkcs8(key any) []byte { return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }

// ecKey makes a key on a curve.
func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

// edKey makes an Ed25519 key.
func edKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

// A client proves itself by an assertion that its key signs, by what the key is and the
// provider takes: when it signs in, when it refreshes and when it pushes a request. The
// fake checks that the assertion is for the issuer alone, short-lived and of one use.
func TestN29S29PrivateKeyJWT(t *testing.T) {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	p256, p384, p521, ed := ecKey(elliptic.P256()), ecKey(elliptic.P384()), ecKey(elliptic.P521()), edKey()
	for name, test := range map[string]struct {
		file    []byte
		public  crypto.PublicKey
		offered []string
		want    string
		told    string
	}{
		"N-29 RSA, PKCS #8":        {pkcs8(rsaKey), rsaKey.Public(), nil, "RS256", ""},
		"N-29 RSA, PKCS #1":        {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey.Public(), []string{"PS256", "ES256"}, "PS256", ""},
		"N-29 P-256, SEC 1":        {append(block("EC PARAMETERS", []byte{6, 1, 0}), block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p256)))...), p256.Public(), []string{"RS256", "ES256"}, "ES256", ""},
		"N-29 P-384":               {pkcs8(p384), p384.Public(), nil, "ES384", ""},
		"N-29 P-521":               {pkcs8(p521), p521.Public(), nil, "ES512", ""},
		"N-29 Ed25519":             {pkcs8(ed), ed.Public(), []string{"EdDSA"}, "EdDSA", ""},
		"N-29 nothing fits":        {pkcs8(p384), p384.Public(), []string{"RS256", "ES256"}, "ES384", "signed with RS256 ES256, and client_key is an EC P-384 key, which signs with ES384: register another key"},
		"N-29 text before the key": {append([]byte("ours\n\n"), pkcs8(ed)...), ed.Public(), nil, "EdDSA", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *Config) {
				c.AuthMethod, c.ClientSecret, c.ClientKey = AuthPrivateKeyJWT, "", must(ParseClientKey("key.pem", test.file))
			})
			b.fake.ClientKey, b.fake.Pushed = test.public, true
			b.fake.Metadata = func(m map[string]any) {
				m["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"}
				if test.offered != nil {
					m["token_endpoint_auth_signing_alg_values_supported"] = test.offered
				}
			}
			g := b.mustSignIn()
			if b.fake.Style() != "assertion "+test.want || b.fake.Seen("/par") != 1 {
				t.Errorf("by %s", b.fake.Style())
			}
			b.pass(time.Hour / 2)
			if _, err := b.client.Refresh(t.Context(), g); err != nil {
				t.Error(err)
			}
			if text := toldOf(b); !strings.Contains(text, test.told) || test.told == "" && text != "" {
				t.Errorf("told %q", text)
			}
		})
	}
}

// The newer name of EdDSA (RFC 9864) is used where the provider has that alone.
func TestN29NewerName(t *testing.T) {
	key := must(ParseClientKey("key.pem", pkcs8(edKey())))
	if name, ok := key.chooseAlgorithm([]string{"Ed25519"}); name != "Ed25519" || !ok || signingMethods[name] == nil {
		t.Errorf("got %s", name)
	}
}

// toldOf returns what the operator was told.
func toldOf(b *bench) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, err := range b.told {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// A file that does not hold one usable private key is an error that names what it holds
// and nothing of a key.
func TestN29ClientKeyErrors(t *testing.T) {
	good := pkcs8(edKey())
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"empty":            {nil, "no private key in PEM; make one with openssl"},
		"no PEM":           {[]byte("hello"), "no private key in PEM"},
		"a certificate":    {block("CERTIFICATE", []byte("x")), `a block of the type "CERTIFICATE"; want PRIVATE KEY`},
		"a public key":     {block("PUBLIC KEY", []byte("x")), `a block of the type "PUBLIC KEY"`},
		"encrypted":        {block("ENCRYPTED PRIVATE KEY", []byte("x")), "the key is encrypted; decrypt it with openssl pkey"},
		"encrypted of old": {pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("x")}), "the key is encrypted"},
		"garbage":          {block("PRIVATE KEY", []byte("x")), "not a usable PRIVATE KEY"},
		"two keys":         {append(slices.Clone(good), pkcs8(edKey())...), "more than one block"},
		"text after":       {append(slices.Clone(good), "hello"...), "something follows the key"},
		"P-224":            {pkcs8(ecKey(elliptic.P224())), "a key of an unsupported kind; want RSA, EC on P-256"},
		"short RSA":        {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(must(rsa.GenerateKey(rand.Reader, 1024)))), "an RSA key of 1024 bits; want at least 2048"},
		"parameters alone": {block("EC PARAMETERS", []byte("x")), "no private key in PEM"},
	} {
		if _, err := ParseClientKey("key.pem", test.file); err == nil || !strings.HasPrefix(err.Error(), "key.pem: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What a provider says that it takes, and what the client does instead, is told with the
// word to write; the provider is asked all the same.
func TestN29OtherMethods(t *testing.T) {
	for name, test := range map[string]struct {
		method  string
		offered []string
		style   string
		told    string
	}{
		"N-29 post as configured":      {AuthPost, []string{"client_secret_basic", "client_secret_post"}, "body", ""},
		"N-29 post that is not listed": {AuthPost, []string{"client_secret_basic"}, "body", "the token endpoint takes client_secret_basic, not client_secret_post: write client_auth_method basic"},
		"N-29 basic, not listed":       {AuthBasic, []string{"client_secret_post"}, "header", "write client_auth_method post"},
		"N-29 only assertions":         {"", []string{"private_key_jwt"}, "header", "write client_auth_method private_key_jwt and client_key <file> in login oidc"},
		"N-29 nothing that we have":    {"", []string{"tls_client_auth"}, "header", "none of them is supported here"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.AuthMethod = test.method })
			b.fake.Metadata = func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = test.offered }
			b.mustSignIn()
			if text := toldOf(b); b.fake.Style() != test.style || !strings.Contains(text, test.told) || test.told == "" && text != "" {
				t.Errorf("in the %s, told %q", b.fake.Style(), text)
			}
		})
	}
}

// FuzzParseClientKey: no file makes it panic.
func FuzzParseClientKey(f *testing.F) {
	f.Add(pkcs8(oidctest.NewKey("ES256").Private))
	f.Add([]byte("-----BEGIN EC PARAMETERS-----\n-----END EC PARAMETERS-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := ParseClientKey("key.pem", data); err == nil && (key.private == nil || len(key.algorithms) == 0 || key.digest == "") {
			t.Errorf("a key that signs nothing of %q", data)
		}
	})
}
