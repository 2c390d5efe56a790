package users

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
)

// randomBytes is the length of generated passwords and keys, in bytes.
const randomBytes = 32

// GeneratePassword returns a password of 256 random bits in base64url.
func GeneratePassword() string {
	random := make([]byte, randomBytes)
	_, _ = rand.Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// keyIDForm is the form of the ID of a new key.
var keyIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$`)

// GenerateAPIKey returns a new API key of 256 random bits and the hash to store.
// The key begins with its ID, so that a leaked key can be identified and revoked.
// The key is to be shown once and not stored.
func GenerateAPIKey(id string) (secret, hash string, err error) {
	if !keyIDForm.MatchString(id) {
		return "", "", fmt.Errorf("key %q: want an id of letters, digits, dots and hyphens, at most 64", id)
	}
	secret = id + "_" + GeneratePassword()
	digest := sha256.Sum256([]byte(secret))
	return secret, "sha256:" + hex.EncodeToString(digest[:]), nil
}
