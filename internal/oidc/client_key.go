package oidc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// minRSABits is the size of the shortest RSA key (RFC 7518, section 3.3).
	minRSABits = 2048
	// assertionLifetime is how long a client assertion is valid.
	assertionLifetime = time.Minute
)

// ClientKey is a private key for client authentication (RFC 7523). Call
// ParseClientKey.
type ClientKey struct {
	private    crypto.Signer
	kind       string   // for messages
	algorithms []string // the preferred one first
	digest     string
}

// signingMethods are golang-jwt's values by their names in metadata.
var signingMethods = map[string]jwt.SigningMethod{
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA, "Ed25519": jwt.SigningMethodEdDSA, // RFC 9864
}

// ParseClientKey parses a PEM file with one private key in PKCS #8, PKCS #1 (RSA)
// or SEC 1 (EC): RSA of at least 2048 bits, P-256, P-384, P-521 or Ed25519. Errors
// contain the file's name and no part of the key.
func ParseClientKey(name string, data []byte) (*ClientKey, error) {
	sum := sha256.Sum256(data)
	var found *ClientKey
	for {
		block, rest := pem.Decode(data)
		switch {
		case block == nil && found == nil:
			return nil, fmt.Errorf("%s: no private key in PEM; make one with openssl genpkey -algorithm ed25519 -out %s", name, name)
		case block == nil && len(bytes.TrimSpace(data)) > 0:
			return nil, fmt.Errorf("%s: something follows the key that is not PEM", name)
		case block == nil:
			found.digest = hex.EncodeToString(sum[:])
			return found, nil
		case block.Type == "EC PARAMETERS": // openssl ecparam writes this block first
		case found != nil:
			return nil, fmt.Errorf("%s: more than one block; want one private key", name)
		default:
			key, err := parsePrivate(block)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			found = key
		}
		data = rest
	}
}

// parsePrivate returns the key of a PEM block.
func parsePrivate(block *pem.Block) (*ClientKey, error) {
	var private any
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, errors.New("the key is encrypted; decrypt it with openssl pkey, and let only Caddy read the file")
	case block.Type == "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a block of the type %q; want PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY", printable(block.Type))
	}
	if err != nil {
		return nil, fmt.Errorf("not a usable %s", block.Type)
	}
	return newClientKey(private)
}

// newClientKey returns a key with its algorithms (RFC 7518, section 3.1; RFC 8037).
func newClientKey(private any) (*ClientKey, error) {
	switch key := private.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits; want at least %d", key.N.BitLen(), minRSABits)
		}
		return &ClientKey{private: key, kind: "RSA", algorithms: []string{"RS256", "PS256", "RS384", "PS384", "RS512", "PS512"}}, nil
	case *ecdsa.PrivateKey:
		algorithms := map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
		if algorithm := algorithms[key.Params().Name]; algorithm != "" {
			return &ClientKey{private: key, kind: "EC " + key.Params().Name, algorithms: []string{algorithm}}, nil
		}
	case ed25519.PrivateKey:
		return &ClientKey{private: key, kind: "Ed25519", algorithms: []string{"EdDSA", "Ed25519"}}, nil
	}
	return nil, errors.New("a key of an unsupported kind; want RSA, EC on P-256, P-384 or P-521, or Ed25519")
}

// Digest identifies the key; it is "" for nil.
func (k *ClientKey) Digest() string {
	if k == nil {
		return ""
	}
	return k.digest
}

// chooseAlgorithm returns the first algorithm of the key that a provider offers. If
// none is offered it returns the preferred algorithm and false.
func (k *ClientKey) chooseAlgorithm(offered []string) (string, bool) {
	for _, name := range k.algorithms {
		if len(offered) == 0 || slices.Contains(offered, name) {
			return name, true
		}
	}
	return k.algorithms[0], false
}

// assertion returns a client assertion for an issuer (RFC 7523, section 3; S-29).
// It has a unique ID and is valid for a minute.
func (k *ClientKey) assertion(algorithm, client, issuer string, now time.Time) (string, error) {
	method := signingMethods[algorithm]
	made := &jwt.Token{
		Header: map[string]any{"alg": algorithm, "typ": "JWT"},
		Claims: jwt.MapClaims{
			"iss": client, "sub": client, "aud": issuer, "jti": rand.Text(),
			"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
		},
		Method: method,
	}
	return made.SignedString(k.private)
}
