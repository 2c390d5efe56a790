package users

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

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
