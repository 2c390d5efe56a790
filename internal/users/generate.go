package users

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// The work of new hashes: for argon2id the first choice of OWASP's Password
// Storage Cheat Sheet (46 MiB, one pass, one lane), for bcrypt a cost of 12.
const (
	argonMemory, argonTime, argonLanes = 46 << 10, 1, 1
	argonSalt, argonDigest             = 16, 32
	bcryptCost                         = 12
)

// randomBytes is the length of generated passwords and keys, in bytes.
const randomBytes = 32

// HashArgon2id returns the argon2id hash of a password for users.yaml. It
// normalizes the password like Verify, and returns an error for one that Verify
// would reject.
func HashArgon2id(password string) (string, error) {
	password, err := newPassword(password)
	if err != nil {
		return "", err
	}
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails
	digest := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonDigest)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, encode(salt), encode(digest)), nil
}

// HashBcrypt is HashArgon2id with bcrypt, which accepts at most 72 bytes.
func HashBcrypt(password string) (string, error) {
	password, err := newPassword(password)
	if err != nil {
		return "", err
	}
	if len(password) > maxBcrypt {
		return "", fmt.Errorf("the password is longer than the %d bytes that bcrypt looks at", maxBcrypt)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcryptCost)
	return string(hash), err
}

// newPassword returns a password in normalized form.
func newPassword(password string) (string, error) {
	_, opaque, ok := credentials("user", password)
	switch {
	case password == "":
		return "", errors.New("the password is empty")
	case !ok:
		return "", fmt.Errorf("the password cannot be sent: it has control characters, is no UTF-8 or is longer than %d bytes", maxPassword)
	}
	return opaque, nil
}

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
