package authn

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
)

// off is the one value of challenge.
const off = "off"

// Offer says whether a 401 offers a method. Methods embed it.
type Offer struct {
	// "off" accepts credentials of this method, but no 401 offers it. Use it for
	// clients that fail at a challenge that is not meant for them, as Docker's client
	// does at Bearer. At least one method or a login must be offered. Default: it is
	// offered.
	Challenge string `json:"challenge,omitempty"`
}

// Offered reports whether challenges may ask for the method.
func (o *Offer) Offered() bool { return o.Challenge != off }

// word parses
//
//	challenge off
func (o *Offer) word() func(*caddyfile.Dispenser) error {
	return caddyfileutil.Enum(&o.Challenge, off)
}

// check returns an error for an unknown value of challenge.
func (o *Offer) check() error {
	if o.Challenge != "" && o.Challenge != off {
		return errors.New(caddyfileutil.Unknown("value of challenge", o.Challenge, []string{off}))
	}
	return nil
}

// offered reports whether challenges may ask for a method.
func (m Method) offered() bool {
	o, ok := m.Authenticator.(interface{ Offered() bool })
	return !ok || o.Offered()
}

// CheckOffers reports methods of which none is offered: a 401 needs a challenge
// (RFC 9110, section 15.5.2), unless there is a login to send people to.
func CheckOffers(methods []json.RawMessage, login bool) error {
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
