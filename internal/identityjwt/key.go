package identityjwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// maxKeys is how many keys the storage may have; rotation needs three.
const maxKeys = 8

// key is a key that signs JWTs from a time on.
type key struct {
	jwk    jose.JSONWebKey
	start  time.Time
	signer jose.Signer
}

// storedKey is a key as it is in the storage, where Caddy keeps the private keys of
// certificates too.
type storedKey struct {
	Key jose.JSONWebKey `json:"key"`
	// Start is when the key begins to sign.
	Start time.Time `json:"start"`
}

// storedKeys is the document in the storage.
type storedKeys struct {
	Keys []storedKey `json:"keys"`
}

// makeKey returns a new key.
func makeKey(start time.Time) (key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, err
	}
	jwk := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return key{}, err
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return newKey(storedKey{jwk, start.UTC().Truncate(time.Second)})
}

// newKey returns the key of a stored one.
func newKey(stored storedKey) (key, error) {
	private, ok := stored.Key.Key.(*ecdsa.PrivateKey)
	switch {
	case !ok || private.Curve != elliptic.P256() || !stored.Key.Valid() || stored.Key.Algorithm != string(jose.ES256):
		return key{}, errors.New("a key is not a private key for ES256")
	case stored.Key.KeyID == "" || stored.Start.IsZero():
		return key{}, errors.New("a key has no kid or no start")
	}
	options := new(jose.SignerOptions).WithType(token.IdentityType)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: stored.Key}, options)
	return key{stored.Key, stored.Start, signer}, err
}

// sign returns a JWT with a payload.
func (k key) sign(payload []byte) (string, error) {
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// encodeKeys returns the document of keys for the storage.
func encodeKeys(keys []key) ([]byte, error) {
	var document storedKeys
	for _, k := range keys {
		document.Keys = append(document.Keys, storedKey{k.jwk, k.start})
	}
	return json.Marshal(document)
}

// decodeKeys returns the keys of a document, in the order of their beginning. Errors do
// not repeat the document.
func decodeKeys(encoded []byte) ([]key, error) {
	var document storedKeys
	if json.Unmarshal(encoded, &document) != nil {
		return nil, errors.New("it is not a JSON document of keys")
	}
	if count := len(document.Keys); count == 0 || count > maxKeys {
		return nil, fmt.Errorf("it has %d keys, not 1 to %d", count, maxKeys)
	}
	var keys []key
	for i, stored := range document.Keys {
		k, err := newKey(stored)
		switch {
		case err != nil:
			return nil, err
		case i > 0 && !keys[i-1].start.Before(k.start):
			return nil, errors.New("the keys are not in the order of their start")
		}
		keys = append(keys, k)
	}
	return keys, nil
}
