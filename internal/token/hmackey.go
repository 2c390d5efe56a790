package token

import (
	"bytes"
	"errors"
	"fmt"
)

// hashSizes are the sizes of the hashes of HS256, HS384 and HS512, in bytes. A
// secret is at least as long (RFC 7518, section 3.2).
var hashSizes = []int{32, 48, 64}

// commonWords stand in secrets that people make up.
var commonWords = []string{"secret", "passw", "change", "example", "qwerty", "letmein", "admin", "token", "hello", "test"}

// NewHMACKey returns a key for HS256, and for HS384 and HS512 if it is long
// enough for them: 32, 48 and 64 bytes. A shorter secret and one of zeros are
// errors. The warnings, which say nothing of the secret itself, are for secrets
// that look as if a person had thought them up (RFC 8725, section 3.5).
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

// looksGuessable reports whether secret looks made up: few different characters,
// text without any digit, or a word that is found in many of them. Fewer than
// one in a thousand random secrets in base64 do.
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
