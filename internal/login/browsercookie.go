package login

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// browserCookie holds a random value by which a browser that began to sign in
// is known again, and which nothing but this host can set (T-57).
var browserCookie = session.Cookie{Name: "__Host-policy_auth_login"}.WithDefaults()

// randomToken returns 256 random bits as text.
func randomToken() string {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// browserID returns the browser's value; a browser that has none is given one.
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

// readBrowserID returns the browser's value, and whether it has one.
func (v *Request) readBrowserID() (string, bool) {
	value, ok := browserCookie.Read(v.R, v.HTTPS)
	return value, ok && len(value) == len(randomToken())
}

// clearBrowserID takes the browser's value away once it is of no more use.
func (v *Request) clearBrowserID() {
	if _, ok := v.readBrowserID(); ok {
		browserCookie.Clear(v.W, v.HTTPS)
	}
}

// digest returns what a page of ours carries to show that it was made for this
// browser. The browser's own value does not follow from it.
func digest(browser, purpose string) string {
	sum := sha256.Sum256([]byte(purpose + "\x00" + browser))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// equal compares in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
