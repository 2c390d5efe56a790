package apppassword

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// Prefix begins every app password, so that it is told from other passwords and tokens
// before anything else is done with it.
const Prefix = "pa_"

// An app password is pa_<id>_<secret>. The ID finds the record and is no secret; the
// secret has 160 random bits. Both are of letters and digits, which a double click
// selects together.
const (
	idBytes, secretBytes = 10, 20
	idLength             = 16
	secretLength         = 32
	length               = len(Prefix) + idLength + 1 + secretLength
)

// alphabet is that of base32 in lower case.
var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newSecret returns a new app password and its ID.
func newSecret() (secret, id string) {
	var random [idBytes + secretBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	id = alphabet.EncodeToString(random[:idBytes])
	return Prefix + id + "_" + alphabet.EncodeToString(random[idBytes:]), id
}

// idOf returns the ID of an app password, and whether it has the form of one.
func idOf(secret string) (id string, ok bool) {
	if len(secret) != length || !HasPrefix(secret) || secret[len(Prefix)+idLength] != '_' {
		return "", false
	}
	id = secret[len(Prefix) : len(Prefix)+idLength]
	return id, isID(id)
}

// isID reports whether a text has the form of an ID.
func isID(id string) bool {
	if len(id) != idLength {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// HasPrefix reports whether a credential is meant to be an app password.
func HasPrefix(secret string) bool { return strings.HasPrefix(secret, Prefix) }

// hashOf returns the SHA-256 of an app password, which is all that is stored of it: a
// slow hash would add nothing to 160 random bits.
func hashOf(secret string) [sha256.Size]byte {
	var text [length]byte // on the stack
	return sha256.Sum256(text[:copy(text[:], secret)])
}
