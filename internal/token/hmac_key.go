package token

import (
	"bytes"
	"errors"
	"fmt"
)

// hashSizes are the sizes of the hashes of HS256, HS384 and HS512, in bytes. A
// secret is at least as long (RFC 7518, section 3.2).
var hashSizes = []int{32, 48, 64}

// commonWords often occur in secrets chosen by people.
var commonWords = []string{"secret", "passw", "change", "example", "qwerty", "letmein", "admin", "token", "hello", "test"}

// NewHMACKey returns a key for HS256, and for HS384 and HS512 if the secret is long
// enough: 32, 48 and 64 bytes (RFC 7518, section 3.2). A shorter secret or one of
// zeros is an error. Warnings, which reveal nothing about the secret, are returned
// for a secret that a person seems to have chosen (RFC 8725, section 3.5).
func NewHMACKey(secret []byte) (key Key, warnings []string, err error) {
	if len(secret) < hashSizes[0] {
		return Key{}, nil, fmt.Errorf("a secret of %d bytes is too short (HS256 needs %d, HS384 %d, HS512 %d): make one with openssl rand -base64 48",
			len(secret), hashSizes[0], hashSizes[1], hashSizes[2])
	}
	if len(bytes.Trim(secret, "\x00")) == 0 {
		return Key{}, nil, errors.New("a secret of nothing but zeros is no secret: make one with openssl rand -base64 48")
	}
	key = Key{material: bytes.Clone(secret), pinned: true}
	for i, size := range hashSizes {
		if len(secret) >= size {
			key.algorithms = append(key.algorithms, hmacAlgorithms[i])
		}
	}
	if looksGuessable(secret) {
		warnings = append(warnings, "the secret looks like words or a password and may be guessed from any token: make one with openssl rand -base64 48")
	}
	return key, warnings, nil
}

// looksGuessable reports whether a secret seems to be chosen by a person: it has
// few different characters, is text without digits, or contains a common word.
// Fewer than one in a thousand random base64 secrets match.
func looksGuessable(secret []byte) bool {
	distinct := map[byte]bool{}
	text := true
	for _, c := range secret {
		distinct[c] = true
		text = text && ' ' <= c && c <= '~'
	}
	if len(distinct) < 10 || text && !bytes.ContainsAny(secret, "0123456789") {
		return true
	}
	lower := bytes.ToLower(secret)
	for _, word := range commonWords {
		if bytes.Contains(lower, []byte(word)) {
			return true
		}
	}
	return false
}
