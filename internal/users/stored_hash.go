package users

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Hash compares a password with a stored hash. Caddy's implementations are passed
// in, so that this package does not depend on Caddy.
type Hash interface {
	// Compare reports whether plaintext is the password. An error means that the
	// stored hash is invalid.
	Compare(hashed, plaintext []byte) (bool, error)
}

// Hashes are the supported password hashes.
type Hashes struct {
	Bcrypt, Argon2id Hash
}

// maxBcrypt is how many bytes of a password bcrypt uses. Longer passwords are
// rejected rather than truncated.
const maxBcrypt = 72

// The work that a stored hash may ask for: enough to slow down a thief who has
// it, and not enough for a file to stop the server.
const (
	minCost, maxCost   = 8, 16
	maxMemory          = 1 << 20 // KiB
	maxTime, maxLanes  = 16, 16
	minSalt, minDigest = 8, 16
)

// The forms are compiled when a hash is checked, since a third of a megabyte is
// allocated for them.
var (
	bcryptForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	})
	argon2idForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,4}),p=([0-9]{1,3})\$([A-Za-z0-9+/]{8,128})\$([A-Za-z0-9+/]{16,128})$`)
	})
)

// CheckHash returns an error unless a stored password is a bcrypt or argon2id hash
// whose cost is within limits. The error does not contain the hash.
func CheckHash(hash string) error {
	if m := bcryptForm().FindStringSubmatch(hash); m != nil {
		if cost := number(m[1]); cost < minCost || cost > maxCost {
			return fmt.Errorf("bcrypt's cost is %d, want %d to %d", cost, minCost, maxCost)
		}
		return nil
	}
	m := argon2idForm().FindStringSubmatch(hash)
	if m == nil {
		return errors.New("the password is not a hash of bcrypt or argon2id; make one with caddy policy-auth hash")
	}
	memory, time, lanes := number(m[1]), number(m[2]), number(m[3])
	if memory < 8*lanes || memory > maxMemory || time < 1 || time > maxTime || lanes < 1 || lanes > maxLanes {
		return fmt.Errorf("argon2id's work is m=%d,t=%d,p=%d, want at most m=%d,t=%d,p=%d and at least m=8p,t=1,p=1", memory, time, lanes, maxMemory, maxTime, maxLanes)
	}
	for i, least := range map[int]int{4: minSalt, 5: minDigest} {
		if decoded, err := base64.RawStdEncoding.Strict().DecodeString(m[i]); err != nil || len(decoded) < least {
			return errors.New("argon2id's salt or digest is too short or not base64")
		}
	}
	return nil
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// isBcrypt reports whether a valid hash is bcrypt rather than argon2id.
func isBcrypt(hash string) bool { return strings.HasPrefix(hash, "$2") }

// compare reports whether a password matches a hash.
func (h Hashes) compare(hash, password string) bool {
	kind := h.Argon2id
	if isBcrypt(hash) {
		kind = h.Bcrypt
		if len(password) > maxBcrypt {
			_, _ = kind.Compare([]byte(hash), []byte(password[:maxBcrypt])) // takes the same time
			return false
		}
	}
	same, err := kind.Compare([]byte(hash), []byte(password))
	return same && err == nil
}

// dummyHash returns a hash that takes as long to compare as the given one and that
// matches no password, because its digest is random.
func dummyHash(hash string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	cut := strings.LastIndex(hash, "$") + 1
	if isBcrypt(hash) {
		cut += 23 // behind the salt, whose last character has unused bits
	}
	random := make([]byte, len(hash)-cut)
	_, _ = rand.Read(random) // never fails
	for i, b := range random {
		random[i] = alphabet[int(b)%len(alphabet)]
	}
	random[len(random)-1] = 'A' // no unused bits at the end of base64
	return hash[:cut] + string(random)
}
