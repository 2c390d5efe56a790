package session

import (
	"errors"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// ErrAuthTime is the error of a session that would start with a sign-in that is older
// than max_auth_age, or of an unknown time.
var ErrAuthTime = errors.New("the sign-in is older than max_auth_age, or its time (auth_time) is unknown")

// MaxAuthAge returns the maximum age of a sign-in, or 0 for no limit.
func (s *Sessions) MaxAuthAge() time.Duration { return s.config.MaxAuthAge }

// CheckAuthTime returns ErrAuthTime if the user signed in too long ago for a session, or
// if it is unknown when, because an unknown time may be any (R-SES-4).
func (s *Sessions) CheckAuthTime(id *authenticator.Identity) error {
	if s.config.MaxAuthAge == 0 || s.SignedInWithin(id, s.config.MaxAuthAge) {
		return nil
	}
	return ErrAuthTime
}

// maxSkew is how far in the future a sign-in may be: clocks differ. It is the default leeway
// of tokens.
const maxSkew = time.Minute

// SignedInWithin reports whether the user signed in less than an age ago. An unknown time
// may be any, and so may one that is further in the future than clocks differ.
func (s *Sessions) SignedInWithin(id *authenticator.Identity, age time.Duration) bool {
	at, now := time.Unix(id.AuthTime, 0), s.config.Now()
	return id.AuthTime != 0 && now.Before(at.Add(age)) && !at.After(now.Add(maxSkew))
}

// authEnd returns when the sign-in of an identity is too old.
func (s *Sessions) authEnd(id *authenticator.Identity) time.Time {
	return time.Unix(id.AuthTime, 0).Add(s.config.MaxAuthAge)
}
