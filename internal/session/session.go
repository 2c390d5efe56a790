// Package session keeps users signed in: cookies hold random IDs, and a store holds a
// record of each session. The server decides how long a session lasts, and not the
// cookie (NIST SP 800-63B, section 7.1.1).
package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
)

// The errors of a cookie without a valid session. Every other error means that the
// store is unavailable.
var (
	// ErrExpired is the error of a session that exceeded idle or lifetime.
	ErrExpired = errors.New("the session has expired")
	// ErrEnded is the error of a session that was ended or never existed.
	ErrEnded = errors.New("the session was ended or does not exist")
	// ErrOtherSite is the error of a session of another site, or of a login that this
	// site does not have (T-71).
	ErrOtherSite = errors.New("the session belongs to another site or another login")
)

// Record is the stored part of a session. It is immutable.
type Record struct {
	// Identity is the user who signed in, with the Method "session".
	Identity *authenticator.Identity `json:"identity"`
	// Person is who signed in. Person.Login is the login that started the session.
	Person person.Person `json:"person"`
	// Site is the host, or the cookie's domain after a dot, for which the session is
	// valid.
	Site string `json:"site"`
	// Created is when the session started.
	Created time.Time `json:"created"`
	// SID is the provider's session ID, or "" (OpenID Connect Back-Channel Logout,
	// section 2.4).
	SID string `json:"sid,omitempty"`
	// Data belongs to the login, which stores tokens in it for example.
	Data []byte `json:"data,omitempty"`
}

// Session is a stored session. It is safe for concurrent use and shared between
// requests.
type Session struct {
	Record
	// ID identifies the session to operators. It is a hash of the cookie's value,
	// which cannot be computed from it.
	ID string

	key           string
	raw           []byte       // the stored value
	lastUsed      atomic.Int64 // last use, in nanoseconds since 1970
	savedLastUsed atomic.Int64 // the last use in the store
	derived       atomic.Pointer[derived]
	decoded       atomic.Pointer[any]
}

// derived is an identity and the one that it was built from.
type derived struct{ from, identity *authenticator.Identity }

// LastUsed returns when the session was last used.
func (s *Session) LastUsed() time.Time { return time.Unix(0, s.lastUsed.Load()) }

// Decoded returns what decode makes of Data. The result is kept, because Data does not
// change.
func (s *Session) Decoded(decode func(data []byte) any) any {
	if d := s.decoded.Load(); d != nil {
		return *d
	}
	made := decode(s.Data)
	s.decoded.Store(&made)
	return made
}

// DeriveIdentity returns the result of build for an identity that may change during
// the session, such as an entry of a users file. The result is cached until from is
// another pointer.
func (s *Session) DeriveIdentity(from *authenticator.Identity, build func(from *authenticator.Identity) *authenticator.Identity) *authenticator.Identity {
	if d := s.derived.Load(); d != nil && d.from == from {
		return d.identity
	}
	d := &derived{from: from, identity: build(from)}
	s.derived.Store(d)
	return d.identity
}

// encode returns the JSON of a record.
func (r Record) encode() ([]byte, error) {
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a session: %w", err)
	}
	return encoded, nil
}

// decode parses the JSON of a record. Numbers in claims become json.Number.
func decode(raw []byte) (Record, error) {
	var r struct {
		Record
		// Earlier versions had these instead of Person.
		Login   string `json:"login"`
		Subject string `json:"subject"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("decoding a session: %w", err)
	}
	if r.Identity == nil || !r.Identity.Authenticated || r.Identity.ID == "" {
		return Record{}, errors.New("decoding a session: it has no owner")
	}
	if r.Person == (person.Person{}) {
		// Those versions found people by their ID. Where the login maps it to another
		// claim than sub, two people may have the same, and their sessions end.
		if r.Subject != "" && r.Subject != r.Identity.ID {
			return Record{}, errors.New("decoding a session: an earlier version stored it under an ID that is not the subject")
		}
		r.Person = person.Person{Login: r.Login, Issuer: r.Identity.Issuer, Subject: r.Identity.ID}
	}
	r.Identity.Normalize()
	return r.Record, nil
}
