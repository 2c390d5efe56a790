package login

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// browserCookie holds a random ID that binds sign-ins to the browser that started
// them. The __Host- prefix keeps other hosts from setting it (T-57).
var browserCookie = session.Cookie{Name: "__Host-policy_auth_login"}.WithDefaults()

// randomToken returns 256 random bits in base64url.
func randomToken() string {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// browserID returns the browser's ID, and sets the cookie if the browser has none.
func (v *Request) browserID() string {
	if value, ok := v.readBrowserID(); ok {
		return value
	}
	if v.newBrowserID == "" {
		v.newBrowserID = randomToken()
		browserCookie.Set(v.W, v.newBrowserID, v.HTTPS)
	}
	return v.newBrowserID
}

// readBrowserID returns the browser's ID, and whether it sent one.
func (v *Request) readBrowserID() (string, bool) {
	value, ok := browserCookie.Read(v.R, v.HTTPS)
	return value, ok && len(value) == len(randomToken())
}

// clearBrowserID deletes the cookie once no sign-in needs it.
func (v *Request) clearBrowserID() {
	if _, ok := v.readBrowserID(); ok {
		browserCookie.Clear(v.W, v.HTTPS)
	}
}

// digest returns the SHA-256 of a purpose and a value in base64url. Forms and
// stored transactions hold it instead of the browser's ID, which cannot be computed
// from it.
func digest(browser, purpose string) string {
	sum := sha256.Sum256([]byte(purpose + "\x00" + browser))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// equal compares two strings in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
