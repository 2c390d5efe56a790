package sharelink

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"strconv"
	"strings"
)

const (
	// secretBytes is how many random bytes a token (S-19) and the secret in a guest's cookie
	// have.
	secretBytes = 16
	// idBytes is how many bytes of a token's hash are the link's ID.
	idBytes = 10
)

var (
	secretLength = base64.RawURLEncoding.EncodedLen(secretBytes)
	idLength     = base32.StdEncoding.EncodedLen(idBytes)
)

// ids writes IDs in lower case: no ID begins with a hyphen, as a flag does.
var ids = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newSecret returns random bytes as text.
func newSecret() string {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// isSecret reports whether a text has the form of newSecret, so that no other text is
// hashed or looked up.
func isSecret(text string) bool {
	return len(text) == secretLength && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// hashOf returns the hash of a secret.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// hasHash reports whether a secret has a hash.
func hasHash(secret string, hash []byte) bool {
	return subtle.ConstantTimeCompare(hashOf(secret), hash) == 1
}

// idOf returns the ID of the link whose token has a hash.
func idOf(hash []byte) string { return ids.EncodeToString(hash[:idBytes]) }

// isID reports whether a text has the form of a link's ID.
func isID(text string) bool {
	_, err := ids.DecodeString(text)
	return err == nil && len(text) == idLength
}

// ticket is what a guest's cookie holds: the link, the place of the guest's record among
// those of the link, and a secret.
type ticket struct {
	id, secret string
	place      int
}

func (t ticket) String() string { return t.id + "." + strconv.Itoa(t.place) + "." + t.secret }

// parseTicket reads the value of a guest's cookie.
func parseTicket(value string) (ticket, bool) {
	parts := strings.SplitN(value, ".", 4)
	if len(parts) != 3 || !isID(parts[0]) || !isSecret(parts[2]) {
		return ticket{}, false
	}
	place, err := strconv.Atoi(parts[1])
	if err != nil || place < 0 || strconv.Itoa(place) != parts[1] {
		return ticket{}, false
	}
	return ticket{id: parts[0], place: place, secret: parts[2]}, true
}
