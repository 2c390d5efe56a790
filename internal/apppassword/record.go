// Package apppassword has app passwords: long random secrets that a person makes on a
// page of the site for a program that cannot sign in, such as a phone app.
//
// Each has a record in the store, and each person with app passwords on a site has one
// more, the [Holder]. A password is valid as long as both are there (S-40), so that
// deleting the holder ends all of them at once.
package apppassword

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
)

var (
	// ErrUnknown is the error of a password that does not exist: it was never made, was
	// revoked, or has expired. Errors other than those of this package mean that the store
	// is unavailable.
	ErrUnknown = errors.New("the app password does not exist, has expired or was revoked")
	// ErrOtherSite is the error of a password of another site, or of a login that this
	// site does not have (T-71).
	ErrOtherSite = errors.New("the app password belongs to another site or another login")
	// ErrFull is the error of making one password too many.
	ErrFull = errors.New("the person has as many app passwords as the site allows")
	// ErrName is the error of a name that cannot be used.
	ErrName = fmt.Errorf("a name has 1 to %d characters, and none that cannot be printed", MaxName)
	// ErrScope is the error of a scope that the site does not offer.
	ErrScope = errors.New("the site does not offer this scope for app passwords")
)

// Record is the stored part of an app password. It is immutable.
type Record struct {
	// Person is who made the password, on Site: the host, or the cookie's domain after a
	// dot, as in sessions.
	Person person.Person `json:"person"`
	Site   string        `json:"site"`
	// Tag is the Tag of the holder for which the password was made.
	Tag string `json:"tag"`
	// Name is what the person calls it.
	Name string `json:"name"`
	// Hash is the SHA-256 of the password.
	Hash []byte `json:"hash"`
	// Scopes are the scopes that the person chose.
	Scopes []string `json:"scopes,omitempty"`
	// Created and Expires limit when it counts.
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// Slot is the password's number among those of the person on the site.
	Slot int `json:"slot"`
	// Identity is who made it, for operators.
	Identity *authenticator.Identity `json:"identity"`
}

// Password is a stored app password. It is safe for concurrent use and shared between
// requests.
type Password struct {
	Record
	// ID names the password in pages and logs. It is no secret.
	ID string

	holder        string // the key of the holder
	owner         atomic.Pointer[authenticator.Identity]
	lastUsed      atomic.Int64
	savedLastUsed atomic.Int64
	derived       atomic.Pointer[derived]
}

// derived is an identity and what it was built from.
type derived struct {
	site           *Passwords
	from, identity *authenticator.Identity
	ends           int64
}

// Owner returns who has the password, as of the last sign-in or refresh before it was
// listed, for operators.
func (p *Password) Owner() *authenticator.Identity {
	if owner := p.owner.Load(); owner != nil {
		return owner
	}
	return p.Identity
}

// LastUsed returns when the password was last used, or the zero time. Uses of the last
// minutes may be missing.
func (p *Password) LastUsed() time.Time {
	if at := p.lastUsed.Load(); at > 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Holder is a person with app passwords on a site: what is known of the person since the
// last sign-in, and what keeps it up to date. It is immutable.
type Holder struct {
	// Person and Site are those of the passwords.
	Person person.Person `json:"person"`
	Site   string        `json:"site"`
	// Tag is random. It distinguishes a holder from earlier ones of the same person, whose
	// passwords ended.
	Tag string `json:"tag"`
	// LoginTag belongs to the login: a sign-in with another one ends what was made before.
	LoginTag string `json:"login_tag,omitempty"`
	// Identity is the person as of the last sign-in or refresh.
	Identity *authenticator.Identity `json:"identity"`
	// Data belongs to the login, which stores tokens in it for example.
	Data []byte `json:"data,omitempty"`
	// Refreshable says that the login learns of changes without a sign-in.
	Refreshable bool `json:"refreshable,omitempty"`
	// SessionID is the session that uses the same tokens, or "".
	SessionID string `json:"session,omitempty"`
	// SignedIn is when the person last signed in, and Refreshed when Identity was last
	// known to be true.
	SignedIn  time.Time `json:"signed_in"`
	Refreshed time.Time `json:"refreshed"`
}

// SameSignIn reports whether two holders are one, as of one sign-in.
func (h *Holder) SameSignIn(as *Holder) bool {
	return h.Tag == as.Tag && h.SessionID == as.SessionID && h.SignedIn.Equal(as.SignedIn)
}

// The prefixes of keys in the store.
const (
	passwordPrefix = "app-password.1/"
	usedPrefix     = "app-password.1-used/"
	slotPrefix     = "app-password.1-slot/"
	holderPrefix   = "app-holder.1/"
	refreshPrefix  = "app-holder.1-refresh/"
)

// ownerOfAll is the owner of all items of all app passwords.
const ownerOfAll = "app-passwords"

// holderKey identifies a person on a site.
func holderKey(p person.Person, site string) string { return person.Hash(p.Key(), site) }

func personOwner(p person.Person) string { return "app-person/" + p.Key() }

func holderOwner(key string) string { return "app-holder/" + key }

// userOwner is the owner of all people with an ID or a name, now or earlier, for operators alone: a
// search by name shows or ends more than one person's passwords, and grants nothing.
func userOwner(name string) string { return "app-user/" + person.Hash(name) }

// ownersOf returns the owners of each item of a person on a site.
func ownersOf(p person.Person, site string, id *authenticator.Identity) []string {
	owners := []string{ownerOfAll, personOwner(p), holderOwner(holderKey(p, site)), userOwner(id.ID)}
	if name := id.Username; name != "" && name != id.ID {
		owners = append(owners, userOwner(name))
	}
	return owners
}

// keys returns the store keys of all items of a password.
func (p *Password) keys() []string {
	return []string{passwordPrefix + p.ID, usedPrefix + p.ID, slotKey(p)}
}

// slotKey names a slot of the holder of a password. Another holder of the same person has
// slots of its own.
func slotKey(p *Password) string {
	return fmt.Sprintf("%s%s/%s/%d", slotPrefix, p.holder, p.Tag, p.Slot)
}
