// Package person says who a person is to everything that is given, counted, listed or
// ended for people: sessions and app passwords.
package person

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
)

// Person identifies a person (S-17). A user name or an ID of an identity does not: two
// logins may each have an alice, an operator may map the ID to a claim that two people
// share, and a name may be given to another person later.
type Person struct {
	// Login is the ID of the login at which the person signs in.
	Login string `json:"login"`
	// Issuer is the provider, or "" for people in a users file.
	Issuer string `json:"issuer,omitempty"`
	// Subject is the provider's subject (the claim sub of OpenID Connect), or the user
	// name in a users file.
	Subject string `json:"subject"`
}

// Key returns the person's key in a store. It has a fixed length and does not show who
// the person is.
func (p Person) Key() string { return Hash(p.Login, p.Issuer, p.Subject) }

// Hash returns a key of fixed length for texts of any length. Different lists of texts
// have different keys.
func Hash(texts ...string) string {
	hash := sha256.New()
	for _, text := range texts {
		_, _ = hash.Write([]byte(strconv.Itoa(len(text)) + ":" + text))
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil))
}
