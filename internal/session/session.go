// Package session keeps people signed in: opaque ids in cookies, and records in
// a store that say whose they are. The server decides how long a session
// lasts, a cookie never does (NIST SP 800-63B, section 7.1.1).
package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// The ways in which a cookie is no session. Every other error means that the
// store cannot tell.
var (
	// ErrExpired: it was not used for too long, or it has lasted long enough.
	ErrExpired = errors.New("the session has expired")
	// ErrEnded: it was ended, or it never was one.
	ErrEnded = errors.New("the session has been ended or never was one")
	// ErrOtherSite: it was made on another site, or by a login that this site
	// does not have (T-71).
	ErrOtherSite = errors.New("the session was made on another site or by another login")
)

// Record is what the store holds of a session. It is immutable.
type Record struct {
	// Identity is who signed in, with Method session.
	Identity *authenticator.Identity `json:"identity"`
	// Login is the login that made the session, by which sites tell their own.
	Login string `json:"login"`
	// Site is the host or the cookie's domain that the session counts for.
	Site string `json:"site"`
	// Created is when the session began.
	Created time.Time `json:"created"`
	// SID is the provider's own name of its session, or "" (OpenID Connect
	// Back-Channel Logout, section 2.4).
	SID string `json:"sid,omitempty"`
	// Subject is the provider's own name of the user, or "".
	Subject string `json:"subject,omitempty"`
	// Data is the login's own, such as tokens; only the login reads it.
	Data []byte `json:"data,omitempty"`
}

// Session is a session that was found. It is safe for concurrent use and shared
// between requests.
type Session struct {
	Record
	// ID names the session to operators; knowing the ID does not let a client use it.
	ID string

	key           string
	raw           []byte       // the record as the store has it
	lastUsed      atomic.Int64 // last use, in nanoseconds since 1970
	savedLastUsed atomic.Int64 // the last use that the store knows
	derived       atomic.Pointer[derived]
}

// derived is an identity that was made from another.
type derived struct{ from, identity *authenticator.Identity }

// LastUsed returns when the session was used last.
func (s *Session) LastUsed() time.Time { return time.Unix(0, s.lastUsed.Load()) }

// DeriveIdentity returns what build makes of an identity that others may change meanwhile,
// such as an entry of a file of users. It is made once, until from is another.
func (s *Session) DeriveIdentity(from *authenticator.Identity, build func(from *authenticator.Identity) *authenticator.Identity) *authenticator.Identity {
	if d := s.derived.Load(); d != nil && d.from == from {
		return d.identity
	}
	d := &derived{from: from, identity: build(from)}
	s.derived.Store(d)
	return d.identity
}

// encode returns a record as it is stored.
func (r Record) encode() ([]byte, error) {
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a session: %w", err)
	}
	return encoded, nil
}

// decode reads a stored record. Numbers in claims stay what they were.
func decode(raw []byte) (Record, error) {
	var r Record
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("decoding a session: %w", err)
	}
	if r.Identity == nil || !r.Identity.Authenticated || r.Identity.ID == "" {
		return Record{}, errors.New("decoding a session: it has no owner")
	}
	r.Identity.Normalize()
	return r, nil
}
