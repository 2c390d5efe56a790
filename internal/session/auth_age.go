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
	if s.config.MaxAuthAge == 0 || id.AuthTime != 0 && s.config.Now().Before(s.authEnd(id)) {
		return nil
	}
	return ErrAuthTime
}

// authEnd returns when the sign-in of an identity is too old.
func (s *Sessions) authEnd(id *authenticator.Identity) time.Time {
	return time.Unix(id.AuthTime, 0).Add(s.config.MaxAuthAge)
}
