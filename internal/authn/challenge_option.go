package authn

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
)

// off is the one value of challenge.
const off = "off"

// ChallengeOption is the option challenge, which every method of ours embeds.
type ChallengeOption struct {
	// "off" accepts credentials of this method, but no 401 offers it. Use it for
	// clients that fail at a challenge that is not meant for them, as Docker's client
	// does at Bearer. At least one method or a login must be offered. Default: it is
	// offered.
	Challenge string `json:"challenge,omitempty"`
}

// offer returns the challenge that a method asks with, or none.
func (o *ChallengeOption) offer(challenge authenticator.Challenge) []authenticator.Challenge {
	if o.Challenge == off {
		return nil
	}
	return []authenticator.Challenge{challenge}
}

// parse returns what parses
//
//	challenge off
func (o *ChallengeOption) parse() func(*caddyfile.Dispenser) error {
	return caddyfileutil.Enum(&o.Challenge, off)
}

// check returns an error for an unknown value of challenge.
func (o *ChallengeOption) check() error {
	if o.Challenge != "" && o.Challenge != off {
		return errors.New(caddyfileutil.Unknown("value of challenge", o.Challenge, []string{off}))
	}
	return nil
}

// CheckChallenges returns an error if every method says challenge off: a 401 needs a
// challenge (RFC 9110, section 15.5.2), unless there is a login to redirect users to.
func CheckChallenges(methods []json.RawMessage, login bool) error {
	if len(methods) == 0 || login {
		return nil
	}
	for _, raw := range methods {
		var method struct {
			Challenge any `json:"challenge"`
		}
		if err := json.Unmarshal(raw, &method); err != nil {
			return fmt.Errorf("authenticators: %w", err)
		}
		if method.Challenge != off {
			return nil
		}
	}
	return errors.New("every method says challenge off, so that a 401 has no challenge to offer: take challenge off from one of them, or add a login")
}
